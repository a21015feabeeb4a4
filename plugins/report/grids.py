"""Tables as grids of text for the page: short tables as a whole, metrics side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fib_plugins.report import wording
from fib_plugins.report.collect import Run, Step
from fibcore.roles import Figure
from fibcore.tables import Table

MOST_ROWS = 40
"""Most rows printed of a step of a metric, or of a long table that cannot be drawn."""
MOST_COLUMNS = 12
"""A grid with more figures than this is transposed if there are few steps."""
FEW_ROWS = 7
JUDGED = ("prediction", "truth")
"""Inputs shown beside the figures of a metric; a metric with neither shows all inputs."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, its tooltip, its style.

    `link` is the step to which a click leads.
    """

    text: str
    title: str = ""
    unit: str = ""
    is_number: bool = False
    link: str = ""


@dataclass(frozen=True)
class Grid:
    """A printed table.

    Attributes:
        title: caption.
        head: first row.
        rows: other rows.
        left_out: number of further rows in the file.
    """

    title: str
    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0

    def __post_init__(self) -> None:
        columns = zip(self.head, *self.rows, strict=True)
        numeric = [any(cell.is_number for cell in column) for column in columns]
        head = (replace(c, is_number=n) for c, n in zip(self.head, numeric, strict=True))
        object.__setattr__(self, "head", tuple(head))

    def turned(self) -> Grid:
        """Return the grid with rows and columns exchanged."""
        head, *rows = zip(self.head, *self.rows, strict=True)
        upright = (tuple(replace(c, is_number=False) for c in row[:1]) + row[1:] for row in rows)
        return Grid(self.title, head, tuple(upright), self.left_out)


def grid(title: str, table: Table) -> Grid:
    """Return a table as a grid; a table with few rows and many columns is transposed."""
    rows = tuple(tuple(cell(value) for value in row.values()) for row in table.rows()[:MOST_ROWS])
    head = tuple(heading(table, name) for name in table.names)
    if len(head) > MOST_COLUMNS and len(rows) <= FEW_ROWS:
        numbered = (
            (Cell(f"row {i}" if len(rows) > 1 else "value"), *r) for i, r in enumerate(rows, 1)
        )
        return Grid(title, (Cell("figure"), *head), tuple(numbered)).turned()
    return Grid(title, head, rows, len(table) - len(rows))


def metric_grids(run: Run) -> list[Grid]:
    """Return one grid for each metric, with the figures of all its steps side by side."""
    groups: dict[str, list[tuple[Step, Table]]] = {}
    for step in run.steps:
        tables = [artefact.value for artefact in step.artefacts.values()]
        table = next((table for table in tables if isinstance(table, Table)), None)
        if step.measures and table is not None:
            groups.setdefault(step.plugin, []).append((step, table))
    return [metric_grid(plugin, tables) for plugin, tables in groups.items()]


def heading(table: Table, column: str) -> Cell:
    """Return the heading of a column, with its unit."""
    return Cell(table.caption(column), column, table.unit(column))


def cell(value: Any) -> Cell:
    """Return the cell of a value: four significant digits, all digits as a tooltip."""
    numeric = wording.is_number(value)
    text = wording.number(value)
    full = "" if value is None or text == str(value) else str(value)
    return Cell(text, full, is_number=numeric or value is None)


def metric_grid(title: str, tables: Sequence[tuple[Step, Table]]) -> Grid:
    """Return the figures of a metric, one row for each step; figures of truths are below.

    Args:
        title: caption.
        tables: steps of this metric with their figures.
    """
    rows = [(step, row) for step, table in tables for row in table.rows()[:MOST_ROWS]]
    inputs = [slot for step, _ in rows for slot, sources in step.inputs.items() if sources]
    slots = [slot for slot in JUDGED if slot in inputs] or list(dict.fromkeys(inputs))
    homes = {name: table for _, table in reversed(tables) for name in table.names}
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    of_truth = {figure: name for name in names if (figure := _of_truth(homes[name], name)) in names}
    own = [name for name in names if name not in of_truth.values()]
    body, of_truths = [], {}
    for step, row in rows:
        sources = {slot: ", ".join(map(str, step.inputs.get(slot, []))) for slot in slots}
        first = [Cell(step.id, link=step.id), *(Cell(sources[slot]) for slot in slots)]
        body.append((*first, *(cell(row.get(name)) for name in own)))
        figures = {n: row[of_truth[n]] for n in own if n in of_truth and of_truth[n] in row}
        if figures:
            blank = [Cell("") for _ in slots[1:]]
            line = (cell(figures[name]) if name in figures else Cell("") for name in own)
            truth = sources.get("truth", "")
            of_truths[truth] = (Cell("truth"), Cell(truth), *blank, *line)
    head = [
        Cell("step"),
        *(Cell(slot) for slot in slots),
        *(heading(homes[name], name) for name in own),
    ]
    body += of_truths.values()
    made = Grid(title, tuple(head), tuple(body))
    return made.turned() if len(own) > MOST_COLUMNS and len(body) <= FEW_ROWS else made


def _of_truth(table: Table, name: str) -> str:
    """Return the name of the figure whose value for the truth a column holds; empty if none."""
    role = table.roles.get(name)
    return role.of_truth if isinstance(role, Figure) else ""
