"""Estimation of drift from slice to slice: of position, brightness and contrast."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

QUANTILES = (0.1, 0.9)
"""Quantiles that are the dark and the bright level of a slice."""
SMOOTHING_PX = 2.0
"""Gaussian that removes noise before quantiles are measured."""
LOW_PASS = 0.1
"""Correlation weighs frequencies by a Gaussian of this deviation, cycles per pixel."""
WHITENING = 0.75
"""Power of the amplitude that correlation divides by; 1 is phase correlation, 0 plain."""
OUTLIER = 3.0
"""Values further from the median than this many standard deviations are clipped to it."""


def displacement(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the displacement of the second slice from the first, pixels (y, x).

    Phase correlation (Kuglin and Hines, Proc. Int. Conf. Cybernetics and Society, IEEE 1975,
    163-165), not fully whitened, so that noise counts less. A Gaussian low-pass makes the peak
    nearly Gaussian, so that a parabola through the logarithm of its three highest values gives
    subpixel positions. Frequencies along the axes, where stripes and line offsets are, are left
    out.
    """
    height, width = first.shape
    window = np.hanning(height)[:, np.newaxis] * np.hanning(width)
    rows, columns = np.fft.fftfreq(height)[:, np.newaxis], np.fft.rfftfreq(width)
    transforms = [np.fft.rfft2((plane - plane.mean()) * window) for plane in (first, second)]
    crossed = np.conj(transforms[0]) * transforms[1]
    crossed /= np.maximum(np.abs(crossed), 1e-300) ** WHITENING
    crossed *= np.exp(-0.5 * (rows**2 + columns**2) / LOW_PASS**2)
    crossed[np.abs(rows[:, 0]) * height <= 1] = 0
    crossed[:, columns * width <= 1] = 0
    peak = np.fft.irfft2(crossed, first.shape)
    at = np.unravel_index(np.argmax(peak), peak.shape)
    if peak[at] <= 0:
        return 0.0, 0.0  # a blank slice
    found = []
    for axis, size in enumerate(peak.shape):
        around = np.array([-1, 0, 1])
        index: list[int | np.ndarray] = [int(at[0]), int(at[1])]
        index[axis] = (at[axis] + around) % size
        low, mid, high = np.log(np.maximum(peak[tuple(index)], 1e-9 * peak[at]))
        whole = int(at[axis]) - (size if at[axis] > size // 2 else 0)
        curve = low - 2.0 * mid + high
        found.append(whole + (0.5 * (low - high) / curve if curve < 0 else 0.0))
    return found[0], found[1]


def step_covariance(steps: np.ndarray) -> float:
    """Return the covariance of neighbouring steps, mean over y and x, in their unit squared.

    If slices are displaced independently, a slice that is too far makes the step before it longer
    and the next one shorter: the covariance is -v (1 - r)^2, v the variance of positions and r the
    correlation of neighbouring ones. Errors of the steps do not enter. Structure that moves slowly
    with z adds a positive covariance.

    Args:
        steps: displacement of each slice from the one before, axes (step, (y, x)).
    """
    centred = _without_outliers(steps - np.median(steps, axis=0))
    centred = centred - centred.mean(axis=0)
    return float(np.mean(centred[1:] * centred[:-1]))


def lateral_drift(covariance: float, slices: float) -> float:
    """Return the standard deviation of positions, from the covariance of neighbouring steps.

    Steady drift in one direction looks like an inclined structure and is missed.

    Args:
        covariance: that of the stack, minus that of its structure where it is known.
        slices: correlation length of positions, in slices.
    """
    alike = np.exp(-1.0 / slices) if slices else 0.0
    return float(np.sqrt(max(-covariance, 0.0)) / (1.0 - alike))


@dataclass(frozen=True)
class GreyDrift:
    """Variances of brightness and contrast from slice to slice, and their persistence.

    Attributes:
        brightness: variance of the level of no signal.
        contrast: variance of the factor on the signal.
        kept: covariance of neighbouring slices, of brightness and of contrast.
    """

    brightness: float
    contrast: float
    kept: tuple[float, float]

    @classmethod
    def of(cls, planes: Iterable[np.ndarray], offset: float) -> GreyDrift:
        """Measure it on slices in axes (y, x), whose level of no signal is `offset` on average."""
        from scipy.ndimage import gaussian_filter

        levels = np.array(
            [np.quantile(gaussian_filter(plane, SMOOTHING_PX), QUANTILES) for plane in planes]
        )
        spans = levels[:, 1] - levels[:, 0]
        contrast = spans / max(float(np.median(spans)), 1e-12)
        brightness = levels[:, 0] - offset - contrast * (np.median(levels[:, 0]) - offset)
        series = _without_outliers(np.stack([brightness, contrast], axis=1))
        series = series - series.mean(axis=0)
        variances = series.var(axis=0)
        kept = np.mean(series[1:] * series[:-1], axis=0)
        return cls(float(variances[0]), float(variances[1]), (float(kept[0]), float(kept[1])))

    def beyond(self, other: GreyDrift) -> GreyDrift:
        """Return the variances minus those of ideal images."""
        return GreyDrift(
            max(self.brightness - other.brightness, 0.0),
            max(self.contrast - other.contrast, 0.0),
            (self.kept[0] - other.kept[0], self.kept[1] - other.kept[1]),
        )

    @property
    def slices(self) -> float | None:
        """Correlation length of brightness and contrast, in slices; None without drift."""
        parts = [
            kept / variance
            for kept, variance in zip(self.kept, (self.brightness, self.contrast), strict=True)
            if variance > 0
        ]
        if not parts:
            return None
        alike = float(np.clip(np.mean(parts), 0.0, 0.98))
        return -1.0 / float(np.log(alike)) if alike > 0.1 else 0.0


def _without_outliers(values: np.ndarray) -> np.ndarray:
    middle = np.median(values, axis=0)
    reach = OUTLIER * 1.4826 * np.median(np.abs(values - middle), axis=0)
    return np.clip(values, middle - reach, middle + reach)


def steps_between(planes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the displacement of each slice from the one before, pixels, axes (step, (y, x))."""
    return np.array([displacement(first, second) for first, second in pairwise(planes)])
