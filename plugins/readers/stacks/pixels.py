"""Voxels read from files into an array, plane by plane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from fib_plugins.readers.stacks.labels import Numbers
from fib_plugins.readers.stacks.orientation import swaps, turned
from fib_plugins.readers.stacks.stack import Stack
from fib_plugins.readers.tiff.container import open_tiff
from fib_plugins.readers.tiff.expansion import check_expansion
from fib_plugins.readers.tiff.headers import Header
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.volumes import Labels

Plane = Callable[[int, int], np.ndarray]
"""(channel, z) -> the whole plane in axes (y, x), as it is stored."""


def read_pixels(stack: Stack, numbers: Numbers, context: Context) -> np.ndarray:
    """Return the region of a stack in axes (channel, z, y, x).

    The array is a view of the memory-mapped file where that is possible (`Stack.mapped`); else a
    new one, filled plane by plane, slices of their own files by several threads.

    Args:
        stack: what to read.
        numbers: how the numbers of labels become phases; unused for images.
        context: for threads, progress, and a place for large arrays.

    Raises:
        FibError: a plane cannot be decoded, or holds values that its type of volume cannot.
    """
    z_range, rows, columns = stack.box
    if stack.mapped:
        return _mapped(stack.headers[0])[:, z_range, rows, columns]
    convert = numbers.phases if stack.spec.type is Labels else _as_grey
    channels = stack.headers[0].shape[0]
    out = context.empty("loaded", (channels, *stack.spec.shape), stack.spec.dtype)

    with _planes(stack) as plane:

        def fill(z: int) -> None:
            for channel in range(channels):
                part = plane(channel, z_range.start + z)[rows, columns]
                out[channel, z] = convert(part, z_range.start + z)

        # one file is decoded by one thread: its handle has one position
        with ThreadPoolExecutor(context.threads if len(stack.headers) > 1 else 1) as pool:
            done = pool.map(fill, range(stack.spec.shape[0]))
            for _ in context.track(done, "reading slices", total=stack.spec.shape[0]):
                pass
    return out


@contextmanager
def _planes(stack: Stack) -> Iterator[Plane]:
    """Yield a function that reads one plane."""
    header = stack.headers[0]
    if len(stack.headers) > 1:

        def from_slice(channel: int, z: int) -> np.ndarray:
            path = stack.headers[z].path
            with open_tiff(path) as tif:
                return _decode(tif.pages[stack.headers[z].page], stack.headers[z])

        yield from_slice
    elif header.offset is not None:
        mapped = _mapped(header)
        yield lambda channel, z: mapped[channel, z]
    else:
        channels, slices = header.shape[:2]
        with open_tiff(header.path) as tif:
            series = [s for s in tif.series if not s.keyframe.is_reduced]
            one = len(series[0].pages) > 1
            pages: Any = series[0].pages if one else [s.keyframe for s in series]
            planar = len(pages) == 1 and channels * slices > 1  # all slices on one page
            if planar:
                check_expansion(header.path, pages[0])
                whole = pages[0].asarray()

            def from_page(channel: int, z: int) -> np.ndarray:
                if planar:
                    return turned(whole[z], header.orientation)
                index = z * channels + channel if header.planes == "ZC" else channel * slices + z
                return _decode(pages[index], header)

            yield from_page


def _decode(page: Any, header: Header) -> np.ndarray:
    check_expansion(header.path, page)
    plane = turned(page.asarray(), header.orientation)
    if plane.shape != header.shape[2:]:
        raise FibError(
            f"{header.path} is damaged: page {page.index + 1} has shape {plane.shape} instead of "
            f"{header.shape[2:]}"
        )
    return plane


def _mapped(header: Header) -> np.ndarray:
    """Return the planes of a file in axes (channel, z, y, x), memory-mapped and read-only."""
    channels, slices, rows, columns = header.shape
    if swaps(header.orientation):
        rows, columns = columns, rows
    assert header.offset is not None
    stored = (slices, channels) if header.planes == "ZC" else (channels, slices)
    data = np.memmap(header.path, header.dtype, "r", header.offset, (*stored, rows, columns))
    data = data.transpose(1, 0, 2, 3) if header.planes == "ZC" else data
    return turned(data, header.orientation)


def _as_grey(plane: np.ndarray, z: int) -> np.ndarray:
    if plane.dtype.kind == "i" and plane.min() < 0:
        raise FibError(
            f"slice {z} holds negative values, down to {plane.min()}; fib reads signed 16-bit "
            f"images only where they are not negative: convert to float32, or shift them to 0"
        )
    if plane.dtype == np.float64:
        sizes = np.abs(plane[np.isfinite(plane) & (plane != 0)])
        limits = np.finfo(np.float32)
        if sizes.size and (sizes.max() > limits.max or sizes.max() < limits.tiny):
            raise FibError(
                f"slice {z} holds values of up to {sizes.max():.3g}, which float32 (to "
                f"{limits.max:.3g}) cannot hold: scale the images"
            )
    return plane
