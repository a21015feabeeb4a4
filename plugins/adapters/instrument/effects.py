"""Effects of an instrument on one ideal slice, each a function of an array.

Slices are float32 signals in axes (y, x): 0 is black, 1 is every electron coming back. x is the
fast scan direction. Lengths are in pixels, as (y, x) where the two differ.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian over its standard deviation."""
LANCZOS = 4
"""Half width of the interpolating kernel, pixels."""


def blurred(signal: np.ndarray, sigma: tuple[float, float]) -> np.ndarray:
    """Return the signal under a Gaussian beam of standard deviations `sigma`, pixels (y, x)."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(signal, sigma, mode="reflect")


def shifted(signal: np.ndarray, shift: tuple[float, float]) -> np.ndarray:
    """Return the signal moved towards larger y and x by `shift`, pixels (y, x).

    Lanczos interpolation (a sinc windowed by a wider sinc); the slice is mirrored at the borders.
    """
    from scipy.ndimage import correlate1d

    for axis, distance in enumerate(shift):
        if distance:
            reach = int(np.ceil(abs(distance))) + LANCZOS
            away = np.arange(-reach, reach + 1) + distance
            near = np.abs(away) < LANCZOS
            weights = np.where(near, np.sinc(away) * np.sinc(away / LANCZOS), 0.0)
            weights /= weights.sum()
            signal = correlate1d(signal, weights, axis=axis, mode="reflect")
    return signal


def with_bright_edges(
    signal: np.ndarray, strength: float, sigma: tuple[float, float]
) -> np.ndarray:
    """Return the signal with a bright seam on the bright side of edges.

    Adds 2 * strength * max(s - blur(s), 0). Beside a straight step of height h that is
    strength * h * erfc(d / (sqrt(2) sigma)), d the distance from the step: strength * h at the
    step itself. It imitates the look of the edge effect, not its physics.

    Args:
        signal: ideal signal, free of noise: bright specks would get seams, too.
        strength: height of the seam as a fraction of the step.
        sigma: width of the seam, pixels (y, x).
    """
    return signal + 2.0 * strength * np.maximum(signal - blurred(signal, sigma), 0.0)


def charged(signal: np.ndarray, strength: float, length_px: float, height_px: float) -> np.ndarray:
    """Return the signal with trails of charge behind pixels brighter than the slice's mean.

    The charge gained at a pixel is the difference from the mean; it drains exponentially over
    `length_px` along the scan (+x), starts from zero in each line, and spreads across lines by a
    Gaussian of standard deviation `height_px`. Its level after a long bright stretch is that of
    the stretch, so that `strength` is the brightness added there per brightness. This imitates the
    look of charging, not its physics.
    """
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import lfilter

    kept = np.exp(-1.0 / length_px)
    charge = lfilter([1.0 - kept], [1.0, -kept], signal - signal.mean(dtype=np.float64), axis=1)
    if height_px > 0:
        charge = gaussian_filter1d(charge, height_px, axis=0, mode="reflect")
    return signal + np.float32(strength) * charge.astype(np.float32)


def stripe_profile(white: np.ndarray, sigma_px: float) -> np.ndarray:
    """Return Gaussian random profiles with variance 1 and a stripe width of `sigma_px`.

    Args:
        white: normal random numbers, axes (profile, x), `stripe_margin` more than the profiles on
            either side.
        sigma_px: standard deviation of the Gaussian that smooths them into stripes.
    """
    radius = stripe_margin(sigma_px)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2)
    weights /= np.sqrt(np.sum(weights**2))
    if len(white) == 1:
        return np.convolve(white[0], weights, "valid")[np.newaxis]
    from scipy.ndimage import convolve1d

    return np.asarray(convolve1d(white, weights, axis=1))[:, radius:-radius]


def stripe_margin(sigma_px: float) -> int:
    """Return how many random numbers a stripe profile needs beyond either end."""
    return int(np.ceil(4.0 * sigma_px))


def counted(
    signal: np.ndarray,
    electrons: int,
    statistics: Literal["binomial", "poisson"],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the signal as counted with a number of electrons per pixel.

    Binomial: each electron comes back with the probability given by the signal (kept within 0 to
    1); variance p (1 - p) / N. Poisson: variance s / N, for any signal above 0.
    """
    if statistics == "binomial":
        counts = rng.binomial(electrons, np.clip(signal, 0.0, 1.0))
    else:
        counts = rng.poisson(electrons * np.maximum(signal, 0.0))
    return (counts / electrons).astype(np.float32)


def quantised(level: np.ndarray, bits: int) -> np.ndarray:
    """Return levels from 0 to 1 as integers of so many bits; values beyond are clipped."""
    top = 2**bits - 1
    dtype = np.uint8 if bits == 8 else np.uint16
    return np.rint(np.clip(level, 0.0, 1.0) * top).astype(dtype)
