"""Tables as grids of text for the page: short tables whole, metrics side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fibcore.report import wording
from fibcore.report.collect import Run, Step
from fibcore.tables import Table

MOST_ROWS = 40
"""Rows of one metric's step, or of a long table that cannot be drawn, that are printed."""
MOST_COLUMNS = 9
"""A grid with more figures than this is turned: one row per figure, if steps are few."""
FEW_ROWS = 7


@dataclass(frozen=True)
class Cell:
    """One cell: what is printed, what shows on hovering, how it is set.

    `link` is the step that a click leads to.
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
        title: what stands above it.
        head: first row.
        rows: the others.
        left_out: how many more rows the file has.
    """

    title: str
    head: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    left_out: int = 0

    def turned(self) -> Grid:
        """Return the grid with rows and columns exchanged."""
        head, *rows = zip(self.head, *self.rows, strict=True)
        return Grid(self.title, head, tuple(rows), self.left_out)


def grid(title: str, table: Table) -> Grid:
    """Return a table as a grid, turned if it has one row and many columns."""
    rows = tuple(
        tuple(cell(value) for value in row.values()) for row in table.rows()[:MOST_ROWS]
    )
    made = Grid(title, tuple(heading(name) for name in table.names), rows, len(table) - len(rows))
    return made.turned() if len(made.head) > MOST_COLUMNS and len(rows) <= FEW_ROWS else made


def metric_grids(run: Run) -> list[Grid]:
    """Return one grid for each metric, with the figures of all its steps side by side."""
    groups: dict[str, list[tuple[Step, dict[str, Any]]]] = {}
    for step in run.steps:
        table = main_table(step)
        if step.kind == "metric" and table is not None:
            rows = table.rows()[:MOST_ROWS]
            groups.setdefault(step.plugin, []).extend((step, row) for row in rows)
    return [_metric_grid(plugin, rows) for plugin, rows in groups.items()]


def main_table(step: Step) -> Table | None:
    """Return the first table that a step left, if it can be read."""
    for artefact in step.artefacts.values():
        if artefact.type == "Table" and isinstance(artefact.value, Table):
            return artefact.value
    return None


def heading(column: str) -> Cell:
    """Return the heading of a column: its name in words, its unit apart."""
    return Cell(wording.title(column), column, wording.split_unit(column)[1])


def cell(value: Any) -> Cell:
    """Return the cell of a value: four significant digits, all of them on hovering."""
    numeric = wording.is_number(value)
    text = wording.number(value)
    full = "" if value is None or text == str(value) else str(value)
    return Cell(text, full, is_number=numeric or value is None)


def _metric_grid(plugin: str, rows: Sequence[tuple[Step, Mapping[str, Any]]]) -> Grid:
    names = list(dict.fromkeys(name for _, row in rows for name in row))
    slots = [
        slot for slot in ("prediction", "truth") if any(step.inputs.get(slot) for step, _ in rows)
    ]
    head = [Cell("step"), *(Cell(slot) for slot in slots), *(heading(name) for name in names)]
    body = []
    for step, row in rows:
        sources = [", ".join(map(str, step.inputs.get(slot, []))) for slot in slots]
        figures = [cell(row.get(name)) for name in names]
        body.append((Cell(step.id, link=step.id), *map(Cell, sources), *figures))
    made = Grid(plugin, tuple(head), tuple(body))
    return made.turned() if len(names) > MOST_COLUMNS and len(body) <= FEW_ROWS else made
