"""Distance between two distributions of grey values, and their shares in common bins."""

from __future__ import annotations

import numpy as np

from fib_plugins.image_statistics.grey_map import cumulative
from fib_plugins.image_statistics.histogram import Histogram
from fibcore.threads import one_blas_thread


@one_blas_thread
def grey_distance(one: Histogram, other: Histogram) -> float:
    """Return the Wasserstein distance (order 1) between two histograms, in grey values.

    It is the average distance by which grey values must be moved to turn one distribution into the
    other: the area between the two cumulative distributions.
    """
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(one.values, other.values, one.counts, other.counts))


def scaled(histogram: Histogram) -> Histogram:
    """Return a histogram of z-scores: mean 0 and deviation 1, without the outermost 0.2 %."""
    mean, deviation = histogram.moments()
    return Histogram(histogram.counts, (histogram.values - mean) / deviation)


def common_bins(histograms: list[Histogram], count: int) -> np.ndarray:
    """Return the borders of `count` bins across the inner 99.8 % of all histograms together."""
    low, high = np.transpose([histogram.inner_range() for histogram in histograms])
    width = max(histogram.values[1] - histogram.values[0] for histogram in histograms)
    return np.linspace(low.min() - width / 2, high.max() + width / 2, count + 1)


def shares(histogram: Histogram, borders: np.ndarray) -> np.ndarray:
    """Return the share of the grey values in each bin, without those beyond the outer borders.

    Values are assumed to be evenly spread within the bins of the histogram, so that bins of other
    widths show no comb pattern.
    """
    return np.diff(np.interp(borders, *cumulative(histogram)))
