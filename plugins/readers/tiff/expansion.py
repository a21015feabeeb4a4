"""Compressed pixels that would grow beyond their page, refused before they are decoded.

tifffile's own decoders (without imagecodecs) expand a strip as far as it goes: a megabyte of
deflate can be a gigabyte of zeros.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fibcore.errors import FibError, sized

_DEFLATE = (8, 32946, 50013)
_LZMA = 34925
_MOST_PER_BYTE = {**dict.fromkeys(_DEFLATE, 1040), _LZMA: 8000}
"""How many bytes one compressed byte can become at most."""

_SLACK = 2**26
"""What any strip may grow to, in bytes, without being tried."""


def check_expansion(path: Path, page: Any) -> None:
    """Refuse a page with a strip or tile that grows to more than twice the page.

    Those that cannot grow so far are not tried.

    Args:
        path: the file.
        page: one of its pages, as tifffile has it.

    Raises:
        FibError: says how large the page is.
    """
    per_byte = _MOST_PER_BYTE.get(page.keyframe.compression, 0)
    most = 2 * page.keyframe.nbytes + _SLACK
    file = page.parent.filehandle
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if count * per_byte <= most:
            continue
        file.seek(offset)
        if _grows_beyond(file.read(count), page.keyframe.compression, most):
            raise FibError(
                f"{path} is damaged: a strip of page {page.index + 1} becomes larger than "
                f"{sized(most)} when it is decompressed, its pixels are "
                f"{sized(page.keyframe.nbytes)}; copy it again from its origin"
            )


def _grows_beyond(data: bytes, compression: int, most: int) -> bool:
    """Return whether data are more than so many bytes once decompressed; false for damaged ones."""
    decoder: Callable[[bytes, int], bytes] = (
        lzma.LZMADecompressor().decompress
        if compression == _LZMA
        else zlib.decompressobj().decompress
    )
    try:
        return len(decoder(data, most + 1)) > most
    except (zlib.error, lzma.LZMAError):
        return False
