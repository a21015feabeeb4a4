"""Tables for terminals, files and pipes of any width.

Numbers are never broken over lines; columns of text are wrapped between words. Columns that do not
fit beside the others are printed below them, with the first column again. If not even two columns
fit, each cell has a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from fibcore.cli.terminal import console, echo, plain

GAP = "  "
NARROWEST = 14
"""Smallest width of a column of text, unless it needs less."""

Cell = str | Text


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        head: heading.
        right: whether its cells are aligned to the right.
        text: whether its cells may be wrapped between words.
        style: rich style of its cells.
    """

    head: str
    right: bool = False
    text: bool = False
    style: str = ""


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table whose first column names the rows."""
    for line in table_lines(columns, rows, console().width):
        echo(line)


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
) -> Iterator[Text]:
    """Yield the lines of a table; they are wider than `width` only if its numbers are."""
    cells = [
        [cell if isinstance(cell, Text) else plain(cell, column.style) for cell, column in found]
        for found in (zip(row, columns, strict=True) for row in rows)
    ]
    heads = [plain(column.head, "bold") for column in columns]
    natural = [
        max(_width(cell) for cell in (head, *(row[number] for row in cells)))
        for number, head in enumerate(heads)
    ]
    least = [
        min(NARROWEST, wide) if column.text else wide
        for column, wide in zip(columns, natural, strict=True)
    ]
    if any(least[0] + len(GAP) + wide > width for wide in least[1:]):
        yield from _stacked(heads, cells)
        return
    for number, group in enumerate(_groups(least, width)):
        if number:
            yield Text()
        widths = _widths(group, natural, least, width)
        for row in (heads, *cells):
            yield from _row([row[i] for i in group], [columns[i] for i in group], widths)


def _groups(least: Sequence[int], width: int) -> Iterator[list[int]]:
    """Yield the indices of columns that fit beside one another, always with the first column."""
    group, used = [0], least[0]
    for number in range(1, len(least)):
        wide = len(GAP) + least[number]
        if used + wide > width:
            yield group
            group, used = [0], least[0]
        group.append(number)
        used += wide
    yield group


def _widths(
    group: Sequence[int],
    natural: Sequence[int],
    least: Sequence[int],
    width: int,
) -> list[int]:
    """Return the widths of a group's columns; spare width goes to those that lack most."""
    found = {number: least[number] for number in group}
    spare = width - sum(found.values()) - len(GAP) * (len(group) - 1)
    while spare > 0:
        needy = max(group, key=lambda number: natural[number] - found[number])
        if found[needy] == natural[needy]:
            break
        found[needy] += 1
        spare -= 1
    return [found[number] for number in group]


def _row(cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int]) -> Iterator[Text]:
    parts = [
        _wrapped(cell, wide) if column.text else list(cell.split("\n"))
        for cell, column, wide in zip(cells, columns, widths, strict=True)
    ]
    for number in range(max(map(len, parts))):
        line = Text()
        for lines, column, wide in zip(parts, columns, widths, strict=True):
            part = lines[number] if number < len(lines) else Text()
            blank = " " * (wide - cell_len(part.plain))
            line.append_text(Text(blank) + part if column.right else part + Text(blank))
            line.append(GAP)
        line.rstrip()
        yield line


def _stacked(heads: Sequence[Text], cells: Sequence[Sequence[Text]]) -> Iterator[Text]:
    for row in cells:
        yield row[0]
        for head, cell in zip(heads[1:], row[1:], strict=True):
            if cell:
                yield Text(GAP) + head + Text(GAP if head else "") + cell


def _wrapped(cell: Text, width: int) -> list[Text]:
    lines = cell.wrap(console(), width, overflow="fold")
    for line in lines:
        line.rstrip()
    return list(lines) or [Text()]


def _width(cell: Text) -> int:
    return max(cell_len(line) for line in cell.plain.split("\n"))
