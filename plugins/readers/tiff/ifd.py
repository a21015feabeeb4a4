"""Reads the page headers of a TIFF strictly: missing or circular headers are rejected.

tifffile is tolerant: it skips pages and tags that it cannot find. Therefore all headers are checked
here before tifffile opens the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fibcore.errors import FibError, sized

MOST_PAGES = 100_000
MOST_TAGS = 4096
LARGEST_TAG_BYTES = 256 * 2**20
"""Limits of the numbers in headers, far above those written by microscopes and Fiji."""

_TYPE_BYTES = np.array([0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8], dtype=np.uint64)
"""Bytes per value of each TIFF type; types from 13 are those of BigTIFF and tifffile."""

_WHOLE = {
    1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8",
}  # fmt: skip
"""NumPy names of the types of whole numbers."""

_DESCRIPTION = 270

Values = dict[int, np.ndarray]
"""Number of a tag -> its whole numbers, as int64."""


class Headers:
    """The chain of page headers (TIFF 6.0, section 2; BigTIFF has wider numbers).

    Args:
        path: the file.
        file: the open file.
        wanted: numbers of the tags to read.
    """

    def __init__(self, path: Path, file: BinaryIO, wanted: frozenset[int]) -> None:
        self._path = path
        self._file = file
        self._wanted = wanted
        self._size = path.stat().st_size
        self._values_read = 0
        if self._size == 0:
            raise FibError(f"{path} is empty (0 bytes); copy it again from its origin")
        self._head = file.read(16)
        self._order = {b"II": "<", b"MM": ">"}.get(self._head[:2], "")
        version = _unpack(f"{self._order}H", self._head[2:]) if self._order else 0
        if version not in (42, 43):
            raise FibError(
                f"{path} is not a TIFF file; fib reads TIFF: convert it (Fiji: File > Save As > "
                f"Tiff), or give a narrower pattern, such as *.tif"
            )
        self._big = version == 43

    def __iter__(self) -> Iterator[Values]:
        """Yield the wanted tags of each page.

        Raises:
            FibError: the file ends within the headers of a page, or they are circular or
                impossible.
        """
        order, big = self._order, self._big
        word, count = (f"{order}Q", f"{order}Q") if big else (f"{order}I", f"{order}H")
        wide = f"{order}u{8 if big else 4}"
        entry = np.dtype(
            [("tag", f"{order}u2"), ("type", f"{order}u2"), ("count", wide), ("value", wide)]
        )
        where = _unpack(word, self._head[8 if big else 4 :])
        seen: set[int] = set()
        while where or not seen:
            if where in seen:
                raise self._damaged(f"its page headers are circular after page {len(seen)}")
            if len(seen) == MOST_PAGES:
                raise self._damaged(f"it declares more than {MOST_PAGES} pages")
            page = len(seen) + 1
            if not where or where >= self._size:
                raise self._ends(page)
            seen.add(where)
            self._file.seek(where)
            entries = _unpack(count, self._file.read(struct.calcsize(count)))
            if entries is not None and entries > MOST_TAGS:
                raise self._damaged(f"page {page} declares {entries} tags")
            block = self._file.read((entries or 0) * entry.itemsize)
            if not entries or len(block) < entries * entry.itemsize:
                raise self._ends(page)
            table = np.frombuffer(block, entry)
            following = _unpack(word, self._file.read(struct.calcsize(word)))
            yield self._values(table, page)
            if following is None:
                raise self._ends(page)
            where = following

    def _values(self, table: Any, page: int) -> Values:
        """Return the wanted tags of one page."""
        nbytes = table["count"] * _TYPE_BYTES[np.minimum(table["type"], 18)]
        if nbytes.max(initial=0) > LARGEST_TAG_BYTES and nbytes.max() < self._size:
            raise self._damaged(f"a tag of page {page} declares {sized(int(nbytes.max()))}")
        inline = table["value"].itemsize
        values: Values = {}
        for i, (tag, kind, count, value) in enumerate(table.tolist()):
            if tag != _DESCRIPTION and (tag not in self._wanted or tag in values):
                continue
            length = int(nbytes[i])
            if length > inline and value + length > self._size:
                raise self._ends(page)
            if tag == _DESCRIPTION:
                continue
            if kind not in _WHOLE or count == 0:
                raise self._damaged(f"tag {tag} of page {page} holds no whole number")
            self._values_read += count
            if self._values_read > self._size:
                raise self._damaged("its headers declare more numbers than the file can hold")
            if length > inline:
                self._file.seek(value)
                raw = self._file.read(length)
            else:
                raw = value.to_bytes(inline, "little" if self._order == "<" else "big")[:length]
            numbers = np.frombuffer(raw, f"{self._order}{_WHOLE[kind]}")
            if kind in (16, 18) and numbers.max() > np.iinfo(np.int64).max:
                raise self._damaged(f"tag {tag} of page {page} holds a number beyond 63 bits")
            values[tag] = numbers.astype(np.int64)
        return values

    def _ends(self, page: int) -> FibError:
        return FibError(
            f"{self._path} is truncated: it ends after {self._size} bytes, within the headers of "
            f"page {page}; copy it again from its origin"
        )

    def _damaged(self, what: str) -> FibError:
        return FibError(f"{self._path} is damaged: {what}; copy it again from its origin")


def _unpack(form: str, data: bytes) -> int | None:
    size = struct.calcsize(form)
    return struct.unpack(form, data[:size])[0] if len(data) >= size else None
