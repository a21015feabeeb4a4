"""Properties of a file of a stack that are known before its voxels are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from fib_plugins.readers.stacks import orientation
from fib_plugins.readers.stacks.found import Found
from fib_plugins.readers.stacks.metadata import VolumeMetadata

Grey = Literal["grey", "palette", "inverted"]


@dataclass(frozen=True)
class Header:
    """One file: a whole stack, or one slice of it.

    Attributes:
        path: the file.
        shape: (channel, z, y, x), with `orientation` applied.
        dtype: element type, with its byte order in the file.
        planes: order of the planes in the file, ``ZC`` or ``CZ`` (the last varies fastest).
        offset: offset of the planes if they are contiguous and uncompressed, so that the file can
            be memory-mapped; else None.
        grey: meaning of the numbers: grey values, indices of a colour palette (irrelevant for
            phase numbers), or grey values with zero as white.
        orientation: storage of rows and columns, 1 to 8; see `stacks.orientation`.
        found: metadata on voxel size, voltages, detectors, the most trusted first.
        pages_found: number of a plane -> its metadata, for planes that differ from the first one.
        own: fib's own metadata, in a file that fib wrote.
        slice_names: names of the planes in the file; empty if it has none.
        remarks: remarks on the file for the user.
        type: whether the file declares images or labels; None if it declares neither.
        channel_names: names of the channels; empty if there are none.
        files: all files that are read; empty if it is only `path`.
        voxels: the file with the voxels at `offset`, if it is not `path`.
    """

    path: Path
    shape: tuple[int, int, int, int]
    dtype: np.dtype
    planes: str = "CZ"
    offset: int | None = None
    grey: Grey = "grey"
    orientation: int = orientation.NORMAL
    found: tuple[Found, ...] = ()
    pages_found: Mapping[int, tuple[Found, ...]] = field(default_factory=dict)
    own: VolumeMetadata | None = None
    slice_names: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    type: Literal["images", "labels"] | None = None
    channel_names: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    voxels: Path | None = None


H = TypeVar("H", bound=Header)


def oriented(header: H, tag: int) -> H:
    """Return the header of a file with an orientation tag.

    Args:
        header: header of the file as stored.
        tag: 1 to 8, as in TIFF and EXIF; others are ignored with a remark.
    """
    name = header.path.name
    if tag == orientation.NORMAL:
        return header
    if tag not in orientation.KNOWN:
        remark = (
            f"{name}: its orientation tag {tag} is invalid; its rows are read from top to bottom"
        )
        return replace(header, remarks=(*header.remarks, remark))
    remark = (
        f"{name}: its orientation tag is {tag}: its planes are {orientation.WORDS[tag]}, unlike in "
        f"Fiji, which ignores the tag"
    )
    header = replace(header, orientation=tag, remarks=(*header.remarks, remark))
    if not orientation.swaps(tag):
        return header
    channels, slices, rows, columns = header.shape
    return replace(
        header,
        shape=(channels, slices, columns, rows),
        found=_swapped(header.found),
        pages_found={number: _swapped(found) for number, found in header.pages_found.items()},
    )


def _swapped(founds: tuple[Found, ...]) -> tuple[Found, ...]:
    """Return the metadata of planes whose rows are stored as columns."""
    turned = []
    for found in founds:
        z, y, x = found.voxel_size_nm
        turned.append(replace(found, voxel_size_nm=(z, x, y), data_bar_from=None))
    return tuple(turned)
