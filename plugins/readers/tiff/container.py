"""Opens TIFF files with tifffile, and turns its errors into `FibError`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tifffile

from fibcore.errors import FibError

_NOT_READ: dict[str, Any] = {"is_mmstack": False, "is_ndtiff": False, "is_scanimage": False}
"""Formats for which tifffile reads planes from other files, or from missing headers."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a file with tifffile; any problem raises a `FibError`.

    Other files that it refers to are not opened.
    """
    logger = logging.getLogger("tifffile")

    def drop(record: logging.LogRecord) -> bool:
        return False  # relevant problems are reported by our own errors

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
            f"{path} cannot be decoded ({error}): pip install 'fibtomo[codecs]', or save it "
            f"uncompressed (Fiji: File > Save As > Tiff)"
        ) from error
    except Exception as error:  # tifffile may raise any error for a damaged header
        raise FibError(
            f"{path} is damaged ({type(error).__name__}: {error}); copy it again from its origin, "
            f"or open it in Fiji and save it again as TIFF"
        ) from error
    finally:
        logger.removeFilter(drop)


def _decode_description(page: tifffile.TiffPage) -> None:
    """Decode a description that is neither UTF-8 nor Windows-1252 as Mac Roman."""
    text = page.tags.valueof(270)
    if isinstance(text, bytes):
        page.description = text.decode("mac_roman")
