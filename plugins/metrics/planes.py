"""The planes of a volume across an axis, without a pass over the volume for each plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

BLOCK_BYTES = 2**28
"""Memory of a block of planes, at one bit per voxel."""


def blocks_of_planes(
    labels: np.ndarray, axis: int, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[range, Callable[[int], np.ndarray]]]:
    """Yield the planes across an axis in blocks.

    Across z planes are read when they are wanted. Across y and x, where a plane is spread over the
    whole volume, each block is read slice by slice, and kept at one bit per voxel.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        axis: 0 (z), 1 (y) or 2 (x).
        block_bytes: memory of a block; a block has at least eight planes.

    Yields:
        The numbers of the planes of a block, and a function that returns one of them: bool, solid,
        in the other two axes. It may be called in any thread, until the next block.
    """
    count = labels.shape[axis]
    if axis == 0:
        yield range(count), lambda z: np.asarray(labels[z]) > 0
        return
    depth = labels.shape[0]
    width = labels.shape[3 - axis]  # the edge of a plane along y or x
    bytes_per_plane = depth * -(-width // 8)
    planes = max(8, block_bytes // bytes_per_plane)
    for first in range(0, count, planes):
        numbers = range(first, min(first + planes, count))
        packed = np.empty((len(numbers), depth, -(-width // 8)), np.uint8)
        for z in range(depth):
            rows = (
                labels[z, numbers.start : numbers.stop]
                if axis == 1
                else (labels[z, :, numbers.start : numbers.stop].T)
            )
            packed[:, z] = np.packbits(np.asarray(rows) > 0, axis=1)

        def plane(number: int, packed: np.ndarray = packed, first: int = first) -> np.ndarray:
            return np.unpackbits(packed[number - first], axis=1, count=width).view(bool)

        yield numbers, plane
