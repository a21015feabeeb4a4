"""Checks whether a compression of TIFF can be decoded with the installed packages."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from fib_plugins.readers.tiff.pages import Page
from fibcore.errors import FibError

_BITS = (1, 8, 16, 32, 64)
_PREDICTORS = {2: "horizontal differences", 3: "differences of floats"}


def check_decodable(path: Path, page: Page, byte_order: str) -> None:
    """Reject pixels that cannot be decoded here, and name the package that could.

    Args:
        path: the file.
        page: one of its pages.
        byte_order: byte order of the file, ``<`` or ``>``.

    Raises:
        FibError: the compression or its predictor is unknown or needs a package that is not
            installed; or pixels have an unsupported number of bits.
    """
    name = _compression(page.compression)
    stored = f"is compressed with {name or f'method {page.compression}'}"
    if page.compression != 1 and not _works(lambda: _decompressor(page.compression)(b"")):
        raise _refusal(path, stored, bool(name))
    if page.predictor != 1 and not _unpredicts(page, byte_order):
        how = _PREDICTORS.get(page.predictor, f"predictor {page.predictor}")
        kind = _kind(page, byte_order)
        raise _refusal(path, f"{stored}, as {how} ({kind})", page.predictor in _PREDICTORS)
    if page.bits not in _BITS:
        raise FibError(
            f"{path} packs {page.bits or 'various numbers of'} bits per pixel; save it as 8 or 16 "
            f"bit integers or 32 bit floats"
        )


def _compression(number: int) -> str:
    """Return the name of a compression, e.g. ``ZSTD``; empty for an unknown number."""
    try:
        return tifffile.COMPRESSION(number).name.removeprefix("ADOBE_")
    except ValueError:
        return ""


def _refusal(path: Path, what: str, known: bool) -> FibError:
    if not known:
        need = "which is unknown; it may be damaged. If not, "
    elif find_spec("imagecodecs") is None:
        need = "which needs the package imagecodecs: pip install 'fibtomo[codecs]'; or "
    else:
        need = "which the packages installed here cannot decode: "
    return FibError(f"{path} {what}, {need}save it uncompressed (Fiji: File > Save As > Tiff)")


def _decompressor(compression: int) -> Callable[..., Any]:
    return tifffile.TIFF.DECOMPRESSORS[compression]


def _unpredicts(page: Page, byte_order: str) -> bool:
    if page.bits not in _BITS[1:]:
        return False
    sample = np.zeros((1, 1, 2, 1), _kind(page, byte_order))
    return _works(lambda: tifffile.TIFF.UNPREDICTORS[page.predictor](sample, axis=-2, out=sample))


def _kind(page: Page, byte_order: str) -> np.dtype:
    """Return the type in which differences are summed, when pixels have native byte order."""
    byte_order = byte_order if page.compression == 1 else "="
    letter = {2: "i", 3: "f"}.get(page.format, "u")
    size = max(1, page.bits // 8)
    return np.dtype(f"{byte_order}{letter if letter != 'f' or size > 1 else 'u'}{size}")


def _works(call: Callable[[], Any]) -> bool:
    """Return whether a decoder is installed, even if it rejects the test data."""
    try:
        call()
    except (ImportError, NotImplementedError, AttributeError, KeyError):
        return False
    except Exception:
        return True
    return True
