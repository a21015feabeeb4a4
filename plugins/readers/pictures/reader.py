"""`reader/png`: slices as PNG or JPEG."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from fib_plugins.readers.stacks.header import Header
from fib_plugins.readers.stacks.planes import Plane
from fib_plugins.readers.stacks.reader import StackReader


class Png(StackReader):
    """PNG or JPEG: a folder or glob of slices in grey values of 8 or 16 bits.

    Colours, palettes and transparency are rejected. A JPEG is read with a warning, since its grey
    values are not those measured. The voxel size comes from the parameters, from the names of the
    slices or from the resolution in the files, unless it is for printing. The orientation in EXIF
    is applied.
    """

    name: ClassVar[str] = "png"
    suffixes: ClassVar[tuple[str, ...]] = (".png", ".jpg", ".jpeg")
    calibration: ClassVar[str] = "resolution, other than for printing"

    def header(self, path: Path, *, one_slice: bool = False) -> Header:
        """Return size and type of a picture."""
        from fib_plugins.readers.pictures.picture import read_header

        return read_header(path)

    @contextmanager
    def planes(self, header: Header) -> Iterator[Plane]:
        """Return a context manager with the pixels of a picture."""
        from fib_plugins.readers.pictures.picture import decode

        pixels = decode(header)
        yield lambda channel, z: pixels
