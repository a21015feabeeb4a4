"""Estimation of the beam's width from the power spectrum of a stack."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fib_plugins.adapters.instrument.effects import FWHM_PER_SIGMA

RINGS = 32
"""Rings of equal width into which frequencies are binned, up to the Nyquist frequency."""
FIRST_RING = 3
"""The rings below hold size and arrangement of the structure, charging and uneven brightness."""
AXIS = 3
"""Frequencies this close to an axis hold scan line offsets and stripes, and are left out."""
POROD = -3.0
"""Exponent of the spectrum of sharp interfaces in a section (Porod's law, two dimensions)."""


def ring_frequencies(pixel_nm: tuple[float, float]) -> np.ndarray:
    """Return the borders of the rings in 1/nm, for pixels of a size (y, x)."""
    return np.linspace(0.0, 0.5 / max(pixel_nm), RINGS + 1)


def ring_spectrum(
    planes: Sequence[np.ndarray], pixel_nm: tuple[float, float], borders: np.ndarray
) -> np.ndarray:
    """Return the power of slices (y, x) in each ring of frequencies, NaN where there is none.

    White noise of variance v has power v times the area of a pixel everywhere.
    """
    height, width = planes[0].shape
    window = np.hanning(height)[:, np.newaxis] * np.hanning(width)
    rows = np.fft.fftfreq(height)[:, np.newaxis]
    columns = np.fft.rfftfreq(width)
    radius = np.hypot(rows / pixel_nm[0], columns / pixel_nm[1])
    off_axis = (np.abs(rows) * height >= AXIS) & (columns * width >= AXIS)
    ring = np.digitize(radius, borders) - 1
    ring[~off_axis | (ring >= RINGS)] = RINGS
    counts = np.bincount(ring.ravel(), minlength=RINGS + 1)[:RINGS]
    power = np.zeros(RINGS)
    for plane in planes:
        spectrum = np.abs(np.fft.rfft2((plane - plane.mean()) * window)) ** 2
        power += np.bincount(ring.ravel(), spectrum.ravel(), minlength=RINGS + 1)[:RINGS]
    area = pixel_nm[0] * pixel_nm[1]
    with np.errstate(invalid="ignore"):
        return power * area / (counts * len(planes) * np.sum(window**2))


def beam_fwhm_nm(
    power: np.ndarray, noise: float, borders: np.ndarray, ideal: np.ndarray | None = None
) -> float | None:
    """Return the FWHM in nm of the Gaussian beam that turns one spectrum into another.

    Fits ln(G P exp(-(2 pi sigma f)^2) + n) to the logarithm of the power, P the ideal power, with
    the free parameters G, sigma and n.

    Args:
        power: in each ring.
        noise: a first guess of n.
        borders: of the rings, 1/nm.
        ideal: power of images without blur, without its noise; by default that of sharp
            interfaces, frequency^-3.

    Returns:
        None where too few rings are above the noise.
    """
    from scipy.optimize import least_squares

    frequency = 0.5 * (borders[1:] + borders[:-1])
    if ideal is None:
        ideal = frequency**POROD
    usable = (np.arange(RINGS) >= FIRST_RING) & np.isfinite(power) & np.isfinite(ideal)
    usable[usable] &= (power[usable] > 0) & (ideal[usable] > 0)
    if np.count_nonzero(usable) < 6:
        return None
    f, wanted = frequency[usable], np.log(power[usable])
    shape = np.log(ideal[usable])
    unit = (2.0 * np.pi * f[-1]) ** 2  # sigma^2 in units in which it is of order 1

    def misfit(free: np.ndarray) -> np.ndarray:
        log_gain, squared, log_noise = free
        blurred = shape + log_gain - squared * (f / f[-1]) ** 2
        return np.logaddexp(blurred, log_noise) - wanted

    floor = np.log(max(noise, 1e-6 * float(np.exp(wanted.min()))))
    start = [wanted[0] - shape[0], 1.0, min(floor, float(wanted.min()))]
    bounds = ([-np.inf, 0.0, -np.inf], [np.inf, np.inf, np.inf])
    fit = least_squares(misfit, start, bounds=bounds, loss="soft_l1", f_scale=0.1)
    return float(np.sqrt(fit.x[1] / unit) * FWHM_PER_SIGMA)
