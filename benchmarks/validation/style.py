"""One look for all figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fib_plugins.report.palette import PHASES, SERIES

INK, PALE, GRID = "#333333", "#9aa3ab", "#e4e7ea"
WIDTH = 7.6
"""Width of a figure, inches."""

COLOURS = {
    "Au": "#c08a1e", "Ag": PALE, "Cu": SERIES[1], "Si": SERIES[0], "Al": PALE, "C": "#444444",
    "epoxy": SERIES[3],
}  # fmt: skip
"""Materials, the same in all figures."""

RULES: Any = {
    "figure.dpi": 120,
    "font.size": 9,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.titlesize": 9,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
}

__all__ = [
    "COLOURS",
    "INK",
    "PALE",
    "PHASES",
    "SERIES",
    "energy_axis",
    "mosaic",
    "panels",
    "points",
]


@contextmanager
def mosaic(names: Any, height: float) -> Iterator[tuple[Figure, dict[str, Axes]]]:
    """Give a figure with named panels, closed afterwards; `height` in inches."""
    with plt.rc_context(RULES):
        figure, axes = plt.subplot_mosaic(names, figsize=(WIDTH, height))
        try:
            yield figure, axes
        finally:
            plt.close(figure)


@contextmanager
def panels(rows: int, columns: int, height: float, **options: Any) -> Iterator[tuple[Figure, Any]]:
    """Give a figure with panels, closed afterwards; `height` in inches."""
    with plt.rc_context(RULES):
        figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), **options)
        try:
            yield figure, axes
        finally:
            plt.close(figure)


def energy_axis(
    axes: Axes, low: float = 0.45, ticks: Sequence[float] = (0.5, 1, 2, 5, 10, 20)
) -> None:
    """Make x a logarithmic axis of energies in keV, up to 30."""
    axes.set_xscale("log")
    axes.set_xlim(low, 33.0)
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()


def points(axes: Axes, x: Any, y: Any, error: Any, colour: str, label: str = "") -> None:
    """Draw points with bars of two standard errors."""
    axes.errorbar(
        x, y, yerr=[2 * e for e in error], fmt="o", color=colour, markerfacecolor="white",
        markeredgewidth=1.1, elinewidth=1.0, label=label, zorder=4,
    )  # fmt: skip
