"""Docs, docstrings, comments, messages and names use the usual words of technical English."""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("fibcore", "plugins", "benchmarks", "tools", "docs", "examples")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
SUFFIXES = {".py", ".md", ".html", ".js", ".css", ".json", ".ipynb", ".toml", ".template"}

ODD = {
    r"tells?|telling|told": "report, show, warn, raise, describe, or leave it out",
    r"says?|saying|said": "report, state, name, set, give",
    r"foretold|foretell\w*": "known beforehand, forecast",
    r"nobody|somebody": "name who or what it is, or use the passive voice",
    r"speaks?|spoken": "name, describe",
    r"judges?": "discriminator, metric; the verb: measure, compare, validate",
    r"stands? (twice|once|beside|there|in|for)": "is given twice, is listed, means",
    r"whatever|whoever|whichever": "any, all, name what it is",
    r"begun|afresh|anew": "started, again",
    r"goes? on\b": "continue, resume",
    r"in truth": "really",
}
"""Words that technical English does without, and what to use in their place."""

METHODS = {"tell"}
"""Names that Python itself has: ``file.tell()``."""


def texts() -> Iterator[Path]:
    """Yield the files whose words are checked."""
    for name in FOLDERS:
        for path in sorted((ROOT / name).rglob("*")):
            if path.suffix in SUFFIXES and "__pycache__" not in path.parts:
                yield path
    yield from (ROOT / page for page in PAGES)


@pytest.fixture(scope="module")
def lines() -> list[tuple[Path, int, str]]:
    """Every line of every file, read once for all words."""
    return [(path, number, text) for path in texts() for number, text in words_of(path)]


def words_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines; of names in code, their words."""
    if path.suffix != ".py":
        yield from enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        return
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            for line, text in enumerate(token.string.splitlines(), start=token.start[0]):
                if token.type == tokenize.NAME:
                    text = "" if text in METHODS else text.replace("_", " ")
                yield line, text


@pytest.mark.parametrize(("odd", "better"), ODD.items(), ids=list(ODD))
def test_no_odd_word_is_left(lines, odd, better):
    pattern = re.compile(rf"\b(?:{odd})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text.strip()[:100]}"
        for path, line, text in lines
        if pattern.search(text)
    ]
    assert not found, f"{len(found)} places use {odd!r}; better: {better}\n" + "\n".join(found)
