"""Checks that a PNG has all its pixels, since Pillow reads missing rows as black."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from fibcore.errors import FibError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BLOCK_BYTES = 1 << 20

WHOLE = ((0, 0, 1, 1),)
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip
"""First column and row of each pass, and steps to the next ones (PNG specification, 8.2)."""


def check_complete(path: Path) -> None:
    """Reject a PNG of grey values with fewer rows than declared; JPEG files are not checked.

    Raises:
        FibError: rows are missing, or the compressed data are damaged.
    """
    with path.open("rb") as file:
        if file.read(8) != SIGNATURE:
            return
        file.seek(16)
        columns, rows, bits, interlaced = struct.unpack(">IIB3xB", file.read(13)[:13])
    needed = _size(columns, rows, bits, ADAM7 if interlaced else WHOLE)
    there, inflate = 0, zlib.decompressobj()
    try:
        for block in _compressed(path):
            while block and there < needed:
                there += len(inflate.decompress(block, BLOCK_BYTES))
                block = inflate.unconsumed_tail
    except zlib.error as error:
        raise FibError(f"{path} is damaged ({error}); copy it again from its origin") from error
    if there < needed:
        raise FibError(
            f"{path} is truncated: it has {there} of the {needed} bytes of its {rows} rows; "
            f"copy it again from its origin"
        )


def _size(columns: int, rows: int, bits: int, passes: tuple[tuple[int, ...], ...]) -> int:
    """Return the size of rows with one value per pixel and one byte for the filter."""
    total = 0
    for column, row, across, down in passes:
        wide, high = -(-(columns - column) // across), -(-(rows - row) // down)
        if wide > 0 and high > 0:
            total += high * (1 + -(-wide * bits // 8))
    return total


def _compressed(path: Path) -> Iterator[bytes]:
    """Yield the contents of the IDAT chunks, in pieces."""
    with path.open("rb") as file:
        file.seek(len(SIGNATURE))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind != b"IDAT":
                file.seek(length + 4, 1)
                continue
            while length > 0 and (block := file.read(min(length, BLOCK_BYTES))):
                length -= len(block)
                yield block
            file.seek(4, 1)
