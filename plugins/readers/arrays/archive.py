"""Reads a .npz file with one array, which is stored (and memory-mapped) or deflated."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fib_plugins.readers.arrays.npy import ArrayHeader, read_array_header
from fibcore.errors import FibError, listed, sized
from fibcore.text import shown

MOST_PER_BYTE = 1040
"""Largest expansion of deflate."""

_LOCAL_HEADER = struct.Struct("<4s22xHH")
"""Signature, and lengths of the name and of the extra field after it (APPNOTE 4.3.7)."""


def array_in(path: Path) -> tuple[ArrayHeader, bool]:
    """Return the header of the only array in an archive, and whether it is stored uncompressed.

    `ArrayHeader.start` of a stored array counts from the start of the archive; otherwise from the
    start of the array's own file.

    Raises:
        FibError: the file is not an archive, damaged, has no array or several, or is compressed in
            another way than by NumPy.
    """
    with opened(path) as archive:
        member = _only_array(path, archive)
        if member.flag_bits & 1 or member.compress_type not in (0, zipfile.ZIP_DEFLATED):
            raise FibError(
                f"{path}: {shown(member.filename)} is encrypted, or compressed in a way that NumPy "
                f"does not use; save the array again with numpy.savez"
            )
        size = path.stat().st_size
        if member.compress_size > size or member.file_size > MOST_PER_BYTE * member.compress_size:
            raise FibError(
                f"{path} is damaged: {shown(member.filename)} declares {sized(member.file_size)}, "
                f"which the {sized(size)} of the file cannot hold; copy it again from its origin"
            )
        with archive.open(member) as file:
            header = read_array_header(path, file)
        if header.start + header.nbytes > member.file_size:
            raise FibError(
                f"{path} is truncated: its array of {header.shape} needs {sized(header.nbytes)}, "
                f"it has {sized(member.file_size - header.start)}; copy it again from its origin"
            )
        if member.compress_type != zipfile.ZIP_STORED:
            return header, False
        return replace(header, start=_place(path, member) + header.start), True


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; any problem raises a `FibError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FibError:
        raise
    except OSError as error:
        raise FibError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile may raise any error for a damaged archive
        raise FibError(
            f"{path} is damaged, or not a .npz file ({type(error).__name__}: {error}); copy it "
            f"again from its origin, or save the array again with numpy.savez"
        ) from error


def _only_array(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1 or not members[0].filename.endswith(".npy"):
        raise FibError(
            f"{path} holds {len(members)} arrays ({listed(shown(m.filename) for m in members)}); "
            f"fib reads one: save it alone, with numpy.save or numpy.savez"
        )
    return members[0]


def _place(path: Path, member: zipfile.ZipInfo) -> int:
    """Return the offset of the bytes of a member in the archive."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        signature, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    start = member.header_offset + _LOCAL_HEADER.size + name + extra
    if signature != b"PK\x03\x04" or start + member.file_size > path.stat().st_size:
        raise FibError(f"{path} is damaged: its array is missing; copy it again from its origin")
    return start
