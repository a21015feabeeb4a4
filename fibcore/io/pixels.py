"""Voxels read from files into an array, plane by plane, and the checks that need to see them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np

from fibcore.context import Context
from fibcore.errors import FibError, listed
from fibcore.io.headers import Header, open_tiff
from fibcore.io.stack import Stack
from fibcore.volumes import Labels

Plane = Callable[[int, int], np.ndarray]
"""(channel, z) -> the whole plane in axes (y, x), as it is stored."""


def read_pixels(stack: Stack, context: Context) -> np.ndarray:
    """Return the region of a stack in axes (channel, z, y, x).

    The array is a view of the memory-mapped file where that is possible (`Stack.mapped`); else a
    new one, filled plane by plane, slices of their own files by several threads.

    Raises:
        FibError: a plane cannot be decoded, or holds values that its type of volume cannot.
    """
    z_range, rows, columns = stack.box
    if stack.mapped:
        return _mapped(stack.headers[0])[:, z_range, rows, columns]
    convert = _as_phases if stack.spec.type is Labels else _as_grey
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


def check_images(data: np.ndarray, stack: Stack, context: Context) -> None:
    """Refuse images with NaN or infinite values, or with a channel of one value only.

    Args:
        data: axes (channel, z, y, x).
        stack: where they come from.
        context: for progress.

    Raises:
        FibError: says how many such values there are and where they begin.
    """
    name = stack.headers[0].path.name
    constant = [True] * len(data)
    broken, first = 0, -1
    floating = data.dtype.kind == "f"
    for z in context.track(range(data.shape[1]), "checking slices"):
        for channel, volume in enumerate(data):
            if constant[channel]:
                constant[channel] = bool(np.all(volume[z] == volume[0, 0, 0]))
            if floating:
                bad = volume[z].size - int(np.count_nonzero(np.isfinite(volume[z])))
                first = z if bad and first < 0 else first
                broken += bad
        if not floating and not any(constant):
            break
    if broken:
        raise FibError(
            f"{name}: {broken} of {data.size} voxels are NaN or infinite, the first in slice "
            f"{stack.box[0].start + first}; replace them, or leave them out with region"
        )
    if any(constant):
        channel = constant.index(True)
        raise FibError(
            f"{name}: every voxel of channel {channel} has the value {data[channel, 0, 0, 0]:g}: "
            f"there is nothing to see; is it the right file, channel and region?"
        )


def settle_labels(data: np.ndarray, stack: Stack, context: Context) -> np.ndarray:
    """Return labels in axes (z, y, x) whose values are phases, or refuse them.

    A mask of the two values 0 and 255 becomes 0 and 1.

    Raises:
        FibError: other values than 0 to n - 1 for n materials; lists them.
    """
    phases = max(stack.materials, default=255) + 1  # none: fib wrote them without materials
    if all(plane.max() < phases for plane in data):
        return data
    counts = np.zeros(256, dtype=np.int64)
    for plane in context.track(data, "counting phases"):
        counts += np.bincount(plane.ravel(), minlength=256)
    values = np.flatnonzero(counts).tolist()
    if set(values) <= {0, 255} and phases > 1:
        context.log.info(
            "%s: a mask of 0 and 255, read as phases 0 and 1", stack.headers[0].path.name
        )
        binary = context.empty("phases", data.shape, np.uint8)
        for z, plane in enumerate(data):
            np.minimum(plane, 1, out=binary[z])
        return binary
    raise FibError(
        f"{stack.headers[0].path.name}: labels are phases 0 to {phases - 1} ({phases} materials), "
        f"or a mask of 0 and 255; this file holds {len(values)} values: {listed(map(str, values))}."
        f" Give a material for each phase, or load grey values as images and segment them"
    )


@contextmanager
def _planes(stack: Stack) -> Iterator[Plane]:
    """Yield a function that reads one plane."""
    header = stack.headers[0]
    if len(stack.headers) > 1:

        def from_slice(channel: int, z: int) -> np.ndarray:
            path = stack.headers[z].path
            with open_tiff(path) as tif:
                return _decode(tif.pages.first, stack.headers[z])

        yield from_slice
    elif header.offset is not None:
        mapped = _mapped(header)
        yield lambda channel, z: mapped[channel, z]
    else:
        channels, slices = header.shape[:2]
        with open_tiff(header.path) as tif:
            series = tif.series
            pages = series[0].pages if len(series[0].pages) > 1 else [s.keyframe for s in series]

            def from_page(channel: int, z: int) -> np.ndarray:
                index = z * channels + channel if header.planes == "ZC" else channel * slices + z
                return _decode(pages[index], header)

            yield from_page


def _decode(page: Any, header: Header) -> np.ndarray:
    plane = page.asarray()
    if plane.shape != header.shape[2:]:
        raise FibError(
            f"{header.path} is damaged: page {page.index + 1} has shape {plane.shape} instead of "
            f"{header.shape[2:]}"
        )
    return plane


def _mapped(header: Header) -> np.ndarray:
    """Return the planes of a file in axes (channel, z, y, x), memory-mapped and read-only."""
    channels, slices, rows, columns = header.shape
    assert header.offset is not None
    stored = (slices, channels) if header.planes == "ZC" else (channels, slices)
    data = np.memmap(header.path, header.dtype, "r", header.offset, (*stored, rows, columns))
    return data.transpose(1, 0, 2, 3) if header.planes == "ZC" else data


def _as_grey(plane: np.ndarray, z: int) -> np.ndarray:
    if plane.dtype.kind == "i" and plane.min() < 0:
        raise FibError(
            f"slice {z} holds negative values, down to {plane.min()}; fib reads signed 16-bit "
            f"images only where they are not negative: convert to float32, or shift them to 0"
        )
    return plane


def _as_phases(plane: np.ndarray, z: int) -> np.ndarray:
    if plane.dtype in (np.uint8, np.bool_):
        return plane
    whole = plane.dtype.kind in "iu" or bool(np.all(plane == np.rint(plane)))
    if not whole or plane.min() < 0 or plane.max() > 255:
        values = np.unique(plane)
        raise FibError(
            f"labels are whole numbers from 0 to 255; slice {z} holds {len(values)} values: "
            f"{listed(f'{value:g}' for value in values)}. Number the phases 0, 1, 2, ..., or load "
            f"grey values as images and segment them"
        )
    return plane.astype(np.uint8)
