"""`reader/zarr`: OME-Zarr, as napari, Fiji and MoBIE open it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from fib_plugins.readers.slices.known_hashes import hashes_of
from fib_plugins.readers.slices.named import find
from fib_plugins.readers.slices.order import Order
from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.stacks.reader import StackReader
from fibcore.artefacts import Artefact
from fibcore.errors import FibError
from fibcore.files import path_text
from fibcore.volumes import Images, Labels

METADATA = ("zarr.json", ".zgroup", ".zarray")
"""Files, one of which is in the folder of every group or array."""


class Zarr(StackReader):
    """OME-Zarr: images and labels in a folder, NGFF 0.4 or 0.5; written with coarser levels.

    The folder is an image or labels (``image.ome.zarr/labels/name``) with axes z, y, x, perhaps c,
    or a plain array with axes (z, y, x) or (channel, z, y, x). The voxel size comes from fib's own
    metadata, else from the scale and its units. The voltage is known only of images written by fib.
    Every chunk has to be there. Voxels written by fib are memory-mapped.

    Volumes are written as NGFF 0.5 (zarr 3): the voxels uncompressed in one file, so that they can
    be memory-mapped, and coarser levels of half the size each, compressed. Images become means,
    labels the most frequent phase.
    """

    name: ClassVar[str] = "zarr"
    suffixes: ClassVar[tuple[str, ...]] = (".ome.zarr", ".zarr")
    writes: ClassVar[tuple[type[Artefact], ...]] = (Labels, Images)
    calibration: ClassVar[str] = "scale with a unit of length"

    level: int = Field(
        default=0,
        ge=0,
        le=99,
        description="level of resolution to read: 0 is the full one, higher ones are coarser",
    )
    missing_chunks: Literal["refuse", "fill"] = Field(
        default="refuse",
        description="whether chunks without a file are an error, or have the fill value of the "
        "array; programs leave out chunks that are empty, but chunks are also lost in copies",
    )

    def find(self, source: str | Path, base: Path) -> Order:
        """Return the folder of a source.

        Raises:
            FibError: there is no such folder, or it is a file.
        """
        named = find(source, base)
        folders = (named.path,) if named.is_folder else named.files
        if len(folders) != 1 or not os.path.isdir(folders[0]):
            what = "is a file" if named.is_file else f"matches {len(folders)} files and folders"
            raise FibError(
                f"{source} {what}; an OME-Zarr image is one folder, with a file zarr.json or "
                f".zgroup: give this folder (if it was packed for a copy, unpack it)"
            )
        return Order(folders)

    def header(self, path: Path, *, one_slice: bool = False) -> Header:
        """Return the header of a folder; the presence and sizes of all chunks are checked."""
        from fib_plugins.readers.zarr.headers import read_header

        return read_header(path, self.level, fill=self.missing_chunks == "fill")

    def planes(self, header: Header) -> AbstractContextManager[Plane]:
        """Return a context manager with the decoded planes of an array."""
        from fib_plugins.readers.zarr.headers import ZarrHeader
        from fib_plugins.readers.zarr.planes import decoded

        assert isinstance(header, ZarrHeader)
        return decoded(header)

    @classmethod
    def matches(cls, source: str | Path, base: Path) -> int:
        """Return 1 for a folder that is a group or an array, else 0."""
        folder = base / path_text(source)
        return int(any((folder / name).is_file() for name in METADATA))

    @classmethod
    def content_hash(cls, files: Sequence[Path]) -> str:
        """Return the SHA-256 over names within the folder and the SHA-256 of each file."""
        root = files[0].parent
        digest = hashlib.sha256()
        for path, content in zip(files, hashes_of(files), strict=True):
            digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + content)
        return digest.hexdigest()

    @classmethod
    def write(cls, artefact: Any, path: Path) -> None:
        """Write labels or images; the same volume gives the same bytes."""
        from fib_plugins.readers.zarr.write import write_volume

        write_volume(artefact, path)

    @classmethod
    def take(cls, artefact: Any, path: Path, scratch: Path) -> None:
        """Write labels or images; a .npy file with all voxels becomes the file of the voxels."""
        from fib_plugins.readers.zarr.write import write_volume

        write_volume(artefact, path, scratch)
