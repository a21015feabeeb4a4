"""The page on architecture lists folders and modules; all that it lists exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
PACKAGES = {
    "Layout": ".",
    "The Monte Carlo": "plugins/electrons",
    "Translators": "plugins/adapters/translation",
    "Training": "plugins/training",
}
"""Sections that list modules in a block of text, and the folder that the lists begin at."""


def listed(section: str) -> list[str]:
    """Return the paths that the block of a section lists, without suffix."""
    block = re.search(rf"^## {section}\n.*?^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert block is not None
    folder = start = PACKAGES[section]
    paths = []
    for line in block[1].splitlines():
        names = re.split(r" {2,}", line.strip())[0].split()
        if not line.startswith(" "):
            folder = start
        paths += [f"{folder}/{name.rstrip('/')}" for name in names]
        if not line.startswith(" ") and names[0].endswith("/"):
            folder = f"{start}/{names[0].rstrip('/')}"
    return paths


def exists(path: str) -> bool:
    return (ROOT / path).is_dir() or (ROOT / f"{path}.py").is_file()


@pytest.mark.parametrize("section", PACKAGES)
def test_every_module_that_a_block_lists_exists(section: str) -> None:
    paths = listed(section)
    assert len(paths) > 8
    assert [path for path in paths if not exists(path)] == []


def test_every_file_that_the_text_names_exists() -> None:
    named = set(re.findall(r"`([\w/]+\.py)`", PAGE))
    assert len(named) > 5
    folders = ("fibcore", "plugins", "tests", "benchmarks")
    files = [
        file.relative_to(ROOT).as_posix()
        for part in folders
        for file in ROOT.glob(f"{part}/**/*.py")
    ]
    assert [
        name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)
    ] == []
