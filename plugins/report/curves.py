"""Draws tables as curves, by the declared roles of their columns (`fibcore.roles`).

A table whose abscissa increases from row to row has one row for each x and one column for each
curve. Other tables are tidy: one row for each point, with keys that name the curve (`tidy`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fib_plugins.report import palette, tidy, wording
from fib_plugins.report.declared import abscissa, axis_label, by_quantity, curves_of, is_numeric
from fib_plugins.report.panels import Panel, Series
from fibcore.roles import Curve
from fibcore.tables import Table

STEEP = 50.0
"""Curves with a ``steep`` scale that fall by more than this factor get a logarithmic scale."""
MOST_PANELS = 12


def is_drawn(table: Table) -> bool:
    """Return whether a table is drawn rather than printed."""
    found = abscissa(table)
    return found is not None and len(table) >= found[1].drawn_from


def panels(table: Table) -> list[Panel]:
    """Return the axes that show a table; none if its roles or values give nothing to draw."""
    found = abscissa(table)
    curves = curves_of(table)
    if found is None or not is_numeric(table, found[0]) or not curves:
        return []
    if bool(np.all(np.diff(table[found[0]]) > 0)):
        return _wide(table, found[0], curves)[:MOST_PANELS]
    return tidy.panels(table, found[0], curves)[:MOST_PANELS]


def is_flat(panel: Panel) -> bool:
    """Return whether all curves of some axes keep one value, so that a drawing shows nothing."""
    return all(np.ptp(series.y) == 0 for series in panel.series)


def values_of(panel: Panel) -> str:
    """Return the values of flat curves as text."""
    parts = []
    for series in panel.series:
        name = " ".join(part for part in (series.owner, series.label) if part)
        value = wording.number(float(series.y[0]))
        parts.append(f"{value} ({name})" if len(panel.series) > 1 else value)
    return ", ".join(parts)


def _wide(table: Table, x: str, curves: Mapping[str, Curve]) -> list[Panel]:
    found = []
    for quantity, members in by_quantity(curves).items():
        directions = list(dict.fromkeys(role.along for role in members.values()))
        owners = list(dict.fromkeys(role.of for role in members.values()))
        series = []
        for name, role in members.items():
            several = len(directions) > 1
            number = directions.index(role.along) if several else owners.index(role.of)
            label = " ".join(part for part in (role.of, role.along) if part) or table.caption(name)
            series.append(
                Series(
                    quantity, label, table[x], table[name].astype(float),
                    palette.series(number), "--" if role.dashed else "-",
                    error=table[role.error].astype(float) if role.error else None,
                )
            )  # fmt: skip
        scales = {role.scale for role in members.values()}
        logarithmic = "logarithmic" in scales or ("steep" in scales and _is_steep(series))
        labels = axis_label(table, x), axis_label(table, quantity)
        found.append(Panel("", *labels, tuple(series), logarithmic))
    return found


def _is_steep(series: Sequence[Series]) -> bool:
    values = np.concatenate([each.y[np.isfinite(each.y)] for each in series])
    return bool(values.size and values.min() > 0 and values.max() > STEEP * values.min())
