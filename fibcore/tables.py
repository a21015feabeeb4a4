"""Tables: named columns with their units in the names, kept as CSV."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fibcore.csvtext import read_csv
from fibcore.errors import FibError, did_you_mean
from fibcore.text import described, shown

if TYPE_CHECKING:
    from pandas import DataFrame

Cell = float | int | str | bool | None

_LARGEST = 2**63 - 1
_INTEGER = re.compile(r"[-+]?[0-9]+")


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Columns of equal length; a column's name ends in its unit (``distance_nm``, ``mp_percent``).

    ``table["distance_nm"]`` is a column, ``for row in table`` gives each row as a dictionary,
    ``len(table)`` is the number of rows. A notebook shows the table with its units.

    Attributes:
        columns: name -> 1-D array; numbers are float64 or int64, text is object.
    """

    columns: Mapping[str, np.ndarray]

    artefact: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        columns = {name: _column(name, values) for name, values in self.columns.items()}
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise FibError(f"the columns of a table have one length; these have {lengths}")
        object.__setattr__(self, "columns", columns)

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Cell]]) -> Table:
        """Return a table from one mapping per row; the first row names the columns."""
        rows = list(rows)
        names = list(rows[0]) if rows else []
        for row in rows:
            if list(row) != names:
                raise FibError(f"every row needs the columns {names}; one has {list(row)}")
        return cls({name: np.array([row[name] for row in rows], dtype=object) for name in names})

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise FibError(
                f"no column {name!r} in the table; it has {', '.join(self.columns)}."
                + did_you_mean(name, self.columns)
            )
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows())

    def __repr__(self) -> str:
        return f"<Table: {len(self)} x {len(self.names)} (rows, columns): {', '.join(self.names)}>"

    def _repr_html_(self) -> str:
        from fibcore.show import table_html

        return table_html(self)

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return list(self.columns)

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per row, with plain Python values."""
        lists = {name: values.tolist() for name, values in self.columns.items()}
        return [{name: lists[name][i] for name in lists} for i in range(len(self))]

    def to_pandas(self) -> DataFrame:
        """Return the table as a pandas `DataFrame`; needs the extra ``notebook``.

        Raises:
            FibError: pandas is not installed.
        """
        from fibcore.convert import table_to_pandas

        return table_to_pandas(self)

    def to_csv(self) -> str:
        """Return the table as CSV text; floats in the shortest form that reads back exactly."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.names)
        for row in self.rows():
            writer.writerow(["" if v is None else v for v in row.values()])
        return text.getvalue()

    def write(self, path: Path) -> None:
        """Write the table as CSV (UTF-8)."""
        path.write_text(self.to_csv(), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Table:
        """Read a table from CSV; columns in which every cell is a number become numeric.

        Separators are commas, semicolons or tabs; blanks around cells do not count.

        Raises:
            FibError: the file is missing, empty or no text, its columns are not named, or its rows
                differ in length; a whole number has more than 64 bits.
        """
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
        return cls(columns)


def _column(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise FibError(f"a table column is one-dimensional; got shape {array.shape}")
    if array.dtype.kind in "fiub":
        return array
    cells = array.tolist()
    if cells and all(type(cell) is bool for cell in cells):
        return np.array(cells, dtype=bool)
    if cells and all(type(cell) is int for cell in cells):
        if max(cells) > _LARGEST or min(cells) < -_LARGEST - 1:
            raise FibError(
                f"the column {name!r} holds whole numbers of more than 64 bits; give floats"
            )
        return np.array(cells, dtype=np.int64)
    if cells and all(type(cell) in (int, float) for cell in cells):
        return np.array(cells, dtype=np.float64)
    return np.array(cells, dtype=object)


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
    """Return whether a number is too large to be kept as it is written."""
    if isinstance(value, float) and len(cell) > 15 and _INTEGER.fullmatch(cell):
        return math.isinf(value) or int(value) != int(cell)
    if isinstance(value, float):
        return math.isinf(value) and any(character.isdigit() for character in cell)
    return isinstance(value, int) and not -_LARGEST - 1 <= value <= _LARGEST
