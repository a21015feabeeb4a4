"""Tidy tables as curves: one row per point, with columns that say which curve it is on.

The columns that name a point come first, what was found there after them: the shortest row of
leading columns that no two rows share are the keys, all others are values.

- Values that end in the same word are one quantity, told by several (``simulated_eta``,
  ``network_eta``): they share axes, and differ in style.
- ``standard_error`` (or a name that ends in it) belongs to the value before it: error bars.
- A column of true and false (``held_out``) marks points: those are drawn open.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np

from fib_plugins.report import palette, wording
from fib_plugins.report.panels import POINTS, Panel, Series
from fibcore.tables import Table

MOST_SERIES = 8
LINES = ("-", "--", ":", "-.")
ERROR = "standard_error"

Curve = tuple[str, np.ndarray]
"""What tells a curve from others on its axes, and its rows in the order of x."""


def panels(table: Table, numeric: Sequence[str]) -> list[Panel]:
    """Return the axes that show a tidy table; none if it is not one.

    Args:
        table: the table.
        numeric: its columns that hold numbers.
    """
    named = _leading(table)
    values = [name for name in numeric if name not in named and not name.endswith(ERROR)]
    numbers = [name for name in named if name in numeric]
    if not values or not numbers:
        return []
    changes = {name: int(np.count_nonzero(np.diff(table[name]))) for name in numbers}
    x = max(numbers, key=lambda name: changes[name])
    found = []
    for quantity, columns in _quantities(values).items():
        for title, curves in _curves(table, named, x, len(columns)).items():
            found.append(_panel(table, x, title, quantity, columns, curves))
    return found


def _panel(
    table: Table, x: str, title: str, quantity: str, columns: Sequence[str], curves: Sequence[Curve]
) -> Panel:
    errors, flags = _errors(table), [n for n in table.names if table[n].dtype.kind == "b"]
    several = len(columns) > 1
    owners = {name: _owner(name, quantity) if several else "" for name in columns}
    measured = next((name for name in columns if several and name in errors), "")
    lines = cycle(LINES)
    styles = {name: POINTS if name == measured else next(lines) for name in columns}
    series = []
    for i, (label, rows) in enumerate(curves[:MOST_SERIES]):
        for j, name in enumerate(columns):
            series.append(
                Series(
                    name, label, table[x][rows], table[name][rows].astype(float),
                    palette.series(i if len(curves) > 1 else j), styles[name], owners[name],
                    table[errors[name]][rows].astype(float) if name in errors else None,
                    table[flags[0]][rows] if flags else None,
                )
            )  # fmt: skip
    flag = wording.title(flags[0]) if flags else ""
    return Panel(title, wording.labelled(x), wording.labelled(quantity), tuple(series), flag=flag)


def _leading(table: Table) -> list[str]:
    """Return the shortest row of leading columns that no two rows share; all if there is none."""
    names = table.names
    for count in range(1, len(names)):
        keys = zip(*(table[name].tolist() for name in names[:count]), strict=True)
        if len(set(keys)) == len(table):
            return names[:count]
    return names


def _quantities(values: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns that tell of each quantity: those that end in the same word and unit."""
    ends: dict[str, list[str]] = {}
    for name in values:
        stem, _ = wording.split_unit(name)
        ends.setdefault(stem.rpartition("_")[2] + name[len(stem) :], []).append(name)
    found = {}
    for end, columns in ends.items():
        found[end if len(columns) > 1 else columns[0]] = columns
    return found


def _owner(column: str, quantity: str) -> str:
    return column.removesuffix(quantity).rstrip("_").replace("_", " ")


def _errors(table: Table) -> dict[str, str]:
    """Return the column of standard errors of each value that has one: the column after it."""
    pairs = zip(table.names, table.names[1:], strict=False)
    return {name: error for name, error in pairs if error.endswith(ERROR)}


def _curves(table: Table, named: Sequence[str], x: str, each: int) -> dict[str, list[Curve]]:
    """Return the curves of each set of axes, by its title.

    Args:
        table: the table.
        named: columns that name a point.
        x: the one that runs along x.
        each: how many series a curve is drawn as.
    """
    keys = _independent(table, [name for name in named if name != x])
    rows_of: dict[tuple[Any, ...], list[int]] = {}
    columns = [table[name].tolist() for name in keys]
    for row in range(len(table)):
        rows_of.setdefault(tuple(column[row] for column in columns), []).append(row)
    split = len(keys) > 1 and len(rows_of) * each > MOST_SERIES
    found: dict[str, list[Curve]] = {}
    for key, rows in rows_of.items():
        title = _key_text(keys[:1], key[:1]) if split else ""
        label = _key_text(keys[1:], key[1:]) if split else _key_text(keys, key)
        order = np.argsort(table[x][rows], kind="stable")
        found.setdefault(title, []).append((label, np.array(rows)[order]))
    return found


def _independent(table: Table, keys: Sequence[str]) -> list[str]:
    """Return the columns without those that an earlier one settles (the Z of a material, say)."""
    kept: list[str] = []
    groups = 1
    for name in keys:
        together = {*zip(*(table[key].tolist() for key in (*kept, name)), strict=True)}
        if len(together) > groups:
            kept.append(name)
            groups = len(together)
    return kept


def _key_text(names: Sequence[str], values: Sequence[Any]) -> str:
    parts = []
    for name, value in zip(names, values, strict=True):
        unit = wording.split_unit(name)[1]
        parts.append(f"{value:g} {unit}".rstrip() if wording.is_number(value) else str(value))
    return ", ".join(parts)
