"""Structures of many kinds that no training has seen.

They share no code with the curriculum of `simulator/surrogate`, and their seeds are derived from
names of their own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

import numpy as np

from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave
from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.particles import Particles
from fibcore import Labels
from fibcore.materials import EPOXY, GOLD

Size = tuple[float, float, float]
Shape = tuple[int, int, int]

CUBIC_NM: Size = (3.26, 3.26, 3.26)
SHAPE: Shape = (72, 80, 80)
PER_KIND = 3
REAL = ("leveled waves", "hierarchical", "particles")
"""Kinds that resemble samples; the others are simple shapes with surfaces of one orientation."""


def held_out(kind: str, size: Size = CUBIC_NM, shape: Shape = SHAPE) -> Iterator[Labels]:
    """Yield the structures of a kind: gold in epoxy, different in size and solid fraction.

    Args:
        kind: one of `KINDS`.
        size: voxel size in nm, (z, y, x).
        shape: number of voxels.
    """
    for number in range(PER_KIND):
        seed = zlib.crc32(f"held out {kind} {number}".encode())
        yield KINDS[kind](number, np.random.default_rng(seed), size, shape)


def _waves(number: int, rng: np.random.Generator, size: Size, shape: Shape) -> Labels:
    return LeveledWave(
        shape=shape,
        voxel_size_nm=size,
        ligament_diameter_nm=(14.0, 24.0, 40.0)[number],
        solid_fraction=(0.3, 0.5, 0.2)[number],
        waves=2000,
    ).generate(seed=int(rng.integers(2**63)))


def _hierarchical(number: int, rng: np.random.Generator, size: Size, shape: Shape) -> Labels:
    return HierarchicalLeveledWave(
        shape=shape,
        voxel_size_nm=size,
        ligament_diameters_nm=((60.0, 15.0), (90.0, 21.0), (50.0, 18.0))[number],
        waves=(2000, 2000),
    ).generate(seed=int(rng.integers(2**63)))


def _particles(number: int, rng: np.random.Generator, size: Size, shape: Shape) -> Labels:
    return Particles(
        shape=shape,
        voxel_size_nm=size,
        materials=("epoxy", "Au"),
        mode="overlapping",
        fraction="expected",
        diameter_nm=(25.0, 40.0, 60.0)[number],
        diameter_std_nm=(5.0, 8.0, 20.0)[number],
        solid_fraction=(0.35, 0.25, 0.45)[number],
    ).generate(seed=int(rng.integers(2**63)))


def _films(number: int, rng: np.random.Generator, size: Size, shape: Shape) -> Labels:
    """Layers parallel to the face, with every distance of the face from them among the slices."""
    thickness, gap = ((12.0, 30.0), (25.0, 60.0), (40.0, 20.0))[number]
    z, _, _ = _centres(size, shape)
    return _labels((z + rng.uniform(0, gap)) % (thickness + gap) < thickness, size, shape)


def _plates(number: int, rng: np.random.Generator, size: Size, shape: Shape) -> Labels:
    """Parallel plates: upright along x, and oblique."""
    direction = np.array(((0.0, 0.0, 1.0), (0.5, 0.3, 0.8), (0.9, -0.4, 0.2))[number])
    thickness, gap = ((12.0, 18.0), (18.0, 40.0), (30.0, 25.0))[number]
    along = sum(d * axis for d, axis in zip(direction, _centres(size, shape), strict=True))
    along = along / np.linalg.norm(direction) + rng.uniform(0, gap)
    return _labels(along % (thickness + gap) < thickness, size, shape)


def _balls(number: int, rng: np.random.Generator, size: Size, shape: Shape) -> Labels:
    """Balls of one size on a jittered lattice, which do not overlap."""
    diameter = (14.0, 28.0, 44.0)[number]
    period = 1.35 * diameter
    found = np.zeros(shape, bool)
    axes = _centres(size, shape)
    lattice = [np.arange(0.0, n * d, period) for n, d in zip(shape, size, strict=True)]
    for corner in np.stack(np.meshgrid(*lattice, indexing="ij"), axis=-1).reshape(-1, 3):
        centre = corner + rng.uniform(-0.15, 0.15, 3) * diameter
        squares = [(axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)]
        found |= sum(squares, np.zeros(())) < diameter**2 / 4
    return _labels(found, size, shape)


def _random_voxels(number: int, rng: np.random.Generator, size: Size, shape: Shape) -> Labels:
    return _labels(rng.random(shape) < (0.25, 0.5, 0.75)[number], size, shape)


def _centres(size: Size, shape: Shape) -> list[np.ndarray]:
    """Return the centres of the voxels along z, y, x in nm, as arrays that broadcast."""
    axes = [(np.arange(n) + 0.5) * d for n, d in zip(shape, size, strict=True)]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def _labels(solid: np.ndarray, size: Size, shape: Shape) -> Labels:
    data = np.ascontiguousarray(np.broadcast_to(solid, shape), np.uint8)
    return Labels(data, size, {0: EPOXY, 1: GOLD})


KINDS: dict[str, Callable[[int, np.random.Generator, Size, Shape], Labels]] = {
    "leveled waves": _waves,
    "hierarchical": _hierarchical,
    "particles": _particles,
    "films": _films,
    "plates": _plates,
    "balls": _balls,
    "random voxels": _random_voxels,
}
