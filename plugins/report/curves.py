"""Long tables as curves: which column runs along x, which belong together, how each is drawn.

Only column names and values decide: the core knows no metric. Names follow the field's habits: the
unit last (``distance_nm``), an axis before it or last (``s2_x``), whose curve it is first
(``truth_s2_x``, ``validation_loss``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fib_plugins.report import palette, tidy, wording
from fib_plugins.report.panels import Panel, Series
from fibcore.tables import Table
from fibcore.units import UNITS

LONG_TABLE = 12
"""Tables with more rows than this are drawn."""

ABSCISSAS = ("epoch", "step", "iteration", "distance", "lag", "radius", "z", "slice", "depth",
             "energy", "chord_length", "length", "diameter", "grey_value", "bin")  # fmt: skip
"""Names, unit aside, of columns that run along x wherever they stand."""

OWNERS = ("truth", "prediction", "train", "training", "validation", "val", "test")
"""First word of a column that says whose curve it is: one quantity, one set of axes."""

DASHED = ("truth", "train", "training")
DIRECTION = re.compile(r"^(?P<stem>.+?)_(?P<axis>xy|xz|yz|zy|zx|x|y|z|mean)$")
LOGARITHMIC = ("learning_rate", "lr")
STEEP = 50.0
"""Losses that fall by more than this factor are drawn on a logarithmic scale."""
MOST_PANELS = 12


def is_drawn(table: Table) -> bool:
    """Return whether a table is to be drawn rather than printed: a long one, a training history."""
    return len(table) > LONG_TABLE or (len(table) > 2 and "epoch" in table)


def panels(table: Table) -> list[Panel]:
    """Return the axes that show a long table; none if it holds nothing to draw."""
    numeric = [name for name in table.names if _is_numeric(table[name])]
    if len(numeric) < 2:
        return []
    x = abscissa(table, numeric)
    if _increases(table[x]):
        return _wide(table, x, [name for name in numeric if name != x])
    return tidy.panels(table, numeric)[:MOST_PANELS]


def abscissa(table: Table, numeric: Sequence[str]) -> str:
    """Return the column that runs along x: one of a name that says so, else the first number."""
    by_stem = {wording.split_unit(name)[0]: name for name in reversed(numeric)}
    for stem in ABSCISSAS:
        if stem in by_stem:
            return by_stem[stem]
    return numeric[0]


def best_epoch(table: Table) -> float | None:
    """Return the epoch with the lowest validation loss of a training history; else None."""
    for name in ("validation_loss", "val_loss"):
        if name in table and "epoch" in table and np.isfinite(table[name]).any():
            return float(table["epoch"][np.nanargmin(table[name])])
    return None


def _wide(table: Table, x: str, columns: Sequence[str]) -> list[Panel]:
    """One row per x, one column per curve."""
    groups: dict[str, list[tuple[str, str, str]]] = {}
    for column in columns:
        owner, quantity, axis = _parse(column)
        groups.setdefault(quantity, []).append((column, owner, axis))
    found = []
    for quantity, members in groups.items():
        axes = list(dict.fromkeys(axis for _, _, axis in members))
        owners = list(dict.fromkeys(owner for _, owner, _ in members))
        series = []
        for column, owner, axis in members:
            number = axes.index(axis) if len(axes) > 1 else owners.index(owner)
            label = " ".join(part for part in (owner, axis) if part) or wording.title(column)
            series.append(
                Series(
                    quantity, label, table[x], table[column].astype(float),
                    palette.series(number), "--" if owner in DASHED else "-",
                )
            )  # fmt: skip
        stem = wording.split_unit(quantity)[0]
        found.append(
            Panel(
                "", wording.labelled(x), wording.labelled(quantity), tuple(series),
                stem in LOGARITHMIC or (stem == "loss" and _is_steep(series)),
            )
        )  # fmt: skip
    return found[:MOST_PANELS]


def _parse(column: str) -> tuple[str, str, str]:
    """Return whose curve a column is, its quantity with unit, and its axis."""
    stem, unit = column, ""
    for suffix in UNITS:
        if column.endswith("_" + suffix):
            stem, unit = column[: -len(suffix) - 1], "_" + suffix
            break
    owner, _, rest = stem.partition("_")
    if owner not in OWNERS or not rest:
        owner, rest = "", stem
    match = DIRECTION.match(rest)
    quantity, axis = (match["stem"], match["axis"]) if match else (rest, "")
    return owner, quantity + unit, axis


def _is_numeric(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiu"


def _increases(values: np.ndarray) -> bool:
    return bool(np.all(np.diff(values) > 0))


def _is_steep(series: Sequence[Series]) -> bool:
    values = np.concatenate([each.y[np.isfinite(each.y)] for each in series])
    return bool(values.size and values.min() > 0 and values.max() > STEEP * values.min())
