"""Division of a volume into tiles, and boxes around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

Box = tuple[tuple[int, int], ...]
"""Range of voxels along z, y, x: (first, after the last) each."""

TILE_VOXELS = 2**26
"""Most voxels of a tile in which local thickness is measured."""
SHARED_ABOVE_VOXELS = 2**23
"""Volumes up to this size take about as long as it takes to share them among workers."""
SHARED_TILES = 8
"""Number of tiles of a volume that workers share, if tiles are not larger than above."""
FIRST_HALO, WIDER = 24.0, 8.0
"""Voxels around the first tile, and by how much more than needed a halo is widened; in units of the
smallest voxel edge."""
THICKNESS_BYTES = 9
"""Memory for each voxel of a tile and its surroundings: distances, balls, a slab of thickness."""
TYPICAL_HALO = 40
"""Voxels around a tile that forecasts assume: twice the radius of the largest ball."""


def whole(shape: Sequence[int]) -> Box:
    """Return the box of a volume."""
    return tuple((0, n) for n in shape)


def tiles(shape: Sequence[int], most_voxels: int) -> list[Box]:
    """Divide a volume into boxes of about the same size with at most so many voxels.

    The longest edge is halved until they are small enough, so that they are nearly cubes.
    """
    parts = [1] * len(shape)
    edges = list(shape)
    while math.prod(edges) > most_voxels and max(edges) > 1:
        axis = int(np.argmax(edges))
        parts[axis] *= 2
        edges[axis] = -(-shape[axis] // parts[axis])
    ranges = [
        [(first, min(first + edge, n)) for first in range(0, n, edge)]
        for n, edge in zip(shape, edges, strict=True)
    ]
    return list(product(*ranges))


def widened(box: Box, by: Sequence[float] | np.ndarray, shape: Sequence[int]) -> Box:
    """Return a box with at least so many voxels more on each side, as far as the volume goes."""
    return tuple(
        (max(0, first - math.ceil(more)), min(n, last + math.ceil(more)))
        for (first, last), more, n in zip(box, by, shape, strict=True)
    )


def slices_of(box: Box, within: Box | None = None) -> tuple[slice, ...]:
    """Return the index of a box in the volume, or in a larger box."""
    starts = [first for first, _ in within] if within else [0] * len(box)
    return tuple(
        slice(first - start, last - start) for (first, last), start in zip(box, starts, strict=True)
    )


def thickness_bytes(shape: Sequence[int]) -> int:
    """Return the memory in which the local thickness of a volume is measured, about."""
    first = tiles(shape, TILE_VOXELS)[0]
    box = widened(first, [TYPICAL_HALO] * len(shape), shape)
    # Tiles in the middle have surroundings on both sides.
    edges = [
        min(n, last - start + (TYPICAL_HALO if last < n else 0))
        for (start, last), n in zip(box, shape, strict=True)
    ]
    return THICKNESS_BYTES * math.prod(edges)
