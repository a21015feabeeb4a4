"""The electron probe: an astigmatic core, focused at one height, and an exponential skirt.

Probes measured on particles have a core and wide tails (Nevins, Quoi, Hailstone, Lifshin,
Microsc. Microanal. 25 (2019), on point spread functions of the scanning electron microscope).
Signals are float32 in axes (y, x); x is the scan direction. At the borders they are mirrored.
"""

from __future__ import annotations

import math

import numpy as np

from fibcore import FibError

FWHM_OVER_SIGMA = math.sqrt(8.0 * math.log(2.0))
CORE_REACH = 3.5
"""Standard deviations at which the core is cut off."""
MOST_PIXELS = 48
"""Largest half width of a core, in pixels: each row has a kernel of its own."""


def core_covariances(
    defocus_nm: np.ndarray,
    probe_nm: float,
    convergence_mrad: float,
    astigmatism_nm: float,
    astigmatism_deg: float,
) -> np.ndarray:
    """Return the covariance of the core at each defocus, nm^2, axes (defocus, 2, 2) over (y, x).

    Geometrical optics: a beam of half angle alpha at a distance d from its focus fills a disc of
    radius alpha d, with variance (alpha d)^2 / 4 along each axis. With astigmatism the two axes
    are in focus half the distance of the line foci above and below.
    """
    alpha = 1e-3 * convergence_mrad
    away = np.stack([defocus_nm - astigmatism_nm / 2, defocus_nm + astigmatism_nm / 2])
    along, across = (probe_nm / FWHM_OVER_SIGMA) ** 2 + (alpha * away / 2) ** 2
    angle = math.radians(astigmatism_deg)
    u = np.array([math.sin(angle), math.cos(angle)])
    v = np.array([math.cos(angle), -math.sin(angle)])
    return along[:, None, None] * np.outer(u, u) + across[:, None, None] * np.outer(v, v)


def core_kernels(covariances_px: np.ndarray) -> np.ndarray:
    """Return Gaussian kernels, axes (row, y, x), each with sum 1, float32.

    Args:
        covariances_px: of each row, pixels^2, axes (row, 2, 2) over (y, x).

    Raises:
        FibError: a beam that is too wide for an image.
    """
    variances = covariances_px[:, [0, 1], [0, 1]].max(axis=0)
    ry, rx = (math.ceil(CORE_REACH * math.sqrt(variance)) for variance in variances)
    if max(ry, rx) > MOST_PIXELS:
        raise FibError(
            f"the beam reaches {max(ry, rx)} pixels from its axis; at most {MOST_PIXELS} are "
            f"allowed: lower probe_nm, convergence_mrad, or the parameters of the focus "
            f"(defocus_nm, focus_tilt_deg, astigmatism_nm, defocus_step_nm, bad_defocus_nm)"
        )
    y, x = np.meshgrid(np.arange(-ry, ry + 1.0), np.arange(-rx, rx + 1.0), indexing="ij")
    floor = 1e-6 * np.eye(2)  # makes the covariance of a point beam invertible
    inverse = np.linalg.inv(covariances_px + floor)[:, :, :, None, None]
    distance = inverse[:, 0, 0] * y**2 + 2 * inverse[:, 0, 1] * y * x + inverse[:, 1, 1] * x**2
    kernels = np.exp(-0.5 * distance)
    return (kernels / kernels.sum(axis=(1, 2), keepdims=True)).astype(np.float32)


def convolved(signal: np.ndarray, kernels: np.ndarray) -> np.ndarray:
    """Return the signal convolved with point-symmetric kernels that differ from row to row."""
    from fib_plugins.adapters.hidden_instrument.row_convolution import convolve_rows

    ry, rx = (n // 2 for n in kernels.shape[1:])
    padded = np.pad(signal, ((ry, ry), (rx, rx)), mode="symmetric")
    return convolve_rows(padded, kernels, np.zeros_like(signal))


def exponentially_spread(
    signal: np.ndarray, length_nm: float, pixel_nm: tuple[float, float]
) -> np.ndarray:
    """Return the signal convolved with exp(-r / L) / (2 pi L^2), by its transfer function.

    That is (1 + (L k)^2)^(-3/2), the Hankel transform of the spot (Bracewell, The Fourier
    Transform and Its Applications). Its integral is 1, its variance along each axis 3 L^2.

    Args:
        signal: axes (y, x).
        length_nm: L.
        pixel_nm: size of pixels (y, x).
    """
    from scipy.fft import dctn, idctn

    ky, kx = (
        np.pi * np.arange(n) / (n * size) for n, size in zip(signal.shape, pixel_nm, strict=True)
    )
    squared = (ky**2)[:, None] + kx**2
    transfer = ((1.0 + length_nm**2 * squared) ** -1.5).astype(np.float32)
    return idctn(dctn(signal, norm="ortho") * transfer, norm="ortho")
