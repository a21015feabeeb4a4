"""`reader/tiff`: stacks as written by microscopes, Fiji and fib."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.stacks.reader import StackReader
from fibcore.artefacts import Artefact
from fibcore.volumes import Images, Labels


class Tiff(StackReader):
    """TIFF: a multi-page file, or a folder or glob of slices; written for Fiji.

    It reads grey values of 8, 16 or 32 bits and labels, ImageJ hyperstacks, OME-TIFF and BigTIFF,
    in all compressions that the installed packages decode. Voxel size and accelerating voltage come
    from fib's own metadata, else from ImageJ, OME, Thermo Fisher/FEI, Zeiss or resolution tags. An
    uncompressed file is memory-mapped.

    Volumes are written as ImageJ hyperstacks with the voxel size in nm, above 4 GB as OME BigTIFF,
    with fib's own metadata, so that they are read back exactly.
    """

    name: ClassVar[str] = "tiff"
    result_version: ClassVar[int] = 2
    key_name: ClassVar[str] = "load"
    suffixes: ClassVar[tuple[str, ...]] = (".tif", ".tiff")
    writes: ClassVar[tuple[type[Artefact], ...]] = (Labels, Images)
    calibration: ClassVar[str] = "ImageJ, OME, Thermo Fisher/FEI, Zeiss or resolution tags"

    def header(self, path: Path, *, one_slice: bool = False) -> Header:
        """Return the header of a file; all pages are checked."""
        from fib_plugins.readers.tiff.headers import read_header

        return read_header(path, one_slice)

    def planes(self, header: Header) -> AbstractContextManager[Plane]:
        """Return a context manager with the decoded pages of a file."""
        from fib_plugins.readers.tiff.headers import TiffHeader
        from fib_plugins.readers.tiff.planes import decoded

        assert isinstance(header, TiffHeader)
        return decoded(header)

    @classmethod
    def write(cls, artefact: Any, path: Path) -> None:
        """Write labels or images; the same volume gives the same bytes."""
        from fib_plugins.readers.tiff.write import write_volume

        write_volume(artefact, path)

    @classmethod
    def take(cls, artefact: Any, path: Path, scratch: Path) -> None:
        """Write labels or images; a .npy file with all voxels becomes the TIFF."""
        from fib_plugins.readers.tiff.write import write_volume

        write_volume(artefact, path, scratch)
