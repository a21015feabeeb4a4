"""The wavelet-Fourier filter of stripes, for comparison.

B. Muench, P. Trtik, F. Marone, M. Stampanoni, Stripe and ring artifact removal with combined
wavelet-Fourier filtering, Opt. Express 17 (2009) 8567: vertical detail coefficients are damped
at low frequencies along the stripes.
"""

from __future__ import annotations

import numpy as np

DB4 = np.array(
    [
        0.23037781330885523,
        0.7148465705525415,
        0.6308807679295904,
        -0.02798376941698385,
        -0.18703481171888114,
        0.030841381835986965,
        0.032883011666982945,
        -0.010597401784997278,
    ]
)
"""Scaling filter with four vanishing moments (Daubechies, Ten Lectures on Wavelets, table 6.1)."""
HIGH = DB4[::-1] * (-1.0) ** np.arange(8)
LEVELS, DAMPING = 5, 2.0


def without_stripes(plane: np.ndarray) -> np.ndarray:
    """Return a slice, axes (y, x), without stripes along y."""
    step = 2**LEVELS
    padded = np.pad(plane, [(0, -size % step) for size in plane.shape], mode="reflect")
    details, low = [], padded
    for _ in range(LEVELS):
        across = [_down(low, taps, 1) for taps in (DB4, HIGH)]
        low, other = (_down(across[0], taps, 0) for taps in (DB4, HIGH))
        stripes, both = (_down(across[1], taps, 0) for taps in (DB4, HIGH))
        details.append((other, _damped(stripes), both))
    for other, stripes, both in reversed(details):
        first = _up(low, DB4, 0) + _up(other, HIGH, 0)
        second = _up(stripes, DB4, 0) + _up(both, HIGH, 0)
        low = _up(first, DB4, 1) + _up(second, HIGH, 1)
    return low[: plane.shape[0], : plane.shape[1]]


def _damped(detail: np.ndarray) -> np.ndarray:
    frequency = np.fft.fftfreq(len(detail)) * len(detail)
    gain = 1.0 - np.exp(-(frequency**2) / (2.0 * DAMPING**2))
    return np.fft.ifft(np.fft.fft(detail, axis=0) * gain[:, None], axis=0).real


def _down(values: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
    """Return the periodic correlation with a filter at every other place."""
    summed = sum(tap * np.roll(values, -k, axis) for k, tap in enumerate(taps))
    return np.take(summed, np.arange(0, values.shape[axis], 2), axis)


def _up(values: np.ndarray, taps: np.ndarray, axis: int) -> np.ndarray:
    """Return the transpose of `_down`."""
    shape = list(values.shape)
    shape[axis] *= 2
    spaced = np.zeros(shape)
    chosen = [slice(None), slice(None)]
    chosen[axis] = slice(0, None, 2)
    spaced[tuple(chosen)] = values
    return sum(tap * np.roll(spaced, k, axis) for k, tap in enumerate(taps))
