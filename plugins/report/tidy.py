"""Draws tidy tables as curves: one row for each point, with keys that name its curve.

Curves of one quantity from several sources (``of``) share axes and differ in style. A source with
standard errors was measured and is drawn as points. Flagged points are open symbols.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from fib_plugins.report import palette, wording
from fib_plugins.report.declared import axis_label, by_quantity, named
from fib_plugins.report.panels import POINTS, Panel, Series
from fibcore.roles import Curve, Flag, Key
from fibcore.tables import Table

MOST_SERIES = 8
LINES = ("-", "--", ":", "-.")

Rows = tuple[str, np.ndarray]
"""The key values of a curve, and its rows in the order of x."""


def panels(table: Table, x: str, curves: Mapping[str, Curve]) -> list[Panel]:
    """Return the axes that show a tidy table.

    Args:
        table: the table.
        x: its column along x.
        curves: its columns that are drawn.
    """
    return [
        _panel(table, x, title, quantity, columns, rows)
        for quantity, columns in by_quantity(curves).items()
        for title, rows in _rows(table, x, len(columns)).items()
    ]


def _panel(
    table: Table,
    x: str,
    title: str,
    quantity: str,
    columns: Mapping[str, Curve],
    curves: Sequence[Rows],
) -> Panel:
    flags = named(table, Flag)
    several = len(columns) > 1
    measured = next((name for name, role in columns.items() if several and role.error), "")
    lines = cycle(LINES)
    styles = {name: POINTS if name == measured else next(lines) for name in columns}
    series = []
    for i, (label, rows) in enumerate(curves[:MOST_SERIES]):
        for j, (name, role) in enumerate(columns.items()):
            series.append(
                Series(
                    name, label, table[x][rows], table[name][rows].astype(float),
                    palette.series(i if len(curves) > 1 else j), styles[name],
                    " ".join(filter(None, (role.of, role.along))) if several else "",
                    table[role.error][rows].astype(float) if role.error else None,
                    table[flags[0]][rows].astype(bool) if flags else None,
                )
            )  # fmt: skip
    labels = axis_label(table, x), axis_label(table, quantity)
    return Panel(title, *labels, tuple(series), flag=table.caption(flags[0]) if flags else "")


def _rows(table: Table, x: str, each: int) -> dict[str, list[Rows]]:
    """Return the curves of each set of axes, by its title.

    Args:
        table: the table.
        x: its column along x.
        each: number of series for each curve.
    """
    keys = _independent(table, named(table, Key))
    rows_of: dict[tuple[Any, ...], list[int]] = {}
    columns = [table[name].tolist() for name in keys]
    for row in range(len(table)):
        rows_of.setdefault(tuple(column[row] for column in columns), []).append(row)
    split = len(keys) > 1 and len(rows_of) * each > MOST_SERIES
    found: dict[str, list[Rows]] = {}
    for key, rows in rows_of.items():
        title = _key_text(table, keys[:1], key[:1]) if split else ""
        label = _key_text(table, keys[1:], key[1:]) if split else _key_text(table, keys, key)
        order = np.argsort(table[x][rows], kind="stable")
        found.setdefault(title, []).append((label, np.array(rows)[order]))
    return found


def _independent(table: Table, keys: Sequence[str]) -> list[str]:
    """Return the columns without those determined by an earlier one, such as Z by the material."""
    kept: list[str] = []
    groups = 1
    for name in keys:
        together = {*zip(*(table[key].tolist() for key in (*kept, name)), strict=True)}
        if len(together) > groups:
            kept.append(name)
            groups = len(together)
    return kept


def _key_text(table: Table, names: Sequence[str], values: Sequence[Any]) -> str:
    parts = []
    for name, value in zip(names, values, strict=True):
        unit = table.unit(name)
        parts.append(f"{value:g} {unit}".rstrip() if wording.is_number(value) else str(value))
    return ", ".join(parts)
