"""The sections of the page: text, tables, figures, and checks with a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ..pages import picture, save, table

SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


@dataclass(frozen=True)
class Check:
    """A requirement and its result.

    Attributes:
        what: quantity.
        wanted: required range or condition.
        found: value.
        passed: whether `found` meets the requirement.
    """

    what: str
    wanted: str
    found: str
    passed: bool

    @property
    def verdict(self) -> str:
        """A word for the page."""
        return "met" if self.passed else "**missed**"


@dataclass
class Section:
    """One section of the page.

    Attributes:
        title: heading.
        parts: pieces of Markdown.
        checks: for the table at the beginning of the page.
        facts: values used in other sections.
    """

    title: str
    parts: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def text(self, words: str) -> None:
        """Add a paragraph."""
        self.parts.append(" ".join(words.split()))

    def heading(self, words: str) -> None:
        """Add a heading within the section."""
        self.parts.append(f"### {words}")

    def points(self, items: Iterable[str]) -> None:
        """Add a list."""
        self.parts.append("\n".join(f"- {' '.join(item.split())}" for item in items))

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table; all columns but the first are aligned to the right."""
        self.parts.append(table(head, rows, right=True))

    def figure(self, figure: Figure, file: Path, shows: str) -> None:
        """Save a figure and add it, with an alternative text."""
        save(figure, file)
        self.parts.append(picture(file, shows))

    def check(self, what: str, wanted: str, found: str, passed: bool) -> None:
        """Add a check."""
        self.checks.append(Check(what, wanted, found, bool(passed)))

    @property
    def markdown(self) -> str:
        """The section in Markdown."""
        return "\n\n".join([f"## {self.title}", *self.parts])


def checks_table(checks: Iterable[Check]) -> str:
    """Return the table of verdicts."""
    rows = [(check.what, check.wanted, check.found, check.verdict) for check in checks]
    return table(("quantity", "required", "result", ""), rows)


def value(eta: float, error: float) -> str:
    """Return a yield with its standard error."""
    return f"{eta:.4f} ± {error:.4f}"
