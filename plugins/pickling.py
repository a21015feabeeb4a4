"""Pickles for other processes of this machine, in which large arrays are memory-mapped files.

An array that is mapped already is mapped there, too. Any other large array is written to a file
once, and all processes share the operating system's pages of it.
"""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

LARGE_BYTES = 2**20
"""Arrays of fewer bytes are pickled."""


def pack(value: Any, folder: Path) -> bytes:
    """Return bytes from which `unpack` restores `value` in another process.

    Args:
        value: anything that can be pickled; large arrays in it are read-only there.
        folder: where files are written; delete it when no process needs them any more.
    """
    packed = io.BytesIO()
    _Packer(packed, folder).dump(value)
    return packed.getvalue()


def unpack(packed: bytes) -> Any:
    """Return what was packed."""
    return pickle.loads(packed)


class _Packer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.folder, self.written = folder, 0

    def reducer_override(self, value: Any) -> Any:
        if not isinstance(value, np.ndarray) or value.nbytes < LARGE_BYTES or value.dtype.hasobject:
            return NotImplemented
        place = _place(value)
        if place is None:
            path = self.folder / f"array-{self.written}.npy"
            self.written += 1
            np.save(path, value, allow_pickle=False)
            return np.load, (path, "r")
        return _mapped, (value.dtype, value.shape, *place)


def _place(array: np.ndarray) -> tuple[str, int, tuple[int, ...]] | None:
    """Return file, offset in bytes and strides of an array that a file is mapped to."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    # With mode "c" changes stay in memory, where other processes do not see them.
    if not isinstance(whole, np.memmap) or whole.mode == "c" or not whole.filename:
        return None
    path = os.fspath(whole.filename)
    if not os.path.exists(path):  # deleted or renamed since it was mapped
        return None
    return path, whole.offset + array.ctypes.data - whole.ctypes.data, array.strides


def _mapped(
    dtype: np.dtype, shape: tuple[int, ...], path: str, offset: int, strides: tuple[int, ...]
) -> np.ndarray:
    file = np.memmap(path, np.uint8, mode="r")
    return np.ndarray(shape, dtype, file, offset, strides)
