"""The header of a .npy file, checked strictly; no object is unpickled."""

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
    """Content of the header of a .npy file.

    Attributes:
        shape: shape of the array.
        dtype: type of its elements, with their byte order.
        fortran: whether the first axis varies fastest.
        start: offset of the first element, in bytes from the start of the file.
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
        file: the same file or a member of it, open at its start.

    Raises:
        FibError: it is not a .npy file, damaged, or its elements are not real numbers.
    """
    try:
        version = npy.read_magic(file)
        if version not in _READERS:
            raise FibError(
                f"{path} is a .npy file of version {version[0]}.{version[1]}, which is used for "
                f"arrays of records; fib reads arrays of numbers"
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are also read
            shape, fortran, dtype = _READERS[version](file)
    except FibError:
        raise
    except Exception as error:  # NumPy parses it as Python literals, which may raise any error
        raise FibError(
            f"{path} is damaged, or not a .npy file: its header cannot be read; save the array "
            f"again with numpy.save"
        ) from error
    if dtype.hasobject:
        raise FibError(
            f"{path} holds Python objects, which fib does not unpickle; save an array of numbers"
        )
    if dtype.kind not in "biuf":
        raise FibError(
            f"{path} holds {dtype}; fib reads real numbers: convert the array, e.g. with "
            f"astype('float32')"
        )
    return ArrayHeader(shape, dtype, fortran, file.tell())
