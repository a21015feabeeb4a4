"""Grey-value histograms of images, in total and by phase, with the best threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from fib_plugins.report import palette, wording
from fib_plugins.report.figures import chart
from fib_plugins.report.slices import sample_slices
from fibcore.volumes import Images, Labels

BINS = 128
MOST_VALUES = 4096
"""Images with more distinct grey values are treated as continuous."""
EXTREMES = (0.05, 99.95)
"""Percentiles between which the bins lie; values beyond are counted in the outermost bins."""


@dataclass(frozen=True)
class Threshold:
    """The threshold with the fewest wrong voxels, and their fraction."""

    grey: float
    wrong: float


@dataclass(frozen=True)
class Histogram:
    """A histogram of one channel for the page."""

    name: str
    figure: Markup
    threshold: Threshold | None


def histogram(images: Images, channel: int, truth: Labels | None) -> Histogram:
    """Return the histogram of one channel.

    Args:
        images: images, of which at most 16 slices and a million voxels are counted.
        channel: number of the channel.
        truth: labels of the same voxels, for histograms of the phases.
    """
    box = sample_slices(images)
    grey = np.asarray(images.data[channel][box]).ravel()
    phases = None if truth is None else np.asarray(truth.data[box]).ravel()
    finite = np.isfinite(grey)
    if not finite.all():
        grey = grey[finite]
        phases = None if phases is None else phases[finite]
    edges = bin_edges(grey)
    clipped = np.clip(grey, edges[0], edges[-1])
    total = np.histogram(clipped, edges)[0]
    parts: dict[int, np.ndarray] = {}
    best = None
    if phases is not None:
        parts = {int(p): np.histogram(clipped[phases == p], edges)[0] for p in np.unique(phases)}
        solid = sum((counts for p, counts in parts.items() if p > 0), np.zeros_like(total))
        if 0 in parts and solid.any():
            best = best_threshold(parts[0], solid, edges)
    names = {} if truth is None else {p: m.name for p, m in truth.phases.items()}
    name = images.names[channel]
    figure = _draw(f"{images.quantity}, {name}", edges, total, parts, names, best)
    return Histogram(name, figure, best)


def bin_edges(grey: np.ndarray) -> np.ndarray:
    """Return the edges of the bins.

    If grey values are multiples of a unit (integers, counted electrons), each bin holds the same
    number of them; otherwise some bins would hold more values than others.
    """
    if grey.size == 0:
        return np.linspace(0.0, 1.0, BINS + 1)
    low, high = (float(v) for v in np.percentile(grey, EXTREMES))
    unit = unit_of(grey)
    if unit is not None:
        width = unit * max(1, int(np.ceil((high - low) / unit / BINS)))
        start = low - unit / 2
        return start + width * np.arange(int(np.ceil((high + unit / 2 - start) / width - 1e-6)) + 1)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    return np.linspace(low, high, BINS + 1)


def unit_of(grey: np.ndarray) -> float | None:
    """Return the unit of which all differences of grey values are multiples; None if none."""
    if grey.dtype.kind in "ui":
        return 1.0
    values = np.unique(grey)
    if not 2 <= len(values) <= MOST_VALUES:
        return None
    gaps = np.diff(values.astype(float))
    unit = float(np.median(gaps[gaps < 1.5 * gaps.min()]))
    return unit if np.all(np.abs(gaps / unit - np.round(gaps / unit)) < 0.05) else None


def best_threshold(pore: np.ndarray, solid: np.ndarray, edges: np.ndarray) -> Threshold:
    """Return the edge between two bins that gives the fewest wrong voxels.

    Solid may be brighter or darker than pore; all voxels may be on one side.
    """
    pore_below = np.concatenate([[0], np.cumsum(pore)])
    solid_below = np.concatenate([[0], np.cumsum(solid)])
    all_voxels = pore_below[-1] + solid_below[-1]
    if_bright = (pore_below[-1] - pore_below) + solid_below
    wrong = np.minimum(if_bright, all_voxels - if_bright)
    index = int(np.argmin(wrong))
    return Threshold(float(edges[index]), float(wrong[index] / all_voxels))


def _draw(
    label: str,
    edges: np.ndarray,
    total: np.ndarray,
    parts: dict[int, np.ndarray],
    names: dict[int, str],
    best: Threshold | None,
) -> Markup:
    share = 100.0 / max(1, total.sum())

    def draw(axes: Any) -> None:
        for phase, counts in parts.items():
            name = names.get(phase, f"phase {phase}")
            colour = palette.phase(phase)
            axes.stairs(counts * share, edges, fill=True, color=colour, alpha=0.55, label=name)
            axes.stairs(counts * share, edges, color=colour, linewidth=1.2)
        if not parts:
            axes.stairs(total * share, edges, fill=True, color=palette.PHASES[0], alpha=0.75)
        if best is not None:
            text = f"best threshold {wording.number(best.grey)}"
            axes.axvline(best.grey, color=palette.MISSED, linewidth=1.1, linestyle="--", label=text)
        if parts:
            axes.legend(loc="best")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel(label)
        axes.set_ylabel("voxels (%)")
        axes.grid(axis="x", visible=False)

    return chart(draw, f"histogram of {label}")
