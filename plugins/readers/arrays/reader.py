"""`reader/numpy`: volumes saved from Python."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.stacks.reader import StackReader


class NumPy(StackReader):
    """NumPy arrays: .npy, or .npz with one array; axes (z, y, x) or (channel, z, y, x).

    Uncompressed arrays are memory-mapped. Arrays contain no voxel size and no voltage: set both.
    Arrays of Python objects are rejected; nothing is unpickled. A folder or glob of files is a
    stack of slices with axes (y, x).
    """

    name: ClassVar[str] = "numpy"
    suffixes: ClassVar[tuple[str, ...]] = (".npy", ".npz")

    def header(self, path: Path, *, one_slice: bool = False) -> Header:
        """Return type and shape of the array."""
        from fib_plugins.readers.arrays.header import read_header

        return read_header(path, one_slice)

    def planes(self, header: Header) -> AbstractContextManager[Plane]:
        """Return a context manager with the planes of a compressed or Fortran-ordered array."""
        from fib_plugins.readers.arrays.header import ArrayFile
        from fib_plugins.readers.arrays.planes import in_fortran_order, inflated

        assert isinstance(header, ArrayFile)
        return inflated(header) if header.deflated else in_fortran_order(header)
