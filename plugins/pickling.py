"""Pickles for other processes of this machine, in which large arrays are memory-mapped files.

An array that is mapped already is mapped there, too. Any other large array is written to a file
once, and all processes share the operating system's pages of it.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from fibcore.mapping import Place, place_of

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
        place = place_of(value)
        if place is None:
            path = self.folder / f"array-{self.written}.npy"
            self.written += 1
            np.save(path, value, allow_pickle=False)
            return np.load, (path, "r")
        return Place.map, (place,)
