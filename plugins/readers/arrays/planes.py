"""Planes of an array that cannot be memory-mapped plane by plane: deflated, or in Fortran order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from fib_plugins.readers.arrays.archive import opened
from fib_plugins.readers.arrays.header import ArrayFile
from fib_plugins.readers.stacks.planes import Plane
from fibcore.errors import FibError


@contextmanager
def in_fortran_order(header: ArrayFile) -> Iterator[Plane]:
    """Yield a function (channel, z) -> plane of a memory-mapped array."""
    array = header.array
    stored = np.memmap(header.path, array.dtype, "r", array.start, array.shape, "F")
    data = stored[(np.newaxis,) * (4 - stored.ndim)]
    yield lambda channel, z: data[channel, z]


@contextmanager
def inflated(header: ArrayFile) -> Iterator[Plane]:
    """Yield a function (channel, z) -> plane, for increasing z; each channel has its own stream.

    Raises:
        FibError: the data are damaged or truncated; also raised within the context.
    """
    channels, slices, rows, columns = header.shape
    nbytes = rows * columns * header.dtype.itemsize
    with opened(header.path) as archive, ExitStack() as files:
        member = archive.infolist()[0]
        streams = [files.enter_context(archive.open(member)) for _ in range(channels)]

        def plane(channel: int, z: int) -> np.ndarray:
            stream = streams[channel]
            stream.seek(header.array.start + (channel * slices + z) * nbytes)
            data = stream.read(nbytes)
            if len(data) < nbytes:
                raise FibError(f"{header.path} is truncated: slice {z} is incomplete")
            return np.frombuffer(data, header.dtype).reshape(rows, columns)

        yield plane
