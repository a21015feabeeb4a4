"""Arrays that are mapped from files: where they lie, and how to map them again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Place:
    """Where the voxels of an array lie in a file.

    Attributes:
        path: absolute path of the file.
        offset: first byte of the first voxel.
        strides: distance in bytes along each axis.
        shape: number of voxels along each axis.
        dtype: NumPy name of the element type, with byte order.
    """

    path: str
    offset: int
    strides: tuple[int, ...]
    shape: tuple[int, ...]
    dtype: str

    def map(self) -> np.ndarray:
        """Return the array, mapped read-only.

        Raises:
            OSError, ValueError: the file is gone, or too short.
        """
        file: Any = np.memmap(self.path, np.uint8, mode="r")
        return np.ndarray(self.shape, np.dtype(self.dtype), file, self.offset, self.strides)


def place_of(array: np.ndarray) -> Place | None:
    """Return where an array lies in the file that it is mapped from; None for other arrays."""
    whole: Any = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    # With mode "c" changes stay in memory, where other processes do not see them.
    if not isinstance(whole, np.memmap) or whole.mode == "c" or not whole.filename:
        return None
    path = os.path.abspath(os.fspath(whole.filename))
    if not os.path.exists(path):  # deleted or renamed since it was mapped
        return None
    offset = whole.offset + array.ctypes.data - whole.ctypes.data
    return Place(path, offset, array.strides, array.shape, array.dtype.str)
