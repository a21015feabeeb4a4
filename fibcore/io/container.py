"""TIFF files opened with tifffile, whose complaints become one `FibError` each."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from fibcore.errors import FibError

_ESSENTIAL = np.zeros(65536, dtype=bool)
_ESSENTIAL[[270, 273, 279, 324, 325]] = True
"""ImageDescription, and where strips or tiles lie and how long they are, by number of tag."""

_TYPE_BYTES = np.array([0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8], dtype=np.uint64)
"""Bytes of one value of each TIFF type; 13 and above are BigTIFF's and tifffile's."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file with tifffile; whatever is wrong with it becomes one `FibError`."""
    logger = logging.getLogger("tifffile")

    def drop(record: logging.LogRecord) -> bool:
        return False  # what matters of its complaints ends up in our own error

    logger.addFilter(drop)
    try:
        _check_container(path)
        with tifffile.TiffFile(path) as tif:
            yield tif
    except (FibError, MemoryError):
        raise
    except OSError as error:
        raise FibError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged header can make tifffile raise anything
        raise FibError(
            f"{path} is damaged ({type(error).__name__}: {error}); copy it again from its origin, "
            f"or open it in Fiji and save it again as TIFF"
        ) from error
    finally:
        logger.removeFilter(drop)


def _check_container(path: Path) -> None:
    """Refuse what is missing, empty, no TIFF, or ends before its page headers do."""
    if not path.is_file():
        raise FibError(f"{path}: there is no such file")
    size = path.stat().st_size
    if size == 0:
        raise FibError(f"{path} is empty (0 bytes); copy it again from its origin")
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
        version = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) > 3 else 0
        if version not in (42, 43):
            raise FibError(
                f"{path} is not a TIFF file; fib reads TIFF: convert it (Fiji: File > Save As > "
                f"Tiff), or give a narrower pattern, such as *.tif"
            )
        page = _first_broken_page(file, head, order, version == 43, size)
    if page:
        raise FibError(
            f"{path} is truncated: it ends after {size} bytes, within the headers of page {page}; "
            f"copy it again from its origin"
        )


def _first_broken_page(file: BinaryIO, head: bytes, order: str, big: bool, size: int) -> int:
    """Follow the chain of page headers (TIFF 6.0, section 2; BigTIFF has wider numbers).

    tifffile reads what it can of a broken chain and goes on without the rest.

    Returns:
        Number of the first page whose header, pixel offsets or description are not all there,
        counted from 1; 0 if there is none.
    """
    word, count = (f"{order}Q", f"{order}Q") if big else (f"{order}I", f"{order}H")
    wide = f"{order}u{8 if big else 4}"
    entry = np.dtype(
        [("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", wide), ("value", wide)]
    )
    where = _unpack(word, head[8 if big else 4 :])
    seen: set[int] = set()
    while where and where not in seen:  # a circle is tifffile's to report
        seen.add(where)
        file.seek(where)
        entries = _unpack(count, file.read(struct.calcsize(count)))
        if not entries or where + entries * entry.itemsize > size:
            return len(seen)
        table: Any = np.frombuffer(file.read(entries * entry.itemsize), entry)
        nbytes = table["count"] * _TYPE_BYTES[np.minimum(table["type"], 18)]
        elsewhere = _ESSENTIAL[table["tag"]] & (nbytes > entry["value"].itemsize)
        if (table["value"] + nbytes)[elsewhere].max(initial=0) > size:
            return len(seen)
        where = _unpack(word, file.read(struct.calcsize(word)))
    return 0 if where is not None and seen else len(seen) or 1


def _unpack(form: str, data: bytes) -> int | None:
    size = struct.calcsize(form)
    return struct.unpack(form, data[:size])[0] if len(data) >= size else None
