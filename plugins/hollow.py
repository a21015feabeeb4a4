"""Rejects large files that are almost only holes, as an interrupted copy leaves them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fibcore.errors import FibError, sized
from fibcore.files import check_regular
from fibcore.text import shown

HOLLOW_ABOVE_BYTES, HOLLOW, MOST_PIECES = 1 << 30, 1000, 1000
"""A file above the first size is hollow if less than one part in `HOLLOW` of it was written, in at
most this number of pieces."""

_READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


def check_content(path: Path) -> int:
    """Return the size of a file, in bytes.

    Raises:
        FibError: it is not a regular file (a device, a pipe), or a large sparse file with almost
            no data, which would take hours to read.
        OSError: there is no such file.
    """
    size = check_regular(path)
    if size > HOLLOW_ABOVE_BYTES and (written := _written_bytes(path)) * HOLLOW < size:
        raise FibError(
            f"{shown(path)} has {sized(size)}, of which only {sized(written)} are data: it is a "
            f"sparse file, perhaps of an interrupted copy; copy it again"
        )
    return size


def _written_bytes(path: Path) -> int:
    """Return how many bytes of a file are data and not holes, if the file system reports it."""
    size = path.stat().st_size
    if not hasattr(os, "SEEK_DATA"):
        return size
    written, end = 0, 0
    try:
        descriptor = os.open(path, _READ)
    except OSError:  # its reader reports that
        return size
    try:
        for _ in range(MOST_PIECES):
            start = os.lseek(descriptor, end, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
            written += end - start
    except OSError as error:
        return written if error.errno == errno.ENXIO else size  # no data behind `end`
    finally:
        os.close(descriptor)
    return size
