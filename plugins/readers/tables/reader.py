"""`reader/csv`: tables as written by spreadsheets and fib."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fib_plugins.readers.slices.regular import fetched
from fibcore.artefacts import Artefact
from fibcore.errors import FibError
from fibcore.reader import Opened, Reader
from fibcore.tables import LARGEST, Cell, Table
from fibcore.text import described, shown

_INTEGER = re.compile(r"[-+]?[0-9]+")


class Csv(Reader):
    """CSV: a table whose first line names the columns.

    Columns are separated by commas, semicolons or tabs; with the latter two, numbers may have
    decimal commas. Encodings: UTF-8, or UTF-16 with a byte-order mark. Columns that contain only
    numbers become numeric; blanks around cells are ignored.
    """

    name: ClassVar[str] = "csv"
    result_version: ClassVar[int] = 2
    key_name: ClassVar[str] = "load"
    suffixes: ClassVar[tuple[str, ...]] = (".csv",)
    holds: ClassVar[tuple[type[Artefact], ...]] = (Table,)
    writes: ClassVar[tuple[type[Artefact], ...]] = (Table,)

    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Read the table.

        Raises:
            FibError: the file is missing, empty or not text, its columns are not named, its rows
                differ in length, or a whole number has more than 64 bits.
        """
        path = fetched(source, base)
        table = read_table(path)
        return Opened(Table, (path,), lambda context: table)

    @classmethod
    def write(cls, artefact: Any, path: Path) -> None:
        """Write a table (UTF-8); floats in the shortest form that reads back exactly."""
        path.write_text(artefact.to_csv(), encoding="utf-8")


def read_table(path: Path) -> Table:
    """Read a table; raises the errors of `Csv.open`."""
    from fib_plugins.readers.tables.csvtext import read_csv

    try:
        text = read_csv(path)
    except OSError as error:
        raise FibError(f"cannot read the table {shown(path)}: {described(error)}") from error
    columns = {}
    for i, name in enumerate(text.names):
        cells = [row[i] for row in text.rows]
        values = _parsed(cells)
        for line, cell, value in zip(text.lines, cells, values, strict=True):
            if _beyond(cell, value):
                raise FibError(
                    f"{shown(path)}, line {line}: {shown(cell, 40)} in the column "
                    f"{shown(name, 60)} is beyond the range of numbers (whole ones of 64 bits, "
                    f"of 53 beside decimals, others to 1.8e308); write large whole numbers "
                    f"with an exponent, as 1e20"
                )
        columns[name] = np.array(values, dtype=object)
    return Table(columns)


def _parsed(cells: list[str]) -> list[Cell]:
    if cells and all(cell in ("True", "False") for cell in cells):
        return [cell == "True" for cell in cells]
    if cells and all(_INTEGER.fullmatch(cell) for cell in cells):
        return [int(cell) if len(cell) < 40 else float("inf") for cell in cells]
    if not any("_" in cell for cell in cells):  # Python reads 1_000 as a number
        try:
            return [float(cell) for cell in cells]
        except ValueError:
            pass
    return [cell or None for cell in cells]


def _beyond(cell: str, value: Cell) -> bool:
    """Return whether a number is too large to be stored as written."""
    if isinstance(value, float) and len(cell) > 15 and _INTEGER.fullmatch(cell):
        return math.isinf(value) or int(value) != int(cell)
    if isinstance(value, float):
        return math.isinf(value) and any(character.isdigit() for character in cell)
    return isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST
