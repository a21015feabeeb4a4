"""Rejects compressed pixels that exceed their page, before they are decoded.

tifffile's own decoders (without imagecodecs) expand a strip without a limit: a megabyte of deflate
can be a gigabyte of zeros.
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
"""Largest expansion of one compressed byte."""

_SLACK = 2**26
"""Size in bytes below which the expansion of a strip is not checked."""


def check_expansion(path: Path, page: Any) -> None:
    """Reject a page with a strip or tile that expands to more than twice the page.

    Strips that cannot expand so far are not decompressed.

    Args:
        path: the file.
        page: one of its pages, as tifffile returns it.

    Raises:
        FibError: reports the size of the page.
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
                f"{path} is damaged: a strip of page {page.index + 1} has more than "
                f"{sized(most)} when decompressed, its pixels have "
                f"{sized(page.keyframe.nbytes)}; copy it again from its origin"
            )


def _grows_beyond(data: bytes, compression: int, most: int) -> bool:
    """Return whether decompressed data exceed `most` bytes; False for damaged data."""
    decoder: Callable[[bytes, int], bytes] = (
        lzma.LZMADecompressor().decompress
        if compression == _LZMA
        else zlib.decompressobj().decompress
    )
    try:
        return len(decoder(data, most + 1)) > most
    except (zlib.error, lzma.LZMAError):
        return False
