"""Decodes planes of an array that cannot be memory-mapped, as many at a time as chunks hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.zarr.headers import ZarrHeader
from fibcore.errors import FibError
from fibcore.text import described

SLAB_BYTES = 2**29
"""Most memory of decoded planes, unless one plane of all channels needs more."""


@contextmanager
def decoded(header: ZarrHeader) -> Iterator[Plane]:
    """Yield a function (channel, z) -> plane, for increasing z.

    Raises:
        FibError: a chunk cannot be decoded; also raised within the context.
    """
    array = _opened(header)
    channels, slices, rows, columns = header.shape
    plane_bytes = channels * rows * columns * header.dtype.itemsize
    chunk = header.array.chunks[header.axes.index("z")] if "z" in header.axes else 1
    thickness = max(1, min(chunk, SLAB_BYTES // plane_bytes))
    begin = -1
    slab = np.empty(0)

    def plane(channel: int, z: int) -> np.ndarray:
        nonlocal begin, slab
        if not begin <= z < begin + thickness or begin < 0:
            begin = z // thickness * thickness
            slab = _slab(header, array, slice(begin, min(begin + thickness, slices)))
        return slab[channel, z - begin]

    yield plane


def _opened(header: ZarrHeader) -> Any:
    import zarr
    from zarr.storage import LocalStore

    node = header.array.node
    try:
        store = LocalStore(node.path, read_only=True)
        return zarr.open_array(store=store, mode="r", zarr_format=3 if node.version == 3 else 2)
    except Exception as error:  # its metadata may be wrong in any way
        raise FibError(f"{node.path} cannot be opened: {described(error)}") from error


def _slab(header: ZarrHeader, array: Any, part: slice) -> np.ndarray:
    """Return some planes in axes (channel, z, y, x)."""
    axes = header.axes
    try:
        data = np.asarray(array[tuple(part if axis == "z" else slice(None) for axis in axes)])
    except Exception as error:  # chunks may be damaged in any way
        raise FibError(
            f"{header.array.node.path}: a chunk of the slices {part.start} to {part.stop - 1} "
            f"cannot be decoded ({described(error)}); copy the image again from its origin"
        ) from error
    rest = [i for i, axis in enumerate(axes) if axis not in "czyx"]
    order = [*rest, *(axes.index(axis) for axis in "czyx" if axis in axes)]
    channels, _, rows, columns = header.shape
    return data.transpose(order).reshape(channels, part.stop - part.start, rows, columns)
