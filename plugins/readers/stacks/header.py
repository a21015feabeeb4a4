"""What is known of one file of a stack before its voxels are read."""

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
        shape: (channel, z, y, x), turned as `orientation` says.
        dtype: element type, with its byte order in the file.
        planes: order of the planes in the file, ``ZC`` or ``CZ`` (the last runs fastest).
        offset: where the planes begin if they lie in one uncompressed run, so that the file can be
            memory-mapped; else None.
        grey: how numbers become grey: as they are, through a colour palette (which for phase
            numbers means nothing), or with zero as white.
        orientation: how rows and columns are stored, 1 to 8; see `stacks.orientation`.
        found: what the file states about voxel size and voltage, the most trusted first.
        pages_found: number of a plane -> what the file states about it, for planes that differ in
            that from the first one.
        own: fib's own metadata, in a file that fib wrote.
        slice_names: names that the file keeps of its planes; empty where it has none.
        remarks: what the user should know about the file.
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


H = TypeVar("H", bound=Header)


def oriented(header: H, tag: int) -> H:
    """Return the header of a file with an orientation tag.

    Args:
        header: as the file is stored.
        tag: 1 to 8, as in TIFF and EXIF; others are ignored with a remark.
    """
    name = header.path.name
    if tag == orientation.NORMAL:
        return header
    if tag not in orientation.KNOWN:
        remark = (
            f"{name}: its orientation tag is {tag}, which means nothing; its rows are taken from "
            f"top to bottom"
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
    """Return what is stated about planes whose rows are stored as columns."""
    turned = []
    for found in founds:
        z, y, x = found.voxel_size_nm
        turned.append(replace(found, voxel_size_nm=(z, x, y), data_bar_from=None))
    return tuple(turned)
