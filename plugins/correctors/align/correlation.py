"""Displacement of two slices: the highest value of their cross-correlation.

The content of the second slice is displaced by d if its transform is that of the first one times
exp(-i k d). Amplitudes of the cross spectrum are flattened (to the power 1/4: near to phase
correlation, Kuglin and Hines, IEEE Conf. Cybernetics and Society 1975, 163-165), and each frequency
is weighted. The correlation is thus a sum of cosines, whose maximum is found without sampling it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.align.kernels import cross_spectrum, slope_and_curvature
from fib_plugins.correctors.align.spectra import Spectra, View

LOW_PASS = 0.159
"""Deviation of the Gaussian low-pass of the first search, cycles per pixel: 1 px in the image."""
SMALL_PIXELS = 2**17
"""In regions of fewer binned pixels, the windows of each pair follow its content to a pixel."""
STEPS = 8
"""Most steps of Newton's method."""
FINE_PX = 1e-3
"""Steps below this length end the search."""


@dataclass(frozen=True)
class Peak:
    """A displacement.

    Attributes:
        shift: (y, x), binned pixels.
        coherence: how well the phases of both slices agree there, at most 1.
        contrast: height of the peak in standard deviations of the correlation; 0 if not known.
    """

    shift: np.ndarray
    coherence: float
    contrast: float = 0.0


def crossed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the flattened cross spectrum of each channel (channel, y, x)."""
    out = np.empty_like(first)
    for a, b, c in zip(first, second, out, strict=True):
        cross_spectrum(a, b, c)
    return out


def crossed_over_overlap(
    first: View, second: View, expected: np.ndarray, spectra: Spectra
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cross spectra of two slices, and the whole pixels (y, x) that are left out there.

    If the displacement is long, windows are those of what both slices show.

    Args:
        first: a slice.
        second: a later one.
        expected: displacement of its content (y, x), binned pixels.
        spectra: makes the transforms.
    """
    small = int(np.prod(spectra.window.shape)) <= SMALL_PIXELS
    if np.abs(expected).max() <= (0.5 if small else spectra.window.taper / 2):
        return crossed(first.spectra, second.spectra), np.zeros(2)
    moved = np.rint(expected)
    return crossed(*spectra.recut(first, second, moved)), moved


def first_weights(spectra: Spectra) -> np.ndarray:
    """Return the weights of the first search (y, x): low-pass, without the rows of stripes.

    Stripes along y have their frequencies at k_y = 0, and next to it for the window. What is almost
    constant along x has them at k_x = 0.
    """
    ky, kx = spectra.phase_y / (2.0 * np.pi), spectra.phase_x / (2.0 * np.pi)
    square = ky[:, np.newaxis] ** 2 + kx**2
    weights = np.sqrt(square) * np.exp(-0.5 * square / LOW_PASS**2)
    weights[np.abs(ky) * spectra.padded[0] < 1.5] = 0
    weights[:, kx * spectra.padded[1] < 0.5] = 0
    return weights.astype(np.float32)


def highest(
    cross: np.ndarray, weights: np.ndarray, spectra: Spectra, most: float | None
) -> tuple[np.ndarray, float]:
    """Return the whole displacement of the highest correlation, and its contrast.

    Args:
        cross: cross spectra (channel, y, x).
        weights: of the frequencies (y, x).
        spectra: size of the transforms.
        most: longest displacement along y and x, binned pixels; None: half of the field.
    """
    from scipy.fft import irfft2

    surface = irfft2(cross.sum(axis=0) * weights, spectra.padded)
    deviation = float(surface.std(dtype=np.float64))
    if most is not None:
        for axis, size in enumerate(surface.shape):
            far = np.minimum(np.arange(size), size - np.arange(size)) > max(1.0, np.ceil(most))
            surface[(slice(None),) * axis + (far,)] = -np.inf
    at = np.unravel_index(int(np.argmax(surface)), surface.shape)
    height = float(surface[at])
    shift = [int(i) - size * (i > size // 2) for i, size in zip(at, surface.shape, strict=True)]
    return np.array(shift, dtype=float), height / deviation if deviation > 0 else 0.0


def refined(
    cross: np.ndarray, weights: np.ndarray, spectra: Spectra, start: np.ndarray, reach: float
) -> Peak:
    """Return the maximum near a displacement, by Newton's method.

    Args:
        cross: cross spectra (channel, y, x).
        weights: of the frequencies (channel, y, x), or (y, x) for all channels.
        spectra: phases of the frequencies.
        start: (y, x), binned pixels.
        reach: a maximum further away along y or x is not accepted: coherence is then 0.
    """
    weights = np.broadcast_to(weights, cross.shape)
    shift = np.array(start, dtype=float)
    coherence = 0.0
    for _ in range(STEPS):
        sums = np.zeros(7)
        for given, weight in zip(cross, weights, strict=True):
            phases = (spectra.phase_y, spectra.phase_x)
            slope_and_curvature(given, weight, *phases, float(shift[0]), float(shift[1]), sums)
        value, slope_y, slope_x, yy, xx, yx, size = sums
        coherence = value / size if size > 0 else 0.0
        determinant = yy * xx - yx * yx
        if determinant <= 0 or yy >= 0:
            return Peak(np.array(start, dtype=float), 0.0)
        step = np.array([yx * slope_x - xx * slope_y, yx * slope_y - yy * slope_x]) / determinant
        shift += np.clip(step, -0.5, 0.5)
        if np.abs(shift - start).max() > reach:
            return Peak(np.array(start, dtype=float), 0.0)
        if np.abs(step).max() < FINE_PX:
            break
    return Peak(shift, coherence)
