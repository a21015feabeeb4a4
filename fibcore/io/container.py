"""TIFF files opened with tifffile, whose complaints become one `FibError` each."""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tifffile

from fibcore.errors import FibError


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
    """Refuse what is missing, empty, no TIFF, or breaks off within its chain of page headers."""
    if not path.is_file():
        raise FibError(f"{path}: there is no such file")
    size = path.stat().st_size
    if size == 0:
        raise FibError(f"{path} is empty (0 bytes); copy it again from its origin")
    with path.open("rb") as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        version = struct.unpack(f"{order}H", head[2:4])[0] if order and len(head) > 3 else 0
        if version not in (42, 43):
            raise FibError(
                f"{path} is not a TIFF file; fib reads TIFF: convert it (Fiji: File > Save As > "
                f"Tiff), or give a narrower pattern, such as *.tif"
            )
        # classic or BigTIFF: first offset at, format of a count, bytes per tag, format of an offset
        at, count, tag, offset = (4, "H", 12, "I") if version == 42 else (8, "Q", 20, "Q")
        where = _unpack(order, offset, head[at:])
        seen = set()
        while where and where not in seen:
            seen.add(where)
            file.seek(where)
            entries = _unpack(order, count, file.read(struct.calcsize(f"={count}")))
            if entries is not None:
                file.seek(entries * tag, 1)
                where = _unpack(order, offset, file.read(struct.calcsize(f"={offset}")))
            if entries is None or where is None:
                break
        else:
            if seen:
                return
    raise FibError(
        f"{path} is truncated: it ends after {size} bytes, within its page headers (page "
        f"{max(1, len(seen))}); copy it again from its origin"
    )


def _unpack(order: str | None, form: str, data: bytes) -> int | None:
    size = struct.calcsize(f"={form}")
    return struct.unpack(f"{order}{form}", data[:size])[0] if len(data) >= size else None
