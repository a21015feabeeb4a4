"""What grey a bright phase is expected to have next to its surroundings.

The signal of a phase depends on what is near: edges that face the detector are bright, the beam is
blurred, pores show what lies behind them. To first order these are convolutions of the phase, so
that the logarithm of its signal is fitted by convolutions of its mask. What the fit leaves is
noise, and the transmission of curtains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

SIGMAS_PX = (1.0, 2.0, 4.0, 8.0)
"""Standard deviations of Gaussians, of which there are also the derivatives."""
NEIGHBOURS = (1, 3)
"""Distances of slices whose masks count."""
LEAST = 0.05
"""Signals are cut off below this fraction of the mean signal."""
EDGE = 2.0
"""Residuals beyond so many deviations count little."""
SMOOTH_PX = 1.0
"""Slices are smoothed by so much before they are divided into phases."""
FIT_STEPS = 3


def log_signal(plane: np.ndarray, black: float, mean: float) -> np.ndarray:
    """Return log((grey - black) / (mean - black)) of a slice, float32."""
    signal = (plane.astype(np.float32) - np.float32(black)) / np.float32(mean - black)
    return np.log(np.maximum(signal, np.float32(LEAST)))


def bright(plane: np.ndarray, black: float, curtains: np.ndarray) -> np.ndarray:
    """Return where a slice is bright, without its curtains: above the threshold of Otsu.

    N. Otsu, IEEE Trans. Syst. Man Cybern. 9 (1979) 62.

    Args:
        plane: grey values, axes (y, x).
        black: grey value of no signal.
        curtains: logarithm of their transmission.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    signal = gaussian_filter(plane.astype(np.float32), SMOOTH_PX) - np.float32(black)
    signal *= np.exp(-curtains)
    if np.ptp(signal) == 0:
        return np.zeros(plane.shape, bool)
    return np.asarray(signal > threshold_otsu(signal))


def features(masks: Sequence[np.ndarray], z: int) -> Iterator[np.ndarray]:
    """Yield what the signal of slice z may depend on, float32 arrays (y, x).

    Args:
        masks: the bright phase in consecutive slices; the first and last are repeated beyond
            the ends.
        z: index of the slice.
    """
    from scipy.ndimage import gaussian_filter

    own = masks[z].astype(np.float32)
    yield np.ones_like(own)
    for sigma in SIGMAS_PX:
        for order in ((0, 0), (1, 0), (0, 1)):
            scale = np.float32(sigma if any(order) else 1.0)
            yield gaussian_filter(own, sigma, order) * scale
    for distance in NEIGHBOURS:
        for other in (z + distance, z - distance):
            yield masks[min(max(other, 0), len(masks) - 1)].astype(np.float32)
    down = np.linspace(-0.5, 0.5, own.shape[0], dtype=np.float32)[:, None]
    yield np.broadcast_to(down, own.shape)
    yield np.broadcast_to(down**2, own.shape)


def expected(masks: Sequence[np.ndarray], z: int, factors: Sequence[float]) -> np.ndarray:
    """Return the expected log signal of slice z, float32; see `features`."""
    total = np.zeros(masks[z].shape, np.float32)
    for factor, feature in zip(factors, features(masks, z), strict=True):
        total += np.float32(factor) * feature
    return total


def fit_factors(rows: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return factors on features by robust least squares, and the scatter about the fit.

    Args:
        rows: features of pixels, axes (pixel, feature).
        values: their log signals.
    """
    rows, values = rows.astype(np.float64), values.astype(np.float64)
    weight = np.ones(len(values))
    factors, scatter = np.zeros(rows.shape[1]), 1.0
    for _ in range(FIT_STEPS):
        root = np.sqrt(weight)
        factors = np.linalg.lstsq(rows * root[:, None], values * root, rcond=None)[0]
        rest = values - rows @ factors
        scatter = max(1.4826 * float(np.median(np.abs(rest))), 1e-3)
        weight = (1.0 + (rest / (EDGE * scatter)) ** 2) ** -2.0
    return factors, scatter
