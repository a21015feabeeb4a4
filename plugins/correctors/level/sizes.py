"""Sizes of what is estimated on: the reduced copy of a stack, blocks of rows, sampled slices."""

from __future__ import annotations

LONGEST_EDGE = 384
"""Pixels of the reduced copy; small enough to be quick, fine enough to separate phases."""
SAMPLED = 24
"""Slices from which the levels of dark and bright pixels are measured."""
BLOCK_PX, FEWEST_BLOCKS, MOST_BLOCKS = 28, 4, 16
"""Width of the blocks in which offsets of rows are measured, and their number."""
FEWEST_ROWS = 24


def bin_size(shape: tuple[int, int]) -> int:
    """Return how many pixels along an edge become one."""
    return max(1, -(-max(shape) // LONGEST_EDGE))


def reduced_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the shape of reduced slices."""
    size = bin_size(shape)
    return max(1, shape[0] // size), max(1, shape[1] // size)


def blocks_of(shape: tuple[int, int]) -> int:
    """Return the number of blocks along a row; 0 for fields too small to find streaks in."""
    blocks = min(shape[1] // BLOCK_PX, MOST_BLOCKS)
    return blocks if blocks >= FEWEST_BLOCKS and shape[0] >= FEWEST_ROWS else 0
