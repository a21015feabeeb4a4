"""Memory of arrays that are mapped from files."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np


def release(array: np.ndarray) -> None:
    """Give the memory of an array mapped from a file back; later accesses read the file again.

    Nothing is lost: what was written into a shared mapping belongs to the file. Other arrays are
    left alone.
    """
    file: Any = array
    while isinstance(file, np.ndarray):
        file = file.base
    if isinstance(file, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        file.madvise(mmap.MADV_DONTNEED)
