"""The documentation: its pages and the fenced blocks in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\w*)(?P<rest>.*)$")
NOTE = re.compile(r"^ *<!-- test: (.*) -->$")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        language: what follows the fence.
        title: name of the file that it is; empty if it is none.
        text: content without indentation.
        line: line of the fence, from 1.
        note: what a ``<!-- test: ... -->`` before it says.
    """

    language: str
    title: str
    text: str
    line: int
    note: str


def blocks_of(markdown: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    found = []
    lines = iter(enumerate(markdown.splitlines(), start=1))
    note = ""
    for number, line in lines:
        if opened := FENCE.match(line):
            indent = opened["indent"]
            body = []
            for _, inner in lines:
                if inner.strip() == opened["fence"]:
                    break
                body.append(inner.removeprefix(indent))
            title = re.search(r'title="([^"]*)"', opened["rest"])
            text = "".join(f"{line}\n" for line in body)
            name = title[1] if title else ""
            found.append(Block(opened["language"], name, text, number, note))
            note = ""
        elif marked := NOTE.match(line):
            note = marked[1]
        elif line.strip():
            note = ""
    return found


@pytest.fixture
def root() -> Path:
    """The root of the project."""
    return ROOT


@pytest.fixture
def docs() -> Path:
    """The folder of the documentation."""
    return ROOT / "docs"


@pytest.fixture
def blocks_in() -> Callable[[Path], list[Block]]:
    """Return the fenced blocks of a page."""
    return lambda page: blocks_of(page.read_text(encoding="utf-8"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test that takes a `page` every page of the documentation."""
    if "page" in metafunc.fixturenames:
        names = [str(path.relative_to(ROOT)) for path in PAGES]
        metafunc.parametrize("page", PAGES, ids=names)
