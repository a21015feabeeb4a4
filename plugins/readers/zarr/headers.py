"""The header of an OME-Zarr image, of labels or of a plain array."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fib_plugins.readers.slices.detectors import detectors_in
from fib_plugins.readers.stacks import metadata
from fib_plugins.readers.stacks.found import Found
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.metadata import VolumeMetadata
from fib_plugins.readers.zarr.arrays import Array, raw_offset, read_array
from fib_plugins.readers.zarr.chunks import find_chunks
from fib_plugins.readers.zarr.ngff import Image, read_image
from fib_plugins.readers.zarr.nodes import Node, read_node
from fibcore.errors import FibError
from fibcore.text import described, shown

ORIGIN = "NGFF"
OWN = "fib"
"""Attribute with fib's own metadata."""


@dataclass(frozen=True, kw_only=True)
class ZarrHeader(Header):
    """A level of an image.

    Attributes:
        array: its array.
        axes: names of the axes of the array.
    """

    array: Array
    axes: tuple[str, ...]


def read_header(path: Path, level: int, *, fill: bool) -> ZarrHeader:
    """Read the metadata of a folder, and look for its chunks; see `_read`.

    Raises:
        FibError: it is damaged, incomplete, of an unknown version, or no image with slices.
    """
    try:
        return _read(path, level, fill)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise FibError(
            f"{path}: its metadata are damaged ({described(error)}); copy it again from its origin"
        ) from error


def _read(path: Path, level: int, fill: bool) -> ZarrHeader:
    """Read the metadata of a folder, and look for its chunks.

    Args:
        path: the folder.
        level: level of resolution.
        fill: whether chunks may be missing.

    Raises:
        FibError: it is damaged, incomplete, of an unknown version, or no image with slices.
    """
    node = read_node(path, path)
    image = None
    files = node.files
    if node.is_array:
        if level:
            raise FibError(f"{path} is a plain array with one level of resolution; leave out level")
        array = read_array(node)
        axes = _plain_axes(array)
    else:
        image = read_image(node, level)
        inner = read_node(path / image.path, path)
        if not inner.is_array:
            raise FibError(f"{inner.path} is not an array, but level {level} of an image")
        array, axes = read_array(inner), image.axes
        files += inner.files
    shape = _shape(path, array, axes)
    chunks = find_chunks(array, path, fill=fill)
    straight = [axis for axis in axes if axis in "czyx"] == sorted(
        (axis for axis in axes if axis in "czyx"), key="czyx".index
    )
    offset = raw_offset(array, chunks.offsets) if straight and len(chunks.paths) == 1 else None
    return ZarrHeader(
        path=path,
        shape=shape,
        dtype=array.dtype,
        offset=offset,
        found=_found(image),
        own=_own(node, image),
        remarks=image.remarks if image is not None else (),
        type="labels" if image is not None and image.is_labels else None,
        channel_names=image.channels if image is not None else (),
        files=(*files, *chunks.paths),
        voxels=chunks.paths[0] if offset is not None else None,
        array=array,
        axes=axes,
    )


def _plain_axes(array: Array) -> tuple[str, ...]:
    if len(set(array.names)) == len(array.shape) and {"z", "y", "x"} <= set(array.names):
        return array.names
    if len(array.shape) not in (3, 4):
        raise FibError(
            f"{array.node.path} is an array of shape {array.shape}; without axes in its metadata "
            f"fib reads (z, y, x) and (channel, z, y, x)"
        )
    return tuple("czyx"[-len(array.shape) :])


def _shape(path: Path, array: Array, axes: Sequence[str]) -> tuple[int, int, int, int]:
    """Return the shape as (channel, z, y, x), or reject the axes."""
    sizes = dict(zip(axes, array.shape, strict=False))
    if len(sizes) != len(array.shape):
        raise FibError(
            f"{array.node.path} is damaged: its shape {array.shape} does not fit to the axes "
            f"{', '.join(map(shown, axes))}; copy its metadata again"
        )
    missing = [axis for axis in "yx" if axis not in sizes]
    other = {axis: n for axis, n in sizes.items() if axis not in "czyx" and n > 1}
    if missing or other:
        what = [f"{n} along {shown(axis, 20)}" for axis, n in other.items()]
        has = " and ".join(what) or f"axes {', '.join(map(shown, axes))}"
        hint = " (time)" if "t" in other else ""
        raise FibError(
            f"{path} has {has}{hint}; fib reads the axes z, y, x and c (channels): save one "
            f"time point or one part of it alone"
        )
    return (sizes.get("c", 1), sizes.get("z", 1), sizes["y"], sizes["x"])


def _found(image: Image | None) -> tuple[Found, ...]:
    if image is None:
        return ()
    detectors = detectors_in(image.channels)
    return (Found(ORIGIN, image.voxel_size_nm, remarks=image.scale_remarks, detectors=detectors),)


def _own(node: Node, image: Image | None) -> VolumeMetadata | None:
    """Return fib's own metadata, with the voxel size of the level."""
    if image is None or not isinstance(node.attributes.get(OWN), dict):
        return None
    own = metadata.from_text(json.dumps(node.attributes[OWN]))
    if own is None or image.relative == (1.0, 1.0, 1.0):
        return own
    size = tuple(nm * n for nm, n in zip(own.voxel_size_nm, image.relative, strict=True))
    return own.model_copy(update={"voxel_size_nm": size})
