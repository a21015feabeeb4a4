"""A variational stationary noise remover (VSNR).

J. Fehrenbach, P. Weiss, C. Lorenzo, Variational algorithms to remove stationary noise, IEEE Trans.
Image Process. 21 (2012) 4420. The stripes are b = sum of filters * random fields, and minimise
TV(u - b) plus the squared norms of the fields (their p = 2). In the Fourier domain the sum of
the norms is |b(k)|^2 / H(k), H the sum of the squared filters. The minimum is found by the
alternating direction method of multipliers (Boyd et al., Found. Trends Mach. Learn. 3 (2011) 1).
"""

from __future__ import annotations

import math

import numpy as np

LENGTHS = (1.0, 4.0)
"""Filters are Gaussians of so many lengths along the curtains."""
WIDTH_PX = 0.7
"""Their standard deviation across."""
CORRELATED = 3.0
"""Gradients of neighbouring pixels belong to the same edge: so many count as one."""
ITERATIONS = 60
PENALTY = 2.0
TURNS = np.radians((-1.5, 0.0, 1.5))
"""Filters point in several directions about the slant."""


def stripes_of(
    levelled: np.ndarray, deviation: float, length_px: float, slope: float
) -> np.ndarray:
    """Return the stripes of a slice, axes (y, x), float32.

    Args:
        levelled: a slice of mean 0.
        deviation: standard deviation of stripes, in the unit of the slice.
        length_px: length of the shortest filter.
        slope: shift of stripes along x for each pixel along y.
    """
    from scipy.fft import irfft2, rfft2

    shape = levelled.shape
    ky = 2.0 * np.pi * np.fft.fftfreq(shape[0])[:, None]
    kx = 2.0 * np.pi * np.fft.rfftfreq(shape[1])[None, :]
    power = np.zeros((ky.size, kx.size))
    for turn in TURNS:
        tilted = slope + math.tan(turn)
        for length in LENGTHS:
            along = (length * length_px * (ky + tilted * kx)) ** 2
            power += length * np.exp(-along - (WIDTH_PX * kx) ** 2)
    power[0, 0] = 0.0
    power *= shape[0] * shape[1] / _sum_of_half(power, shape[1])
    steps = np.exp(1j * ky) - 1.0, np.exp(1j * kx) - 1.0
    gradient = _gradient(levelled)
    mean = float(np.hypot(*gradient).mean()) * CORRELATED
    penalty = PENALTY / mean**2 * CORRELATED
    stiff = penalty * (np.abs(steps[0]) ** 2 + np.abs(steps[1]) ** 2)
    gain = (penalty * power / (stiff * power + 1.0 / deviation**2)).astype(np.float32)
    back = [(np.conj(step) * gain).astype(np.complex64) for step in steps]
    stripes = np.zeros(shape, np.float32)
    edges, dual = (np.zeros((2, *shape), np.float32) for _ in range(2))
    for _ in range(ITERATIONS):
        left = gradient - _gradient(stripes)
        aim = left - dual
        size = np.maximum(np.hypot(*aim), 1e-12)
        edges = aim * np.maximum(1.0 - 1.0 / (mean * penalty * size), 0.0)
        dual += edges - left
        wanted = gradient - edges - dual
        spectrum = sum(b * rfft2(part) for b, part in zip(back, wanted, strict=True))
        stripes = irfft2(spectrum, shape).astype(np.float32)
    return stripes


def _gradient(image: np.ndarray) -> np.ndarray:
    """Return differences to the next pixel along y and x, periodic, float32."""
    return np.stack([np.roll(image, -1, axis) - image for axis in (0, 1)]).astype(np.float32)


def _sum_of_half(power: np.ndarray, width: int) -> float:
    """Return the sum of a spectrum of which the half with kx >= 0 is given."""
    twice = power[:, 1 : (width + 1) // 2].sum()
    return float(power.sum() + twice)
