"""Errors of expected yields, measured against Monte Carlo counts without their noise."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from fib_plugins import Surrogate
from fib_plugins.electrons.imaging import phases_in
from fib_plugins.simulators.surrogate.counting import count_pixels
from fibcore import Context, Labels

from .structures import CUBIC_NM, SHAPE, Shape, Size, held_out

ENERGIES_KEV = (1.0, 2.0, 4.0)
PIXELS, ELECTRONS = 1500, 1000
"""Pixels of each structure, and electrons in each of them."""


@dataclass(frozen=True)
class Sample:
    """Random pixels of a structure, and what Monte Carlo counts in them.

    Attributes:
        labels: the structure.
        pixels: places, (pixel, 3) in axes (z, y, x).
        counted: counted fraction of the electrons, float64 (channel, pixel).
        electrons: electrons per pixel.
    """

    labels: Labels
    pixels: np.ndarray
    counted: np.ndarray
    electrons: int

    @classmethod
    def of(cls, labels: Labels, pixels: int, electrons: int, *, seed: int = 0) -> Sample:
        """Draw pixels and count their electrons; `seed` changes the electrons alone."""
        name = zlib.crc32(labels.data.tobytes())
        rng = np.random.default_rng(name)
        places = np.stack([rng.integers(0, n, pixels) for n in labels.shape], axis=1)
        places = places[np.argsort(places[:, 0], kind="stable")]
        params = Surrogate(energies_kev=ENERGIES_KEV)
        context = Context(seed=zlib.crc32(f"held out {name} {seed}".encode()))
        counts = count_pixels(params, labels, phases_in(labels), places, electrons, context)
        return cls(labels, places, counts.yields.astype(np.float64), electrons)

    def at(self, images: np.ndarray) -> np.ndarray:
        """Return the values of images (channel, z, y, x) at the pixels."""
        z, y, x = self.pixels.T
        return np.asarray(images[:, z, y, x], np.float64)

    @property
    def phases(self) -> np.ndarray:
        """Phase of each pixel."""
        z, y, x = self.pixels.T
        return np.asarray(self.labels.data[z, y, x])

    @property
    def noise(self) -> np.ndarray:
        """Unbiased estimate of the variance of each count, (channel, pixel)."""
        return self.counted * (1.0 - self.counted) / (self.electrons - 1)


@cache
def samples(
    kind: str, pixels: int, electrons: int, size: Size = CUBIC_NM, shape: Shape = SHAPE
) -> tuple[Sample, ...]:
    """Return samples of the held-out structures of a kind."""
    return tuple(Sample.of(labels, pixels, electrons) for labels in held_out(kind, size, shape))


@dataclass(frozen=True)
class Errors:
    """Errors of yields at one voltage.

    Attributes:
        mean_square: mean square error without counting noise.
        uncertainty: standard error of `mean_square`.
        variance: mean variance of the count of one electron.
        bias: signed mean deviation, by phase.
    """

    mean_square: float
    uncertainty: float
    variance: float
    bias: dict[int, float]

    @property
    def rms(self) -> float:
        """Root mean square error; 0 if counting noise hides it."""
        return math.sqrt(max(self.mean_square, 0.0))

    @property
    def electrons(self) -> float:
        """The number of electrons per pixel whose counts have the same error."""
        return self.variance / max(self.mean_square, self.uncertainty)


def errors_of(found: Iterable[tuple[Sample, np.ndarray]]) -> list[Errors]:
    """Return the errors of each channel over all pixels of some samples.

    Args:
        found: samples with the yields predicted for their pixels, (channel, pixel).
    """
    parts = list(found)
    deviation = np.concatenate([predicted - sample.counted for sample, predicted in parts], axis=1)
    noise = np.concatenate([sample.noise for sample, _ in parts], axis=1)
    phases = np.concatenate([sample.phases for sample, _ in parts])
    squared = deviation**2 - noise
    # N - 1 electrons have the variance p (1 - p) / (N - 1): that of one is p (1 - p).
    scale = [sample.noise * (sample.electrons - 1) for sample, _ in parts]
    variance = np.concatenate(scale, axis=1)
    return [
        Errors(
            float(squared[channel].mean()),
            float(squared[channel].std() / math.sqrt(squared.shape[1])),
            float(variance[channel].mean()),
            {
                phase: float(deviation[channel, phases == phase].mean())
                for phase in np.unique(phases).tolist()
            },
        )
        for channel in range(len(deviation))
    ]
