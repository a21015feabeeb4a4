"""Blocks of a volume on which its statistics are taken, so that memory does not grow with it."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from fibcore.volumes import Labels

BLOCK_VOXELS = 2**21
"""Most voxels of a block."""
BLOCKS = 6
"""Most blocks of a volume."""
SEED = 1
"""Of the choice among the places of blocks, so that it is the same for all volumes of a shape."""


def block_shape(
    shape: tuple[int, ...], voxel_size_nm: tuple[float, ...], most_voxels: int = BLOCK_VOXELS
) -> tuple[int, ...]:
    """Return the shape (z, y, x) of a block: nearly a cube in nm, within a volume of this shape.

    Args:
        shape: of the volume, (z, y, x).
        voxel_size_nm: (z, y, x).
        most_voxels: most voxels of the block; it has at least 2 along each axis that has them.
    """
    if math.prod(shape) <= most_voxels:
        return tuple(shape)
    short, long = 0.0, max(n * size for n, size in zip(shape, voxel_size_nm, strict=True))
    for _ in range(50):
        edge = (short + long) / 2
        if math.prod(_within(shape, voxel_size_nm, edge)) <= most_voxels:
            short = edge
        else:
            long = edge
    return _within(shape, voxel_size_nm, short)


def _within(
    shape: tuple[int, ...], voxel_size_nm: tuple[float, ...], edge_nm: float
) -> tuple[int, ...]:
    return tuple(
        max(min(2, n), min(n, int(edge_nm / size)))
        for n, size in zip(shape, voxel_size_nm, strict=True)
    )


def blocks_of(labels: Labels, shape: tuple[int, ...], most: int = BLOCKS) -> list[Labels]:
    """Return blocks of labels that do not overlap, spread over the volume; always the same ones.

    Args:
        labels: the volume. May be memory-mapped; blocks are views.
        shape: of a block, at most that of the volume.
        most: most blocks.
    """
    counts = [n // edge for n, edge in zip(labels.shape, shape, strict=True)]
    # The remainder is shared between the gaps, so that blocks reach from end to end.
    starts = [
        [(n - count * edge) * (2 * i + 1) // (2 * count) + i * edge for i in range(count)]
        for n, edge, count in zip(labels.shape, shape, counts, strict=True)
    ]
    places = list(product(*starts))
    if len(places) > most:
        chosen = np.random.default_rng(SEED).permutation(len(places))[:most]
        places = [places[i] for i in sorted(chosen)]
    return [
        labels.with_data(
            labels.data[tuple(slice(a, a + n) for a, n in zip(place, shape, strict=True))]
        )
        for place in places
    ]
