"""Structures whose figures are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest


@dataclass(frozen=True)
class BooleanModel:
    """Overlapping balls at independent random places: solid where any ball is.

    Its figures are known in closed form (Torquato, Random Heterogeneous Materials, 2002, ch. 5).
    """

    radius: float = 5.0
    pore_fraction: float = 0.5

    @property
    def density(self) -> float:
        """Balls per volume."""
        return -np.log(self.pore_fraction) / (4 / 3 * np.pi * self.radius**3)

    def sample(self, size: int, seed: int) -> np.ndarray:
        """Return a cube of `size` voxels, cut from a larger realisation."""
        rng = np.random.default_rng(seed)
        margin = self.radius
        count = rng.poisson(self.density * (size + 2 * margin) ** 3)
        centres = rng.uniform(-margin, size + margin, (count, 3))
        solid = np.zeros((size, size, size), bool)
        for centre in centres:
            low = np.clip(np.floor(centre - margin).astype(int), 0, size)
            high = np.clip(np.ceil(centre + margin).astype(int) + 1, 0, size)
            z, y, x = (np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True))
            square = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
            box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
            solid[box] |= square <= self.radius**2
        return solid

    def two_point_pore(self, distance: np.ndarray) -> np.ndarray:
        """Return the probability that two points at a distance are both in the pore."""
        ratio = np.minimum(distance / (2 * self.radius), 1)
        shared = 1 - 1.5 * ratio + 0.5 * ratio**3  # intersection of two balls over one ball
        return self.pore_fraction ** (2 - shared)

    def two_point_solid(self, distance: np.ndarray) -> np.ndarray:
        """Return the probability that two points at a distance are both in the solid."""
        return 1 - 2 * self.pore_fraction + self.two_point_pore(distance)

    def lineal_path_pore(self, distance: np.ndarray) -> np.ndarray:
        """Return the probability that a segment lies in the pore."""
        tube = np.pi * self.radius**2 * distance
        return self.pore_fraction * np.exp(-self.density * tube)

    @property
    def specific_surface(self) -> float:
        """Area of the interface per volume."""
        return self.density * 4 * np.pi * self.radius**2 * self.pore_fraction


@pytest.fixture(scope="session")
def boolean_model() -> BooleanModel:
    return BooleanModel()


@pytest.fixture(scope="session")
def boolean_sample(boolean_model: BooleanModel) -> np.ndarray:
    return boolean_model.sample(160, seed=3)


@pytest.fixture(scope="session")
def ball() -> Callable[..., np.ndarray]:
    """Function that draws a ball of a radius in nm around a point in nm."""

    def make(
        shape: tuple[int, int, int],
        voxel_size_nm: tuple[float, float, float],
        centre_nm: np.ndarray,
        radius_nm: float,
    ) -> np.ndarray:
        z, y, x = (
            np.arange(n) * size - c
            for n, size, c in zip(shape, voxel_size_nm, centre_nm, strict=True)
        )
        square = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
        return (square < radius_nm**2).astype(np.uint8)

    return make
