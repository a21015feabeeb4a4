"""TIFF files opened with tifffile, whose complaints become one `FibError` each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tifffile

from fibcore.errors import FibError

_NOT_READ: dict[str, Any] = {"is_mmstack": False, "is_ndtiff": False, "is_scanimage": False}
"""Ways of tifffile to read planes from other files, or from headers that are not there."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file with tifffile; whatever is wrong with it becomes one `FibError`.

    Other files that it names are not opened.
    """
    logger = logging.getLogger("tifffile")

    def drop(record: logging.LogRecord) -> bool:
        return False  # what matters of its complaints ends up in our own error

    logger.addFilter(drop)
    try:
        with tifffile.TiffFile(path, _multifile=False, **_NOT_READ) as tif:
            _decode_description(tif.pages.first)
            yield tif
    except (FibError, MemoryError):
        raise
    except OSError as error:
        raise FibError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ImportError, NotImplementedError) as error:
        raise FibError(
            f"{path} cannot be decoded here ({error}): pip install 'fibtomo[codecs]', or save it "
            f"uncompressed (Fiji: File > Save As > Tiff)"
        ) from error
    except Exception as error:  # a damaged header can make tifffile raise anything
        raise FibError(
            f"{path} is damaged ({type(error).__name__}: {error}); copy it again from its origin, "
            f"or open it in Fiji and save it again as TIFF"
        ) from error
    finally:
        logger.removeFilter(drop)


def _decode_description(page: tifffile.TiffPage) -> None:
    """Read a description that is neither UTF-8 nor Windows-1252 as old Macs wrote it."""
    text = page.tags.valueof(270)
    if isinstance(text, bytes):
        page.description = text.decode("mac_roman")
