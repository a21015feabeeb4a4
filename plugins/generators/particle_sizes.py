"""Sizes and orientations of particles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

CUT = 4.0
"""Diameters beyond this many standard deviations (of their logarithm) are not drawn."""


@dataclass(frozen=True)
class ParticleSizes:
    """Diameters, lognormal in number, cut at four standard deviations of the logarithm.

    Attributes:
        mean_nm: mean of the diameter of the sphere of equal volume (before the cut).
        std_nm: its standard deviation; 0 for particles of one size.
        axis_ratios: lengths of an ellipsoid's axes relative to each other.
    """

    mean_nm: float
    std_nm: float
    axis_ratios: tuple[float, float, float]

    @property
    def _log(self) -> tuple[float, float]:
        sigma = math.sqrt(math.log(1 + (self.std_nm / self.mean_nm) ** 2))
        return math.log(self.mean_nm) - sigma**2 / 2, sigma

    @property
    def mean_volume_nm3(self) -> float:
        """Expected volume of a particle: pi/6 times the third moment of the cut lognormal."""
        mu, sigma = self._log
        normal = NormalDist()
        inside = normal.cdf(CUT - 3 * sigma) - normal.cdf(-CUT - 3 * sigma)
        all_of_it = normal.cdf(CUT) - normal.cdf(-CUT)
        return math.pi / 6 * math.exp(3 * mu + 4.5 * sigma**2) * inside / all_of_it

    @property
    def relative_axes(self) -> np.ndarray:
        """Axes of the ellipsoid whose sphere of equal volume has diameter 1; largest first."""
        ratios = np.sort(np.asarray(self.axis_ratios, float))[::-1]
        return ratios / np.prod(ratios) ** (1 / 3)

    @property
    def odd_axis(self) -> int:
        """Index in `relative_axes` of the axis that differs most from the other two."""
        longest, middle, shortest = self.relative_axes
        return 0 if longest / middle >= middle / shortest else 2

    @property
    def largest_nm(self) -> float:
        """Longest axis that can be drawn."""
        mu, sigma = self._log
        return float(math.exp(mu + CUT * sigma) * self.relative_axes[0])

    def draw(self, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return semi-axes (count, 3) in nm and rotations (count, 3, 3), uniform over all."""
        mu, sigma = self._log
        deviates = rng.standard_normal(count)
        while (outside := np.abs(deviates) > CUT).any():
            deviates[outside] = rng.standard_normal(np.count_nonzero(outside))
        diameters = np.exp(mu + sigma * deviates)
        return diameters[:, None] / 2 * self.relative_axes, _rotations(count, rng)


def _rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    """Return random rotation matrices from unit quaternions uniform on the sphere."""
    quaternions = rng.standard_normal((count, 4))
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
