"""The layout of large ImageJ files: the voxels first, the directories of all pages behind them.

Programs usually write the directory of the first page in front of the voxels. Behind them, it
leaves the room in front independent of its size, so that a .npy file can become a TIFF
(`voxel_files`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from fib_plugins.readers.stacks.voxel_files import START, Surroundings

_ENTRY = struct.Struct("<HHII")
"""An entry of a directory: tag, type, number of values, and the value or its offset."""
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
"""Type of values -> size of one in bytes."""
_STRIP_OFFSETS = 273
_SIGNATURE = b"II*\0"


def surroundings(nbytes: int, write_empty: Callable[[Path], None], path: Path) -> Surroundings:
    """Return what surrounds the voxels of a classic TIFF with one strip for each page.

    Args:
        nbytes: size of the voxels.
        write_empty: function that writes the file without its voxels, sparse if possible.
        path: a file that does not exist, for `write_empty`.

    Raises:
        OSError: it cannot be written.
    """
    try:
        write_empty(path)
        with path.open("rb") as file:
            begins = _begin_of_voxels(file.read(4096))
            file.seek(0)
            front = file.read(begins)
            file.seek(begins + nbytes)
            back = file.read()
    finally:
        path.unlink(missing_ok=True)
    behind = _up(START + nbytes)
    moves = (  # from, to, and by how much
        (0, begins, behind),
        (begins, begins + nbytes, START - begins),
        (begins + nbytes, 1 << 32, behind + _up(begins) - begins - nbytes),
    )
    content = bytearray(front.ljust(_up(begins), b"\0") + back)
    first = _relocated(content, struct.unpack_from("<I", front, 4)[0], moves, behind)
    padding = bytes(behind - START - nbytes)
    return Surroundings(_SIGNATURE + struct.pack("<I", first), padding + bytes(content))


def _up(offset: int) -> int:
    return -(-offset // 16) * 16


def _begin_of_voxels(head: bytes) -> int:
    assert head[:4] == _SIGNATURE
    first = struct.unpack_from("<I", head, 4)[0]
    for number in range(struct.unpack_from("<H", head, first)[0]):
        tag, _, count, value = _ENTRY.unpack_from(head, first + 2 + 12 * number)
        if tag == _STRIP_OFFSETS:
            assert count == 1
            return int(value)
    raise AssertionError("a TIFF without strips")


def _relocated(
    content: bytearray, first: int, moves: tuple[tuple[int, int, int], ...], behind: int
) -> int:
    """Change all offsets in directories to those in the new file; return that of the first one.

    Args:
        content: all of the file except its voxels, which begins at `behind` in the new file.
        first: old offset of the first directory.
        moves: start and end of a range of old offsets, and how far it moves.
        behind: new offset of `content`.
    """

    def new(offset: int) -> int:
        return next(offset + shift for start, end, shift in moves if start <= offset < end)

    place, start = -1, first
    while start:
        directory = new(start) - behind
        if place >= 0:
            struct.pack_into("<I", content, place, behind + directory)
        count = struct.unpack_from("<H", content, directory)[0]
        for at in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind, number, value = _ENTRY.unpack_from(content, at)
            if tag == _STRIP_OFFSETS or _BYTES[kind] * number > 4:
                struct.pack_into("<I", content, at + 8, new(value))
        place = directory + 2 + 12 * count
        start = struct.unpack_from("<I", content, place)[0]
    return new(first)
