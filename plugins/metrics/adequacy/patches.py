"""Patches of a stack, drawn evenly from blocks that do not touch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from fibcore import FibError

MOST_BLOCKS = 4
"""Largest number of blocks along an axis of the slices."""
ROOM = 1.25
"""Least edge of a block, in edges of a patch."""
MOST_SLICES = 32
"""Largest number of slices whose patches are measured; each is read with some slices below it."""
MORE = 4
"""A stack that is larger than a virtual one has up to so many times its patches."""
DEPTHS = (0, 1, 2, 4)
"""The slices that a patch has: its own, and some below it."""


@dataclass(frozen=True, eq=False)
class Patches:
    """Patches of a stack.

    Attributes:
        grey: float32, axes (patch, channel, slice below, y, x).
        corners: of each patch, axes (patch, 3): z, y, x in voxels.
        halves: 0 or 1: patches of different halves are in different blocks.
    """

    grey: np.ndarray
    corners: np.ndarray
    halves: np.ndarray


def blocks(shape: tuple[int, int], edge: int) -> list[tuple[slice, slice]]:
    """Return blocks of a slice that do not touch: rows and columns of each.

    They are a grid of at most `MOST_BLOCKS` along either axis. Between two blocks are up to half an
    edge of a patch.

    Args:
        shape: (y, x) in pixels.
        edge: edge of a patch.

    Raises:
        FibError: there is room for one block only.
    """
    parts = []
    for length in shape:
        count = min(MOST_BLOCKS, max(1, int(length / (ROOM * edge))))
        borders = np.linspace(0, length, count + 1).astype(int)
        gaps = np.minimum(np.diff(borders) - edge, edge // 2)
        parts.append(
            [
                slice(
                    int(start + (gap // 2 if start else 0)), int(stop - (stop < length) * gap // 2)
                )
                for start, stop, gap in zip(borders, borders[1:], gaps, strict=False)
            ]
        )
    if len(parts[0]) * len(parts[1]) < 2 or min(shape) < edge:
        largest = min(min(shape), int(max(shape) / 2 / ROOM))
        raise FibError(
            f"the slices that are compared have {shape[0]} x {shape[1]} pixels (y, x), too few "
            f"for two blocks with patches of {edge}: set patch_pixels to {largest} at most, or use "
            f"larger slices"
        )
    return list(product(*parts))


def draw_patches(
    data: np.ndarray, edge: int, count: int, rng: np.random.Generator, least_depth: int
) -> Patches:
    """Draw patches at random: as many from each block, from slices at equal distances.

    Args:
        data: grey values, axes (channel, z, y, x); may be memory-mapped.
        edge: edge of a patch in pixels.
        count: number of patches.
        rng: random generator.
        least_depth: number of slices of the thinnest stack that is compared; it decides how far
            below a slice is looked.

    Raises:
        FibError: slices with room for one block only.
    """
    _, depth, height, width = data.shape
    below = [each for each in DEPTHS if each <= least_depth // 2]
    first = depth - max(below)
    planes = np.unique(np.linspace(0, first - 1, min(first, MOST_SLICES)).round().astype(int))
    grid = blocks((height, width), edge)
    columns = len({block[1].start for block in grid})
    order = rng.permutation(count)
    block = np.arange(count) % len(grid)
    z = planes[(order * len(planes)) // count]
    starts = np.array([[part.start for part in each] for each in grid])
    room = np.array([[part.stop - part.start - edge + 1 for part in each] for each in grid])
    places = starts[block] + (rng.random((count, 2)) * room[block]).astype(int)
    grey = np.empty((count, len(data), len(below), edge, edge), np.float32)
    step = np.arange(edge)
    for plane in planes:
        here = np.flatnonzero(z == plane)
        rows = places[here, 0, None, None] + step[:, None]
        across = places[here, 1, None, None] + step
        for number, deeper in enumerate(below):
            grey[here, :, number] = np.moveaxis(data[:, plane + deeper][:, rows, across], 0, 1)
    halves = (block // columns + block % columns) % 2
    return Patches(grey, np.column_stack([z, places]), halves)


def common_shape(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return the shape (z, y, x) that fits into both shapes."""
    z, y, x = (min(pair) for pair in zip(one, other, strict=True))
    return (z, y, x)
