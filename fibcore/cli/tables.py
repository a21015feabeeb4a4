"""Tables for terminals, files and pipes of any width.

A number is never broken over lines. Words of a column of text are. Where the columns do not fit
beside one another, those that do not go below the others, with the first column again; where not
even two fit, each cell gets a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from fibcore.cli.terminal import console, echo, plain

GAP = "  "
NARROWEST = 14
"""Width that a column of text is not made narrower than, unless it needs less."""

Cell = str | Text


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        head: what stands above it.
        right: whether its cells end, rather than begin, below one another.
        text: whether its cells may be broken between words.
        style: of its cells.
    """

    head: str
    right: bool = False
    text: bool = False
    style: str = ""


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table; the first column names its rows."""
    for line in table_lines(columns, rows, console().width):
        echo(line)


def table_lines(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int
) -> Iterator[Text]:
    """Yield the lines of a table that is at most `width` wide, if its numbers are not wider."""
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
    """Yield the numbers of the columns that fit beside one another, the first one always."""
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
    """Return widths of a group's columns: what is left over goes where most is lacking."""
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
