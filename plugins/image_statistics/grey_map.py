"""Quantiles of grey values, and the monotone map from one set of them to another.

Grey values are assumed to be evenly spread within the bins of their histogram (for integers, half
a grey value to either side), so that quantiles are defined everywhere.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.image_statistics.histogram import Histogram


def cumulative(histogram: Histogram) -> tuple[np.ndarray, np.ndarray]:
    """Return the borders of the bins, ascending, and the share of grey values below each."""
    width = histogram.values[1] - histogram.values[0]
    borders = np.append(histogram.values, histogram.values[-1] + width) - width / 2
    shares = np.concatenate(([0], np.cumsum(histogram.counts))) / histogram.counts.sum()
    return borders, shares


def quantiles(histogram: Histogram, count: int) -> np.ndarray:
    """Return `count` quantiles at evenly spaced shares from 0 to 1: float64, ascending."""
    borders, shares = cumulative(histogram)
    return np.interp(np.linspace(0.0, 1.0, count), shares, borders)


def matched(histogram: Histogram, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the knots of the map of a histogram's grey values to other quantiles.

    Between knots the map is linear, beyond them constant; it never decreases. Quantiles within one
    bin of the histogram become one knot, at their mean, and so do their mapped values: a grey value
    of many voxels (saturation, an empty pore) is mapped to the mean of its share of the target, not
    to one end of it.

    Args:
        histogram: of the grey values to be mapped.
        target: from `quantiles`.

    Returns:
        Grey values and their mapped values: float64, as many as `target` (knots that coincide are
        repeated).
    """
    source = quantiles(histogram, len(target))
    borders, _ = cumulative(histogram)
    bins = np.clip(np.searchsorted(borders, source, "right") - 1, 0, len(histogram.values) - 1)
    _, knot, members = np.unique(bins, return_inverse=True, return_counts=True)
    means = [np.bincount(knot, weights=values) / members for values in (source, target)]
    return means[0][knot], means[1][knot]
