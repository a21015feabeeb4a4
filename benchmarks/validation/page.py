"""What the page is made of: sections of text, tables and figures, and checks with a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

SIGMA = "\N{GREEK SMALL LETTER SIGMA}"


@dataclass(frozen=True)
class Check:
    """One thing that was asked for, and what came out.

    Attributes:
        what: quantity.
        wanted: range or condition.
        found: value.
        passed: whether `found` is what was wanted.
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
        facts: values that other sections quote.
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
        lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
        self.parts.append("\n".join("| " + " | ".join(line) + " |" for line in lines))

    def figure(self, figure: Figure, file: Path, shows: str) -> None:
        """Save a figure and add it, with words for those who cannot see it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        save(figure, file)
        self.parts.append(f"![{' '.join(shows.split())}]({file.parent.name}/{file.name})")

    def check(self, what: str, wanted: str, found: str, passed: bool) -> None:
        """Add a check."""
        self.checks.append(Check(what, wanted, found, bool(passed)))

    @property
    def markdown(self) -> str:
        """The section as it stands on the page."""
        return "\n\n".join([f"## {self.title}", *self.parts])


def save(figure: Figure, file: Path) -> None:
    """Save a figure as PNG of at most 256 colours: a third of the size, and no loss to see."""
    import io

    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    reduced = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    reduced.save(file, optimize=True)


def checks_table(checks: Iterable[Check]) -> str:
    """Return the table of verdicts."""
    lines = ["| what | wanted | found | |", "|---|---|---|---|"]
    lines += [f"| {c.what} | {c.wanted} | {c.found} | {c.verdict} |" for c in checks]
    return "\n".join(lines)


def signed(number: float, digits: int = 1) -> str:
    """Return a number with its sign, and the minus that print uses."""
    return f"{number:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(ratio: float, digits: int = 1) -> str:
    """Return a deviation in percent."""
    return signed(100 * ratio, digits)


def value(eta: float, error: float) -> str:
    """Return a yield with its standard error."""
    return f"{eta:.4f} ± {error:.4f}"
