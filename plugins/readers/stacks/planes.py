"""Planes of voxels as stored in files: memory-mapped, or decoded by the reader of a format."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.orientation import swaps

Plane = Callable[[int, int], np.ndarray]
"""(channel, z) -> the whole plane in axes (y, x), as it is stored."""


def mapped(header: Header) -> np.ndarray:
    """Return the planes of a file in axes (channel, z, y, x), as stored, memory-mapped, read-only.

    Args:
        header: header of the file, with an `offset`.
    """
    channels, slices, rows, columns = header.shape
    if swaps(header.orientation):
        rows, columns = columns, rows
    assert header.offset is not None
    stored = (slices, channels) if header.planes == "ZC" else (channels, slices)
    file = header.voxels or header.path
    data = np.memmap(file, header.dtype, "r", header.offset, (*stored, rows, columns))
    return data.transpose(1, 0, 2, 3) if header.planes == "ZC" else data
