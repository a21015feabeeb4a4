"""Shared by the pages of results: front matter, tables, numbers, figures.

Only the standard library is imported here; figures need matplotlib and Pillow.
"""

from __future__ import annotations

import io
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
EXPLANATION = DOCS / "explanation"


def front_matter(title: str, about: str, target: str, takes: str) -> str:
    """Return the beginning of a page that one command makes.

    Args:
        title: heading of the page.
        about: the first paragraph.
        target: of the Makefile.
        takes: how long it takes, and further remarks.
    """
    return (
        f"# {title}\n\n{about.strip()}\n\n"
        f"Made by `make {target}` ({takes}); all results on this page are computed:\n\n"
        f"```console\n$ make {target}\n```"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool = False) -> str:
    """Return a table in Markdown, without a line break at its end.

    Args:
        head: names of the columns.
        rows: cells; bars are escaped, and line breaks replaced by spaces.
        right: whether all columns but the first are aligned to the right.
    """
    rule = ["---", *["---:" if right else "---"] * (len(head) - 1)]
    lines = ["| " + " | ".join(line) + " |" for line in (head, rule)]
    for row in rows:
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the mean, with the standard deviation if there are several."""
    if not values:
        return "-"
    text = f"{statistics.mean(values):.{digits}f}"
    return text + (f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")


def signed(number: float, digits: int = 1) -> str:
    """Return a number with its sign and a typographic minus."""
    return f"{number:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def percent(ratio: float, digits: int = 1) -> str:
    """Return a deviation in percent."""
    return signed(100 * ratio, digits)


def picture(file: Path, shows: str, caption: str = "") -> str:
    """Return the Markdown of a picture in the folder named like the page.

    Args:
        file: the picture.
        shows: alternative text.
        caption: text below it.
    """
    shown = f"![{' '.join(shows.split())}]({file.parent.name}/{file.name})"
    return f"{shown}\n\n*{caption}*" if caption else shown


def save(figure: Figure, file: Path, dpi: int | None = None) -> None:
    """Save a figure as PNG with at most 256 colours: a third of the size, no visible loss."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi or "figure")
    reduced = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    file.parent.mkdir(parents=True, exist_ok=True)
    reduced.save(file, optimize=True)


def machine() -> str:
    """Return the number of usable cores and the machine type."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores ({platform.machine()})"


def versions(*packages: str) -> str:
    """Return the versions of Python and of packages."""
    found = (f"{name} {metadata.version(name)}" for name in packages)
    return ", ".join([f"Python {platform.python_version()}", *found])


def write(page: Path, parts: Iterable[str]) -> None:
    """Write the parts of a page, with an empty line between them."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(part.strip() for part in parts) + "\n", encoding="utf-8")
