"""Reads voxels from files into an array, plane by plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import numpy as np

from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.labels import Numbers
from fib_plugins.readers.stacks.orientation import turned
from fib_plugins.readers.stacks.planes import Plane, mapped
from fib_plugins.readers.stacks.stack import Stack
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.volumes import Labels

OpenPlanes = Callable[[Header], AbstractContextManager[Plane]]
"""Opens the planes of a file that cannot be memory-mapped."""


def read_pixels(stack: Stack, planes: OpenPlanes, numbers: Numbers, context: Context) -> np.ndarray:
    """Return the region of a stack in axes (channel, z, y, x).

    The array is a view of the memory-mapped file if possible (`Stack.mapped`); else a new array,
    filled plane by plane. Slices in separate files are read by several threads.

    Args:
        stack: the stack.
        planes: function that opens the planes of a file that cannot be memory-mapped.
        numbers: converter of the numbers of labels to phases; unused for images.
        context: context for threads, progress, and large arrays.

    Raises:
        FibError: a plane cannot be decoded, or has values that its type of volume cannot hold.
    """
    z_range, rows, columns = stack.box
    if stack.mapped:
        first = stack.headers[0]
        return turned(mapped(first), first.orientation)[:, z_range, rows, columns]
    convert = numbers.phases if stack.spec.type is Labels else _as_grey
    channels = stack.headers[0].shape[0]
    out = context.empty("loaded", (channels, *stack.spec.shape), stack.spec.dtype)

    with _planes(stack, planes) as plane:

        def fill(z: int) -> None:
            for channel in range(channels):
                part = plane(channel, z_range.start + z)[rows, columns]
                out[channel, z] = convert(part, z_range.start + z)

        # one file is decoded by one thread, since its handle has one position
        with ThreadPoolExecutor(context.threads if len(stack.headers) > 1 else 1) as pool:
            done = pool.map(fill, range(stack.spec.shape[0]))
            for _ in context.track(done, "reading slices", total=stack.spec.shape[0]):
                pass
    return out


@contextmanager
def _planes(stack: Stack, planes: OpenPlanes) -> Iterator[Plane]:
    """Yield a function that reads one plane and makes it upright."""
    if len(stack.headers) > 1:

        def from_slice(channel: int, z: int) -> np.ndarray:
            header = stack.headers[z]
            with _opened(header, planes) as plane:
                return _upright(plane(channel, 0), header)

        yield from_slice
    else:
        header = stack.headers[0]
        with _opened(header, planes) as plane:
            yield lambda channel, z: _upright(plane(channel, z), header)


@contextmanager
def _opened(header: Header, planes: OpenPlanes) -> Iterator[Plane]:
    if header.offset is not None:
        data = mapped(header)
        yield lambda channel, z: data[channel, z]
    else:
        with planes(header) as plane:
            yield plane


def _upright(plane: np.ndarray, header: Header) -> np.ndarray:
    plane = turned(plane, header.orientation)
    if plane.shape != header.shape[2:]:
        raise FibError(
            f"{header.path} is damaged: a plane has shape {plane.shape} instead of "
            f"{header.shape[2:]}"
        )
    return plane


def _as_grey(plane: np.ndarray, z: int) -> np.ndarray:
    if plane.dtype.kind == "i" and plane.min() < 0:
        raise FibError(
            f"slice {z} has negative values, down to {plane.min()}; fib reads signed 16-bit "
            f"images only if they are not negative: convert to float32, or shift them to 0"
        )
    if plane.dtype == np.float64:
        sizes = np.abs(plane[np.isfinite(plane) & (plane != 0)])
        limits = np.finfo(np.float32)
        if sizes.size and (sizes.max() > limits.max or sizes.max() < limits.tiny):
            raise FibError(
                f"slice {z} has values of up to {sizes.max():.3g}, which float32 (to "
                f"{limits.max:.3g}) cannot hold: scale the images"
            )
    return plane
