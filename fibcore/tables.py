"""Tables: named columns with their units in the names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fibcore.errors import FibError, did_you_mean
from fibcore.packages import packages
from fibcore.roles import Curve, Role
from fibcore.units import split_unit

if TYPE_CHECKING:
    from pandas import DataFrame

Cell = float | int | str | bool | None

LARGEST = 2**63 - 1
"""The largest whole number of a column."""


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Columns of equal length; a column's name ends in its unit (``distance_nm``, ``mp_percent``).

    ``table["distance_nm"]`` is a column, ``for row in table`` gives each row as a dictionary,
    ``len(table)`` is the number of rows. A notebook shows the table with its units.

    Attributes:
        columns: name -> 1-D array; numbers are float64 or int64, text is object.
        roles: name -> role of the column (`fibcore.roles`), if declared.
    """

    columns: Mapping[str, np.ndarray]
    roles: Mapping[str, Role] = field(default_factory=dict)

    artefact: ClassVar[str] = "table"

    def __post_init__(self) -> None:
        columns = {name: _column(name, values) for name, values in self.columns.items()}
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            raise FibError(f"the columns of a table have one length; these have {lengths}")
        object.__setattr__(self, "columns", columns)
        for name, role in self.roles.items():
            self[name]
            if isinstance(role, Curve) and role.error:
                self[role.error]

    @classmethod
    def from_rows(
        cls, rows: Iterable[Mapping[str, Cell]], roles: Mapping[str, Role] | None = None
    ) -> Table:
        """Return a table from one mapping per row; the first row names the columns."""
        rows = list(rows)
        names = list(rows[0]) if rows else []
        for row in rows:
            if list(row) != names:
                raise FibError(f"every row needs the columns {names}; one has {list(row)}")
        columns = {name: np.array([row[name] for row in rows], dtype=object) for name in names}
        return cls(columns, roles or {})

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

    def _repr_html_(self) -> str | None:
        return packages().first("fib_repr_html", item=self)

    @property
    def names(self) -> list[str]:
        """Column names in order."""
        return list(self.columns)

    def caption(self, name: str) -> str:
        """Return a column's name in words, without its unit."""
        declared = self.roles[name].caption if name in self.roles else ""
        return declared or split_unit(name)[0].replace("_", " ")

    def unit(self, name: str) -> str:
        """Return a column's unit as printed; empty if it has none."""
        declared = self.roles[name].unit if name in self.roles else None
        return split_unit(name)[1] if declared is None else declared

    def rows(self) -> list[dict[str, Any]]:
        """Return one mapping per row, with plain Python values."""
        lists = {name: values.tolist() for name, values in self.columns.items()}
        return [{name: lists[name][i] for name in lists} for i in range(len(self))]

    def to_pandas(self) -> DataFrame:
        """Return the table as a pandas `DataFrame`; needs the extra ``notebook``.

        Raises:
            FibError: pandas is not installed.
        """
        from fibcore.convert import data_frame

        return data_frame(self.columns)

    def to_csv(self) -> str:
        """Return the table as CSV text; floats in the shortest form that reads back exactly."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.names)
        for row in self.rows():
            writer.writerow(["" if v is None else v for v in row.values()])
        return text.getvalue()


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
        if max(cells) > LARGEST or min(cells) < -LARGEST - 1:
            raise FibError(
                f"the column {name!r} holds whole numbers of more than 64 bits; give floats"
            )
        return np.array(cells, dtype=np.int64)
    if cells and all(type(cell) in (int, float) for cell in cells):
        return np.array(cells, dtype=np.float64)
    return np.array(cells, dtype=object)
