"""The header of a .npy file, followed strictly; nothing is ever unpickled."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

from fibcore.errors import FibError

_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True)
class ArrayHeader:
    """What the header of a .npy file states.

    Attributes:
        shape: of the array.
        dtype: of its elements, with their byte order.
        fortran: whether the first axis runs fastest.
        start: place of the first element, in bytes from the start of the file.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int

    @property
    def nbytes(self) -> int:
        """Size of the elements in bytes."""
        return prod(self.shape) * self.dtype.itemsize


def read_array_header(path: Path, file: IO[bytes]) -> ArrayHeader:
    """Read the header of an array of real numbers.

    Args:
        path: the file, for messages.
        file: the same or a member of it, open at its start.

    Raises:
        FibError: no .npy file, damaged, or elements that are no real numbers.
    """
    try:
        version = npy.read_magic(file)
        if version not in _READERS:
            raise FibError(
                f"{path} is a .npy file of version {version[0]}.{version[1]}, as arrays of records "
                f"are; fib reads arrays of numbers"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are read, too
            shape, fortran, dtype = _READERS[version](file)
    except FibError:
        raise
    except Exception as error:  # numpy parses it as Python's literals, which can raise anything
        raise FibError(
            f"{path} is damaged, or no .npy file: its header cannot be read; save the array again "
            f"with numpy.save"
        ) from error
    if dtype.hasobject:
        raise FibError(
            f"{path} holds Python objects, which fib never unpickles; save a plain array of numbers"
        )
    if dtype.kind not in "biuf":
        raise FibError(
            f"{path} holds {dtype}; fib reads real numbers: convert the array, e.g. with "
            f"astype('float32')"
        )
    return ArrayHeader(shape, dtype, fortran, file.tell())
