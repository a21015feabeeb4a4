"""Local thickness: the diameter of the largest inscribed disc or ball that covers a voxel.

Hildebrand and Ruegsegger, J. Microsc. 185, 67 (1997). The ball around a voxel reaches to the
nearest voxel of the other phase, centre to centre, and covers the voxels whose centres are nearer
than that; the diameter is twice this distance, without a correction of half a voxel. On digitised
smooth bodies the error of the mean, in largest voxel edges, is about -1.0 for balls and -0.7 for
discs (no voxel centre is in the middle), and up to +0.4 for slabs; with half a voxel subtracted at
either end all would be too small. Voxels beyond the edge of the volume do not bound balls.

Labels above 0 are solid, 0 is the pore.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np

from fib_plugins.structure_statistics.distance_transform import squared_distances, squared_weights
from fib_plugins.structure_statistics.inscribed_balls import needed_balls, paint
from fib_plugins.structure_statistics.packed_bits import Phase
from fib_plugins.structure_statistics.tiles import (
    FIRST_HALO,
    TILE_VOXELS,
    WIDER,
    Box,
    slices_of,
    tiles,
    whole,
    widened,
)
from fibcore.errors import FibError

SLAB = 64
"""Number of slices of a 3-D measurement painted at a time."""

FRACTIONS = 2**16
"""Thicknesses are summed in so many parts of the smallest voxel edge."""


def thickness_parts(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase = "solid",
    threads: int = 1,
    tile_voxels: int = TILE_VOXELS,
) -> Iterator[tuple[Box, np.ndarray]]:
    """Yield the local thickness of a phase in 3-D, part after part.

    Large volumes are measured in tiles with as much around them as balls reach into them, which is
    exact. Memory, per voxel of a tile and its surroundings: 4 bytes for distances; 32 bytes per
    ball that is needed, which is 2 to 4 bytes per voxel in structures some voxels wide (more in
    noise); and one slab of 64 slices. The surroundings grow with the largest ball.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        threads: number of CPU threads; the result does not depend on it.
        tile_voxels: most voxels of a tile; the result does not depend on it.

    Yields:
        The range of voxels of the part along z, y, x, and its thickness in nm: float32 in axes
        (z, y, x), 0 outside the phase. The array is reused for the next part.

    Raises:
        FibError: if the volume has only this phase: nothing bounds a ball.
    """
    thickness = Thickness(labels, voxel_size_nm, phase, threads)
    for tile in tiles(labels.shape, tile_voxels):
        yield from thickness.parts(tile)


class Thickness:
    """The local thickness of a phase in 3-D, tile by tile; see `thickness_parts`.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        threads: number of CPU threads; the result does not depend on it.
    """

    def __init__(
        self,
        labels: np.ndarray,
        voxel_size_nm: tuple[float, float, float],
        phase: Phase,
        threads: int = 1,
    ) -> None:
        self._labels, self._phase, self._threads = labels, phase, threads
        self._weights = squared_weights(voxel_size_nm)
        self._diameter_nm = np.float32(2.0 * min(voxel_size_nm))
        # A tile begins with the surroundings that the one before it needed.
        self._halo = FIRST_HALO

    def parts(self, tile: Box) -> Iterator[tuple[Box, np.ndarray]]:
        """Yield the parts of a tile; they do not depend on the tiles before it.

        Raises:
            FibError: if the volume has only this phase: nothing bounds a ball.
        """
        labels, weights = self._labels, self._weights
        while True:
            halo = self._halo
            around = widened(tile, halo / np.sqrt(weights), labels.shape)
            within = labels[slices_of(around)]
            distances = squared_distances(within, weights, self._phase, self._threads)
            inner = widened(tile, halo / 2 / np.sqrt(weights) + 1, labels.shape)
            largest = float(max(plane.max() for plane in distances[slices_of(inner, around)]))
            if math.sqrt(largest) <= halo / 2 - math.sqrt(weights.sum()) / 2:
                break
            if around == whole(labels.shape):
                break
            needed = 2.0 * math.sqrt(largest) + WIDER
            self._halo = needed if math.isfinite(largest) else 2.0 * halo
        if math.isinf(largest):
            raise FibError(
                f"the volume is all {self._phase}: nothing bounds an inscribed ball, so there is "
                f"no local thickness"
            )
        yield from _painted(distances, tile, around, weights, self._diameter_nm, self._threads)
        self._halo = max(FIRST_HALO, min(halo, 2.0 * math.sqrt(largest) + WIDER))


def _painted(
    distances: np.ndarray,
    tile: Box,
    around: Box,
    weights: np.ndarray,
    diameter_nm: np.float32,
    threads: int,
) -> Iterator[tuple[Box, np.ndarray]]:
    """Yield the thickness of a tile, slab after slab.

    Args:
        distances: squared distances of the tile and its surroundings.
        tile: range of voxels of the tile.
        around: range of voxels of `distances`.
        weights: squared voxel edges (z, y, x).
        diameter_nm: diameter of a ball whose radius is the smallest edge.
        threads: number of CPU threads.
    """
    centres, squares = needed_balls(distances, weights, threads)
    (z0, z1), *sides = tile
    _, rows, columns = slices_of(tile, around)
    radii = np.empty((min(z1 - z0, SLAB), *distances.shape[1:]), np.float32)
    for first in range(z0, z1, SLAB):
        slab = radii[: min(z1 - first, SLAB)]
        paint(distances, centres, squares, first - around[0][0], weights, slab, threads)
        own = slab[:, rows, columns]
        own *= diameter_nm
        yield ((first, first + len(slab)), *sides), own


def local_thickness(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase = "solid",
    threads: int = 1,
    tile_voxels: int = TILE_VOXELS,
) -> np.ndarray:
    """Return the local thickness of a phase in 3-D: `thickness_parts` as one volume.

    Returns:
        float32 in axes (z, y, x), nm; 0 outside the phase.
    """
    thickness = np.empty(labels.shape, np.float32)
    for place, part in thickness_parts(labels, voxel_size_nm, phase, threads, tile_voxels):
        thickness[slices_of(place)] = part
    return thickness


def mean_thickness(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase,
    bin_nm: float,
    threads: int = 1,
    tile_voxels: int = TILE_VOXELS,
) -> tuple[float, np.ndarray]:
    """Return the mean local thickness of a phase in 3-D in nm, and its distribution.

    Args:
        labels: as for `thickness_parts`; both phases occur.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        bin_nm: width of the bins of the distribution.
        threads: number of CPU threads.
        tile_voxels: most voxels of a tile; the result does not depend on it.

    Returns:
        The mean over the voxels of the phase, and the number of voxels (int64) with a thickness
        nearest to 0, 1, 2 ... times `bin_nm`.
    """
    parts = thickness_parts(labels, voxel_size_nm, phase, threads, tile_voxels)
    return mean_of([tally(parts, voxel_size_nm, bin_nm)], voxel_size_nm)


Tally = tuple[int, np.ndarray]
"""Sum of thicknesses in parts of the smallest voxel edge, and numbers of voxels by thickness."""


def tally(
    parts: Iterable[tuple[Box, np.ndarray]],
    voxel_size_nm: tuple[float, float, float],
    bin_nm: float,
) -> Tally:
    """Return the sum of thicknesses, and the numbers of voxels (int64) by thickness.

    They are integers, so that sums of tallies do not depend on their order.

    Args:
        parts: from `thickness_parts`.
        voxel_size_nm: (z, y, x).
        bin_nm: width of the bins of the distribution.
    """
    unit = min(voxel_size_nm) / FRACTIONS
    total = 0
    counts = np.zeros(1, np.int64)
    for _, part in parts:
        for plane in part:
            inside = plane[plane > 0]
            total += int(np.rint(inside / unit).astype(np.int64).sum())
            counts = _sum(counts, np.bincount(np.rint(inside / bin_nm).astype(np.intp)))
    return total, counts


def mean_of(
    tallies: Iterable[Tally], voxel_size_nm: tuple[float, float, float]
) -> tuple[float, np.ndarray]:
    """Return the mean thickness in nm, and the numbers of voxels by thickness, of all parts."""
    total, counts = 0, np.zeros(1, np.int64)
    for more, numbers in tallies:
        total, counts = total + more, _sum(counts, numbers)
    return min(voxel_size_nm) / FRACTIONS * total / int(counts.sum()), counts


def _sum(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the sum of counts in bins; absent bins at the end are empty."""
    longer, shorter = (some, others) if len(some) > len(others) else (others, some)
    result = longer.astype(np.int64)
    result[: len(shorter)] += shorter
    return result
