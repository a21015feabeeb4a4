"""Draws axes with curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from fib_plugins.report import palette
from fib_plugins.report.figures import INK, SIZE_IN, chart

POINTS = "o"
"""Style of a series drawn as points with error bars instead of a line."""

POINT_SIZE = 3.2

MOST_INSIDE = 6
"""A legend with more entries is placed below its axes, and the chart is higher."""
TALLER = 1.2


@dataclass(frozen=True)
class Series:
    """One curve: its quantity, its label and style on the axes, its points.

    Attributes:
        quantity: column of `y`.
        label: label of the curve among those of the quantity; empty if there is only one.
        x: abscissae.
        y: ordinates.
        colour: colour of the line, one for each label.
        style: ``-``, ``--``, ``:`` or `POINTS`.
        owner: source of the curve (``simulated``, ``network``); empty if there is only one.
        error: standard errors of `y`, if known.
        flagged: points drawn as open symbols.
    """

    quantity: str
    label: str
    x: np.ndarray
    y: np.ndarray
    colour: str
    style: str = "-"
    owner: str = ""
    error: np.ndarray | None = None
    flagged: np.ndarray | None = None


@dataclass(frozen=True)
class Panel:
    """One set of axes; its title completes its labels.

    `flag` is the label of open symbols.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    logarithmic: bool = False
    flag: str = ""


def draw(panel: Panel, best: tuple[str, float] | None = None) -> Markup:
    """Return one set of axes as SVG.

    Args:
        panel: the axes.
        best: label and position on x of the chosen row, such as the best epoch.
    """

    def on(axes: Any) -> None:
        for series in panel.series:
            _plot(axes, series)
        if best is not None:
            axes.axvline(best[1], color=palette.MISSED, lw=1, ls=":")
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
        if below:
            columns = max(2, min(4, len(handles) // 2))
            axes.figure.legend(handles=handles, loc="outside lower left", ncols=columns)
        elif len(handles) > 1 or best is not None:
            axes.legend(handles=handles, loc="best", ncols=2 if len(handles) > 4 else 1)

    handles = _legend(panel, best)
    below = len(handles) > MOST_INSIDE
    size = (SIZE_IN[0], TALLER * SIZE_IN[1]) if below else SIZE_IN
    return chart(on, f"{panel.title} {panel.y_label} over {panel.x_label}".strip(), size)


def _plot(axes: Any, series: Series) -> None:
    if series.style != POINTS:
        axes.plot(series.x, series.y, series.style, color=series.colour)
        if series.error is not None:
            low, high = series.y - series.error, series.y + series.error
            axes.fill_between(series.x, low, high, color=series.colour, alpha=0.25, lw=0)
        return
    axes.errorbar(series.x, series.y, series.error, fmt="none", ecolor=series.colour, elinewidth=1)
    flagged = np.zeros(len(series.x), bool) if series.flagged is None else series.flagged
    for chosen, face in ((~flagged, series.colour), (flagged, "none")):
        axes.plot(
            series.x[chosen], series.y[chosen], "o", ms=POINT_SIZE, mew=1,
            mec=series.colour, mfc=face,
        )  # fmt: skip


def _legend(panel: Panel, best: tuple[str, float] | None) -> list[Any]:
    """Return the legend handles that distinguish the series."""
    owners = {series.owner: series.style for series in panel.series if series.owner}
    labels = {series.label: series for series in panel.series if series.label}
    handles = []
    if len(owners) > 1 and len(labels) > 1:  # colours show the label, styles the owner
        for label, series in labels.items():
            handles.append(_handle("-", series.colour, label))
        for owner, style in owners.items():
            handles.append(_handle(style, INK, owner))
    elif len(panel.series) > 1:
        for series in panel.series:
            label = " ".join(part for part in (series.owner, series.label) if part)
            handles.append(_handle(series.style, series.colour, label))
    if panel.flag and any(s.flagged is not None and s.flagged.any() for s in panel.series):
        handles.append(_handle(POINTS, INK, panel.flag, mfc="none"))
    if best is not None:
        handles.append(_handle(":", palette.MISSED, f"{best[0]}: {best[1]:g}", lw=1))
    return handles


def _handle(style: str, colour: str, label: str, **more: Any) -> Any:
    from matplotlib.lines import Line2D

    if style == POINTS:
        more |= {"marker": POINTS, "ms": POINT_SIZE}
    line = "none" if style == POINTS else style
    return Line2D([], [], color=colour, ls=line, label=label, **more)


MOST_WITH_STEPS = 1000.0
"""Logarithmic axes over a larger range have marks at powers of ten alone."""


def _set_log_scale(axes: Any) -> None:
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    crowded = high > MOST_WITH_STEPS * low
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if crowded else (1, 2, 5)))
    axes.yaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.yaxis.set_minor_formatter(NullFormatter())
