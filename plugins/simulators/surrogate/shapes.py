"""Random shapes of many kinds and sizes in a small volume, which a surrogate learns from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

SMALLEST_VOXELS, LARGEST_VOXELS = 1.5, 20.0
"""Range of thicknesses and diameters, in shortest edges of a voxel. Thinner shapes do not exist in
voxels; larger ones look like planes to the electrons of a pixel."""

MOST_BALLS = 4000
MOST_FIELDS = 4
"""Fields with films of their own along y, and along x."""


@dataclass(frozen=True)
class Box:
    """A small volume to fill.

    Attributes:
        shape: number of voxels along z, y, x.
        voxel_size_nm: their edges.
    """

    shape: tuple[int, int, int]
    voxel_size_nm: tuple[float, float, float]

    @cached_property
    def edges_nm(self) -> np.ndarray:
        """Lengths of the box along z, y, x."""
        return np.multiply(self.shape, self.voxel_size_nm)

    @cached_property
    def axes_nm(self) -> list[np.ndarray]:
        """Centres of the voxels along z, y and x, as arrays that broadcast to the shape."""
        axes = [
            (np.arange(n) + 0.5) * d for n, d in zip(self.shape, self.voxel_size_nm, strict=True)
        ]
        return list(np.meshgrid(*axes, indexing="ij", sparse=True))

    def length_nm(
        self,
        rng: np.random.Generator,
        least: float = SMALLEST_VOXELS,
        most: float = LARGEST_VOXELS,
    ) -> float:
        """Return a random length: log-uniform, between limits in shortest edges of a voxel."""
        return min(self.voxel_size_nm) * float(np.exp(rng.uniform(np.log(least), np.log(most))))

    def along_nm(self, direction: np.ndarray) -> np.ndarray:
        """Return the coordinate of each voxel along a direction (z, y, x)."""
        return sum(
            (d * axis for d, axis in zip(direction, self.axes_nm, strict=True)),
            np.zeros(self.shape),
        )


def films(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return layers parallel to the face, one to three in each of up to 16 fields side by side."""
    found = np.zeros(box.shape, bool)
    rows, columns = (
        np.array_split(np.arange(n), rng.integers(1, min(n, MOST_FIELDS) + 1))
        for n in box.shape[1:]
    )
    for row, column in product(rows, columns):
        found[:, row[0] : row[-1] + 1, column[0] : column[-1] + 1] = _layers(box, rng)
    return found


def _layers(box: Box, rng: np.random.Generator) -> np.ndarray:
    z = box.axes_nm[0]
    found = np.zeros(z.shape, bool)
    for _ in range(int(rng.integers(1, 4))):
        thickness = max(box.voxel_size_nm[0], box.length_nm(rng, 1.0))
        start = rng.uniform(-thickness, 0.8 * box.edges_nm[0])
        found |= (z > start) & (z < start + thickness)
    return found


def plates(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return a stack of parallel plates in a random direction, two in five along an axis."""
    direction = _direction(rng)
    if rng.random() < 0.4:
        direction = np.eye(3)[rng.integers(3)]
    thickness = box.length_nm(rng, most=12.0)
    period = thickness * rng.uniform(1.4, 4.0)
    return (box.along_nm(direction) + rng.uniform(0.0, period)) % period < thickness


def balls(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return overlapping balls of one size."""
    radius = box.length_nm(rng, 1.5, 14.0)
    share = rng.uniform(0.08, 0.5)
    mean = -np.log(1.0 - share) * box.edges_nm.prod() / (4.0 / 3.0 * np.pi * radius**3)
    count = max(1, min(int(rng.poisson(mean)), MOST_BALLS))
    found = np.zeros(box.shape, bool)
    for centre in rng.uniform(-0.1, 1.1, (count, 3)) * box.edges_nm:
        _add_ball(found, box, centre, radius)
    return found


def cylinders(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return up to a dozen rods in random directions, a third along an axis."""
    found = np.zeros(box.shape, bool)
    for _ in range(int(rng.integers(1, 13))):
        radius = box.length_nm(rng, 1.0, 10.0)
        direction = _direction(rng)
        if rng.random() < 0.3:
            direction = np.eye(3)[rng.integers(3)]
        offsets = [
            axis - c for axis, c in zip(box.axes_nm, rng.random(3) * box.edges_nm, strict=True)
        ]
        along = sum(d * o for d, o in zip(direction, offsets, strict=True))
        found |= sum(o**2 for o in offsets) - along**2 < radius**2
    return found


def blocks(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return independent random voxels, or random blocks of some voxels."""
    edge = 1 if rng.random() < 0.5 else int(rng.integers(2, 7))
    coarse = rng.random([-(-n // edge) for n in box.shape]) < rng.uniform(0.1, 0.9)
    for axis, n in enumerate(box.shape):
        coarse = coarse.repeat(edge, axis).take(np.arange(n), axis)
    return coarse


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def _add_ball(found: np.ndarray, box: Box, centre: np.ndarray, radius: float) -> None:
    """Mark a ball, in the part of the box around it; along y and x the box repeats."""
    indices = []
    squares = []
    for axis, (n, edge) in enumerate(zip(box.shape, box.voxel_size_nm, strict=True)):
        first, last = int((centre[axis] - radius) // edge), int((centre[axis] + radius) // edge)
        index = np.arange(first, last + 1)
        if axis == 0:
            index = index[(index >= 0) & (index < n)]
        elif len(index) > n:
            index = index[:n]
        indices.append(index % n)
        squares.append(((index + 0.5) * edge - centre[axis]) ** 2)
    z, y, x = (
        part.reshape([-1 if a == axis else 1 for a in range(3)])
        for axis, part in enumerate(squares)
    )
    found[np.ix_(*indices)] |= z + y + x < radius**2
