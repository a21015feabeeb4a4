"""Correlation of levels within pores, or within the face: fine texture, and what changes slowly.

Both parts are correlated about exponentially, as fields with texture of several sizes are: a sum of
two Gaussians (`SIZES`), of which random fields are easily made (`render_look`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

LAGS = 24
"""Largest distance of pixels, along rows and columns."""
FEWEST = 200
"""Pairs of pixels below which a distance is left out."""
FINE_PX = np.geomspace(0.7, 6.0, 12)
COARSER = np.geomspace(2.5, 20.0, 8)
"""Lengths that are tried: of the fine texture, and of the coarse part as a multiple."""
LONGEST_PX = 60.0
SIZES = ((0.5, 0.5), (1.6, 0.5))
"""Lengths of the Gaussians in units of the distance of correlation 1/e, and their parts of the
variance."""
TOLERANCE = 1.15
"""Of fits whose error is not larger by more than this factor, that with the least coarse part is
taken."""


def correlations(planes: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the covariance of pixels of a mask 0, 1, ... pixels apart; NaN where pairs are few.

    Args:
        planes: slices, axes (y, x).
        masks: pixels that count.
    """
    total = np.concatenate([p[m] for p, m in zip(planes, masks, strict=True)])
    mean = float(total.mean()) if len(total) else 0.0
    sums, counts = np.zeros(LAGS + 1), np.zeros(LAGS + 1)
    for plane, mask in zip(planes, masks, strict=True):
        centred = np.where(mask, plane - mean, 0.0).astype(np.float64)
        for along, own in ((centred, mask), (centred.T, mask.T)):
            for lag in range(min(LAGS + 1, len(along))):
                stop = len(along) - lag
                sums[lag] += np.sum(along[lag:] * along[:stop])
                counts[lag] += np.count_nonzero(own[lag:] & own[:stop])
    return np.where(counts >= FEWEST, sums / np.maximum(counts, 1), np.nan)


def length(covariance: np.ndarray, variance: float) -> float:
    """Return the distance in pixels at which a covariance falls to 1/e of a variance."""
    if variance <= 0:
        return 1.0
    below = np.flatnonzero(~(covariance[1:] > variance / np.e))
    if not len(below):
        return float(len(covariance))
    lag = int(below[0]) + 1
    before = variance if lag == 1 else float(covariance[lag - 1])
    after = float(covariance[lag]) if np.isfinite(covariance[lag]) else 0.0
    part = (before - variance / np.e) / max(before - after, 1e-30)
    return max(float(lag - 1 + np.clip(part, 0.0, 1.0)), 0.5)


@dataclass(frozen=True)
class PoreTexture:
    """Fine texture, and a coarse part.

    Attributes:
        fine_px: distance at which the correlation of the fine texture falls to 1/e.
        coarse_px: the same of the coarse part.
        coarse_share: its part of the variance.
    """

    fine_px: float
    coarse_px: float
    coarse_share: float

    @classmethod
    def of(cls, covariance: np.ndarray, noise: float) -> Self:
        """Fit the covariance of pixels 1, 2, ... apart; white noise adds to that at 0 only.

        Args:
            covariance: of `correlations`.
            noise: variance of white noise.
        """
        variance = float(covariance[0]) - noise
        lags = np.arange(1, len(covariance))
        usable = np.isfinite(covariance[1:])
        if not variance > 0 or np.count_nonzero(usable) < 3:
            return cls(1.0, 10.0, 0.5)
        lag, wanted = lags[usable], covariance[1:][usable] / variance
        fits = []
        weight = 1.0 / np.sqrt(lag)
        for fine in FINE_PX:
            near = correlation(lag / fine)
            for ratio in COARSER:
                coarse = float(min(fine * ratio, LONGEST_PX))
                far = correlation(lag / coarse)
                slope, away = weight * (far - near), weight * (wanted - near)
                share = float(np.clip(slope @ away / max(slope @ slope, 1e-30), 0.0, 1.0))
                error = float(np.sum((share * slope - away) ** 2))
                fits.append((error, float(fine), coarse, share))
        most = TOLERANCE * min(fits)[0] + 1e-6
        return cls(*min((fit for fit in fits if fit[0] <= most), key=lambda fit: fit[3])[1:])


def correlation(distance: np.ndarray) -> np.ndarray:
    """Return the correlation at a distance, in units of that where it is 1/e."""
    return np.sum([part * np.exp(-((distance / size) ** 2)) for size, part in SIZES], axis=0)
