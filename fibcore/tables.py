"""Tables: named columns with their units in the names, kept as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fibcore.errors import FibError, did_you_mean

Cell = float | int | str | bool | None


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length; a column's name ends in its unit (``distance_nm``, ``mp_percent``).

    Attributes:
        columns: name -> 1-D array; numbers are float64 or int64, text is object.
    """

    columns: Mapping[str, np.ndarray]

    artefact: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        columns = {name: _column(values) for name, values in self.columns.items()}
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

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return list(self.columns)

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per row, with plain Python values."""
        lists = {name: values.tolist() for name, values in self.columns.items()}
        return [{name: lists[name][i] for name in lists} for i in range(len(self))]

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

        Raises:
            FibError: if the file is missing, empty, or its rows differ in length.
        """
        try:
            lines = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise FibError(f"cannot read the table {path}: {error}") from error
        if not lines:
            raise FibError(f"the table {path} is empty; its first line must name the columns")
        names, body = lines[0], [line for line in lines[1:] if line]
        for number, line in enumerate(body, start=2):
            if len(line) != len(names):
                raise FibError(
                    f"{path}, row {number}: {len(line)} cells, but {len(names)} columns are named"
                )
        columns: dict[str, Sequence[Cell]] = {
            name: _parsed([line[i] for line in body]) for i, name in enumerate(names)
        }
        return cls({name: np.array(values, dtype=object) for name, values in columns.items()})


def _column(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1:
        raise FibError(f"a table column is one-dimensional; got shape {array.shape}")
    if array.dtype.kind in "fiub":
        return array
    cells = array.tolist()
    if cells and all(type(cell) is bool for cell in cells):
        return np.array(cells, dtype=bool)
    if cells and all(type(cell) is int for cell in cells):
        return np.array(cells, dtype=np.int64)
    if cells and all(type(cell) in (int, float) for cell in cells):
        return np.array(cells, dtype=np.float64)
    return np.array(cells, dtype=object)


def _parsed(cells: list[str]) -> list[Cell]:
    if cells and all(cell in ("True", "False") for cell in cells):
        return [cell == "True" for cell in cells]
    for kind in (int, float):
        try:
            return [kind(cell) for cell in cells]
        except ValueError:
            continue
    return [cell or None for cell in cells]
