"""Radially averaged power spectra of image slices, over spatial frequency in 1/nm.

The power spectral density of a slice is the periodogram |F|^2 dx dy / sum(w^2), with F the Fourier
transform of the grey values minus their mean, times a Hann window w that keeps the edges of the
slice from leaking across the spectrum (Percival and Walden, Spectral Analysis for Physical
Applications, 1993, chapter 6). White noise of variance s^2 has the density s^2 dx dy at all
frequencies; a blur multiplies it by the square of its transfer function. Densities are averaged
over rings of one width around frequency 0 and over slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.threads import in_threads
from fibcore import FibError

BINS_PER_RING = 2
"""Width of a ring in frequency steps of the shortest edge: the main lobe of the Hann window."""
FEWEST_RINGS = 4
FLOOR = 1e-12
"""Lower limit of the density, as a fraction of that of white noise of the same variance: without
noise it can be zero at some frequencies, and its logarithm has to stay finite."""


@dataclass(frozen=True)
class Rings:
    """Rings of frequency: ring i reaches from i to i + 1 widths; the innermost is left out.

    Attributes:
        width_per_nm: of each ring, in 1/nm.
        count: number of rings, the innermost included.
    """

    width_per_nm: float
    count: int

    @classmethod
    def common(
        cls, shapes: Sequence[tuple[int, int, int]], voxel_sizes_nm: Sequence[tuple[float, ...]]
    ) -> Rings:
        """Return rings that several stacks share, up to the lowest of their Nyquist limits.

        Args:
            shapes: (z, y, x) of each stack.
            voxel_sizes_nm: (z, y, x) of each stack.

        Raises:
            FibError: slices are too small for a spectrum, or share no frequencies.
        """
        pixels = np.array(voxel_sizes_nm)[:, 1:]
        edges = np.array(shapes)[:, 1:] * pixels
        width = BINS_PER_RING / edges.min()
        count = int(0.5 / pixels.max() / width + 1e-9)
        if count < FEWEST_RINGS + 1:
            raise FibError(
                f"the shortest edge of the slices is {edges.min():g} nm, the largest pixel "
                f"{pixels.max():g} nm: too few frequencies in common for a spectrum; the shortest "
                f"edge must be at least {4 * (FEWEST_RINGS + 1)} of the largest pixels"
            )
        return cls(float(width), count)

    @property
    def frequency_per_nm(self) -> np.ndarray:
        """Middle of each ring but the innermost, in 1/nm."""
        return self.width_per_nm * (np.arange(1, self.count) + 0.5)


def radial_power(
    slices: np.ndarray, pixel_size_nm: tuple[float, float], rings: Rings, threads: int = 1
) -> np.ndarray:
    """Return the mean power spectral density in each ring but the innermost, in nm^2 grey value^2.

    Args:
        slices: grey values, axes (z, y, x); may be memory-mapped.
        pixel_size_nm: (y, x).
        rings: from `Rings.common`.
        threads: number of CPU threads; the result does not depend on it.
    """
    height, width = slices.shape[1:]
    fy = np.fft.fftfreq(height, pixel_size_nm[0])
    fx = np.fft.rfftfreq(width, pixel_size_nm[1])
    # Ring 0 is left out, and so are frequencies beyond the last ring.
    ring = (np.hypot(fy[:, None], fx) / rings.width_per_nm).astype(np.intp).clip(max=rings.count)
    twice = np.full(len(fx), 2.0)  # the half of the plane that is not computed is its mirror image
    twice[0] = 1.0
    if width % 2 == 0:
        twice[-1] = 1.0
    weight = np.broadcast_to(twice, ring.shape).ravel()
    members = np.bincount(ring.ravel(), weight, rings.count + 1)[1 : rings.count]
    window = np.outer(_hann(height), _hann(width))
    unit = pixel_size_nm[0] * pixel_size_nm[1] / np.sum(window**2)

    def of_slice(plane: np.ndarray) -> np.ndarray:
        grey = plane.astype(np.float64)
        power = np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
        return np.bincount(ring.ravel(), weight * power.ravel(), rings.count + 1)[1 : rings.count]

    sums = in_threads(of_slice, slices, threads)
    return unit * np.mean(sums, axis=0) / members


def spectrum_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the root mean square of log10(one / other) over the rings."""
    return float(np.sqrt(np.mean((np.log10(one) - np.log10(other)) ** 2)))


def _hann(length: int) -> np.ndarray:
    return np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
