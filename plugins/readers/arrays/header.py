"""Headers of files with a NumPy array: its axes, and the place of its voxels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fib_plugins.readers.arrays.archive import array_in
from fib_plugins.readers.arrays.npy import ArrayHeader, read_array_header
from fib_plugins.readers.stacks.header import Header
from fibcore.errors import FibError


@dataclass(frozen=True, kw_only=True)
class ArrayFile(Header):
    """A .npy or .npz file.

    Attributes:
        array: header of the array.
        deflated: whether the array is compressed; then `ArrayHeader.start` counts in its own file.
    """

    array: ArrayHeader
    deflated: bool


def read_header(path: Path, one_slice: bool) -> ArrayFile:
    """Read the header of a file; raises the errors of `StackReader.header`."""
    remarks: list[str] = []
    if path.suffix.lower() == ".npz":
        array, stored = array_in(path)
    else:
        array, stored = _alone(path, remarks), True
    shape = _shape(path, array.shape, one_slice)
    if array.fortran and not stored:
        raise FibError(
            f"{path} holds a compressed array in Fortran order, which can only be read as a whole; "
            f"save numpy.ascontiguousarray of it"
        )
    if shape[1] == shape[2] >= 2 * shape[3] and not one_slice:
        remarks.append(
            f"{path.name}: the axes are read as (z, y, x), {shape[1]} slices of {shape[2]} x "
            f"{shape[3]} pixels; if the last one is z, save numpy.moveaxis(array, -1, -3)"
        )
    return ArrayFile(
        path=path,
        shape=shape,
        dtype=array.dtype,
        offset=array.start if stored and not array.fortran else None,
        remarks=tuple(remarks),
        array=array,
        deflated=not stored,
    )


def _alone(path: Path, remarks: list[str]) -> ArrayHeader:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            array = read_array_header(path, file)
    except OSError as error:
        raise FibError(f"{path} cannot be read: {error.strerror or error}") from error
    end = array.start + array.nbytes
    if end > size:
        raise FibError(
            f"{path} is truncated: its array of {array.shape} {array.dtype} needs {end} bytes, it "
            f"has {size}; copy it again from its origin"
        )
    if end < size:
        remarks.append(f"{path.name}: {size - end} bytes after its array are ignored")
    return array


def _shape(path: Path, shape: tuple[int, ...], one_slice: bool) -> tuple[int, int, int, int]:
    """Return the shape as (channel, z, y, x), or reject the axes."""
    if not 2 <= len(shape) <= 4 or min(shape, default=0) < 1:
        raise FibError(
            f"{path} holds an array of shape {shape}; a volume has axes (z, y, x) or (channel, z, "
            f"y, x), none of them empty"
        )
    if one_slice and any(n > 1 for n in shape[:-2]):
        raise FibError(
            f"{path} holds an array of shape {shape}, but in a folder or glob each file is one "
            f"slice; give this file alone, or save its slices one by one"
        )
    if len(shape) > 2 and shape[-1] in (3, 4) and shape[0] > shape[-1]:
        raise FibError(
            f"{path} holds an array of shape {shape}, whose last axis looks like colours or "
            f"channels; fib reads grey values with axes (z, y, x) or (channel, z, y, x): save "
            f"numpy.moveaxis(array, -1, 0), or only one of the colours"
        )
    channels, slices, rows, columns = (1,) * (4 - len(shape)) + shape
    return (channels, slices, rows, columns)
