"""The planes of a volume across an axis, without a pass over the volume for each plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

BLOCK_BYTES = 2**28
"""Memory of a block of planes, at one bit per voxel."""


def blocks_of_planes(
    shape: Sequence[int], axis: int, block_bytes: int = BLOCK_BYTES
) -> list[range]:
    """Return the numbers of the planes across an axis in blocks, each for `planes_between`.

    Args:
        shape: of the volume, (z, y, x).
        axis: 0 (z), 1 (y) or 2 (x).
        block_bytes: memory of a block across y or x; a block has at least eight planes. Across z,
            where planes are read when they are wanted, there is one block.
    """
    count = shape[axis]
    if axis == 0:
        return [range(count)]
    width = shape[3 - axis]  # the edge of a plane along y or x
    planes = max(8, block_bytes // (shape[0] * -(-width // 8)))
    return [range(n, min(n + planes, count)) for n in range(0, count, planes)]


def planes_between(labels: np.ndarray, axis: int, numbers: range) -> Callable[[int], np.ndarray]:
    """Return a function that returns each of some planes across an axis, in any thread.

    Across z planes are read when they are wanted. Across y and x, where a plane is spread over the
    whole volume, all of them are read now, slice by slice, and kept at one bit per voxel.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        axis: 0 (z), 1 (y) or 2 (x).
        numbers: of the planes, in steps of 1.

    Returns:
        A function: number of a plane -> the plane: bool, solid, in the other two axes.
    """
    if axis == 0:
        return lambda z: np.asarray(labels[z]) > 0
    depth, width = labels.shape[0], labels.shape[3 - axis]
    packed = np.empty((len(numbers), depth, -(-width // 8)), np.uint8)
    for z in range(depth):
        rows = (
            labels[z, numbers.start : numbers.stop]
            if axis == 1
            else (labels[z, :, numbers.start : numbers.stop].T)
        )
        packed[:, z] = np.packbits(np.asarray(rows) > 0, axis=1)
    return lambda number: np.unpackbits(packed[number - numbers.start], axis=1, count=width).view(
        bool
    )
