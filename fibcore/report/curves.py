"""Long tables as curves: which column runs along x, which belong together, how each is drawn.

Only column names and values decide: the core knows no metric. Names follow the field's habits: the
unit last (``distance_nm``), an axis before it or last (``s2_x``), whose curve it is first
(``truth_s2_x``, ``validation_loss``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from fibcore.report import palette, wording
from fibcore.report.figures import chart
from fibcore.tables import Table

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
MOST_SERIES = 8
MOST_PANELS = 12


@dataclass(frozen=True)
class Series:
    """One curve: its quantity, what tells it from others on the same axes, its points."""

    quantity: str
    label: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One set of axes; its title says what its labels do not."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    logarithmic: bool = False


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
    return _tidy(table, numeric)


def draw(panel: Panel, best: float | None = None) -> Markup:
    """Return one set of axes as SVG.

    Args:
        panel: what is on them.
        best: of a training history: the epoch whose weights were kept, where that is known.
    """

    def on(axes: Any) -> None:
        for series in panel.series:
            style = "--" if series.dashed else "-"
            label = series.label if len(panel.series) > 1 else None
            axes.plot(series.x, series.y, style, color=series.colour, label=label)
        if best is not None:
            axes.axvline(best, color=palette.MISSED, lw=1, ls=":", label=f"best epoch: {best:g}")
        axes.set_xlabel(panel.x_label)
        axes.set_ylabel(panel.y_label)
        axes.set_title(panel.title)
        finite = [s.y[np.isfinite(s.y)] for s in panel.series]
        values = np.concatenate(finite) if finite else np.array([])
        if panel.logarithmic and values.size and values.min() > 0:
            _set_log_scale(axes)
        elif values.size and 0 <= values.min() <= 0.5 * values.max():
            axes.set_ylim(bottom=0)
        if all(series.x.dtype.kind in "iu" for series in panel.series):
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.margins(x=0.02)
        if len(panel.series) > 1 or best is not None:
            axes.legend(loc="best", ncols=2 if len(panel.series) > 4 else 1)

    return chart(on, f"{panel.title} {panel.y_label} over {panel.x_label}".strip())


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
                    palette.series(number), dashed=owner in DASHED,
                )
            )  # fmt: skip
        stem = wording.split_unit(quantity)[0]
        found.append(
            Panel(
                "", wording.labelled(x), wording.labelled(quantity), tuple(series),
                stem in LOGARITHMIC,
            )
        )  # fmt: skip
    return found[:MOST_PANELS]


def _tidy(table: Table, numeric: Sequence[str]) -> list[Panel]:
    """One row per point; some columns say which curve it is on."""
    few = [name for name in numeric if len(np.unique(table[name])) <= len(table) / 2]
    values = [name for name in numeric if name not in few]
    if not few or not values:
        return []
    changes = {name: int(np.count_nonzero(np.diff(table[name]))) for name in few}
    x = max(few, key=lambda name: changes[name])
    texts = [name for name in table.names if name not in numeric]
    keys = _independent(table, [*texts, *(name for name in few if name != x)])
    curves: dict[tuple[Any, ...], list[int]] = {}
    for row, key in enumerate(zip(*(table[name].tolist() for name in keys), strict=True)):
        curves.setdefault(key, []).append(row)
    if not keys:
        curves = {(): list(range(len(table)))}
    split = len(keys) > 1 and len(curves) > MOST_SERIES
    found = []
    for value in values:
        by_panel: dict[str, list[Series]] = {}
        for key, rows in curves.items():
            title = _key_text(keys[:1], key[:1]) if split else ""
            label = _key_text(keys[1:], key[1:]) if split else _key_text(keys, key)
            drawn = by_panel.setdefault(title, [])
            order = np.argsort(table[x][rows], kind="stable")
            drawn.append(
                Series(
                    value, label, table[x][rows][order], table[value][rows][order].astype(float),
                    palette.series(len(drawn)),
                )
            )  # fmt: skip
        found += [
            Panel(title, wording.labelled(x), wording.labelled(value), tuple(series[:MOST_SERIES]))
            for title, series in by_panel.items()
        ]
    return found[:MOST_PANELS]


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


def _parse(column: str) -> tuple[str, str, str]:
    """Return whose curve a column is, its quantity with unit, and its axis."""
    stem, unit = column, ""
    for suffix in wording.UNITS:
        if column.endswith("_" + suffix):
            stem, unit = column[: -len(suffix) - 1], "_" + suffix
            break
    owner, _, rest = stem.partition("_")
    if owner not in OWNERS or not rest:
        owner, rest = "", stem
    match = DIRECTION.match(rest)
    quantity, axis = (match["stem"], match["axis"]) if match else (rest, "")
    return owner, quantity + unit, axis


def _key_text(names: Sequence[str], values: Sequence[Any]) -> str:
    parts = []
    for name, value in zip(names, values, strict=True):
        unit = wording.split_unit(name)[1]
        parts.append(f"{value:g} {unit}".rstrip() if wording.is_number(value) else str(value))
    return ", ".join(parts)


def _set_log_scale(axes: Any) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _is_numeric(values: np.ndarray) -> bool:
    return values.dtype.kind in "fiu"


def _increases(values: np.ndarray) -> bool:
    return bool(np.all(np.diff(values) > 0))
