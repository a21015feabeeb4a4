"""Estimation of the noise of a stack, and of its growth with brightness.

J. Immerkaer, Fast noise variance estimation, Comput. Vis. Image Underst. 64 (1996) 300-302: the
difference of two Laplacians ignores all that is constant or linear along a row or a column, and
therefore smooth structure, scan line offsets and stripes, but not noise of single pixels. Here
medians are used instead of means, in flat parts only, separately for dark and bright parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

LEVELS = 12
"""Number of groups of pixels by brightness."""
FLAT = 0.5
"""Share of the pixels, those of least gradient, that count as flat."""
NORMAL_MEDIAN = 0.6744898
"""Median of the absolute value of a standard normal number."""
MOST_SAMPLES = 20_000
"""Pixels that are taken from a slice."""


@dataclass(frozen=True)
class NoiseCurve:
    """Variance of the noise against the level.

    Attributes:
        level: mean level of each group of pixels, ascending.
        variance: of the noise in that group.
    """

    level: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(cls, planes: Iterable[np.ndarray], step: float = 0.0) -> NoiseCurve:
        """Measure it on slices in axes (y, x).

        Args:
            planes: levels.
            step: distance of grey levels; its rounding noise (variance step^2 / 12) is subtracted.
        """
        found = [_samples(plane) for plane in planes]
        level = np.concatenate([one[0] for one in found])
        response = np.concatenate([one[1] for one in found])
        groups = np.array_split(np.argsort(level, kind="stable"), LEVELS)
        centres = np.array([level[group].mean() for group in groups])
        deviations = np.array([np.median(response[group]) for group in groups]) / NORMAL_MEDIAN
        return cls(centres, np.maximum(deviations**2 - step**2 / 12.0, 0.0))

    @property
    def mean(self) -> float:
        """Variance of the noise over all levels."""
        return float(self.variance.mean())

    def within(self, low: float, high: float) -> NoiseCurve:
        """Return the part that saturation at `low` and `high` does not affect; all if too little.

        Noise is clipped where the level is within two standard deviations of these limits.
        """
        reach = 2.0 * np.sqrt(self.variance)
        whole = (self.level - reach > low) & (self.level + reach < high)
        if np.count_nonzero(whole) < 3:
            return self
        return NoiseCurve(self.level[whole], self.variance[whole])

    def split(
        self, gain: float, offset: float, counting: Literal["binomial", "poisson"]
    ) -> tuple[float, float]:
        """Split the variance into a part that grows with the signal and a constant part.

        The variance is fitted with gain^2 q(p) / N + constant, p = (level - offset) / gain, where
        q is p (1 - p) for binomial and p for Poisson counting.

        Returns:
            1 / N, N in electrons per pixel, and the constant variance; neither below 0.
        """
        from scipy.optimize import nnls

        signal = np.maximum((self.level - offset) / gain, 0.0)
        if counting == "binomial":
            signal = np.minimum(signal, 1.0) * (1.0 - np.minimum(signal, 1.0))
        design = np.stack([gain**2 * signal, np.ones_like(signal)], axis=1)
        if not self.variance.any():
            return 0.0, 0.0
        weight = 1.0 / np.maximum(self.variance, 0.1 * self.mean)
        (counts, constant), _ = nnls(design * weight[:, np.newaxis], self.variance * weight)
        return float(counts), float(constant)


def _samples(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return level and absolute response to noise of flat pixels, evenly spread over a slice."""
    from scipy.ndimage import correlate1d, gaussian_filter

    laplacian = [1.0, -2.0, 1.0]
    response = correlate1d(correlate1d(plane, laplacian, axis=0), laplacian, axis=1) / 6.0
    level = gaussian_filter(plane, 2.0)
    slopes = np.gradient(level)
    gradient = np.hypot(slopes[0], slopes[1])
    inner = (slice(2, -2), slice(2, -2))
    flat = gradient[inner] <= np.quantile(gradient[inner], FLAT)
    levels, responses = level[inner][flat], np.abs(response[inner][flat])
    every = -(-len(levels) // MOST_SAMPLES)
    return levels[::every], responses[::every]
