"""Reads the pages of a TIFF, and rejects pages with missing pixels.

tifffile is tolerant: it fills missing strips with zeros and accepts impossible sizes. Therefore the
sizes and the strips or tiles of all pages are checked here first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod
from pathlib import Path

import numpy as np

from fib_plugins.readers.tiff.ifd import Headers, Values
from fibcore.errors import FibError, sized

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION = 254, 255, 256, 257, 258, 259
PHOTOMETRIC, STRIP_OFFSETS, ORIENTATION, SAMPLES = 262, 273, 274, 277
ROWS_PER_STRIP, STRIP_COUNTS, PLANAR, PREDICTOR = 278, 279, 284, 317
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS = 322, 323, 324, 325
FORMAT, DEPTH, TILE_DEPTH = 339, 32997, 32998
_WANTED = frozenset(
    {
        SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, STRIP_OFFSETS,
        ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_COUNTS, PLANAR, PREDICTOR, TILE_WIDTH,
        TILE_HEIGHT, TILE_OFFSETS, TILE_COUNTS, FORMAT, DEPTH, TILE_DEPTH,
    }
)  # fmt: skip
"""Numbers of the tags on the storage of pixels, from TIFF 6.0 and SGI's tags for volumes."""

OLD_JPEG = 6
"""A compression whose pages may use other tags for the place of pixels; it is rarely supported."""

_HEADER_BYTES = 8
_NONE = np.zeros(0, dtype=np.int64)

_EXPANSION = {1: 1, 5: 3000, 8: 1040, 32946: 1040, 50013: 1040, 32773: 70, 34925: 8000}
_EXPANSION_OF_OTHERS = 40_000
"""Largest expansion of one byte: none, LZW, deflate (three numbers), PackBits, LZMA; of the others,
Zstandard expands most."""


@dataclass(frozen=True)
class Page:
    """One page, with the properties of its pixels.

    Attributes:
        number: page number, from 1.
        shape: (height, width), after the depth if it has one.
        samples: values for each pixel.
        planar: 1: samples beside each other; 2: in separate planes.
        bits: bits per value; 0 if they differ between samples.
        format: 1 unsigned, 2 signed, 3 floating-point, others as in TIFF 6.0.
        compression: number of TIFF 6.0 and later.
        predictor: 1 none, 2 horizontal differences, 3 differences of floats.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, others as in TIFF 6.0.
        orientation: 1 to 8; 1: the first row is the top one, the first column the left one.
        reduced: whether it is a preview of another page.
    """

    number: int
    shape: tuple[int, ...]
    samples: int
    planar: int
    bits: int
    format: int
    compression: int
    predictor: int
    photometric: int
    orientation: int
    reduced: bool

    @property
    def nbytes(self) -> int:
        """Bytes of its decoded pixels."""
        return prod(self.shape[:-1]) * self.planes * self.row_bytes

    @property
    def planes(self) -> int:
        """Number of separate planes of samples."""
        return self.samples if self.planar == 2 else 1

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of one plane."""
        together = 1 if self.planar == 2 else self.samples
        return ceil(self.shape[-1] * together * self.bits / 8)


def read_pages(path: Path) -> list[Page]:
    """Read the headers of all pages.

    Raises:
        FibError: the file is not a TIFF, empty or truncated, its headers are circular, sizes are
            impossible, or strips or tiles are missing.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            pages, needed, most = [], 0, 0
            places: list[tuple[np.ndarray, np.ndarray]] = []
            for number, values in enumerate(Headers(path, file, _WANTED), start=1):
                page = _page(path, number, values)
                pages.append(page)
                if not page.reduced and page.compression != OLD_JPEG:
                    places.append(_check_pixels(path, page, values, size))
                    needed += page.nbytes
                    most = max(most, _EXPANSION.get(page.compression, _EXPANSION_OF_OTHERS))
    except OSError as error:
        raise FibError(f"{path} cannot be read: {error.strerror or error}") from error
    if needed > most * size:
        raise FibError(
            f"{path} is damaged: its {len(pages)} pages declare {sized(needed)} of pixels, which "
            f"its {sized(size)} cannot hold; copy it again from its origin"
        )
    _check_apart(path, places)
    return pages


def _page(path: Path, number: int, values: Values) -> Page:
    def first(tag: int, default: int) -> int:
        return int(values[tag][0]) if tag in values else default

    height, width, depth = first(HEIGHT, 0), first(WIDTH, 0), first(DEPTH, 1)
    samples = first(SAMPLES, 1)
    if min(height, width, depth, samples) < 1:
        raise FibError(
            f"{path} is damaged: page {number} has {height} rows, {width} columns and {samples} "
            f"values for each pixel; copy it again from its origin"
        )
    bits = values.get(BITS, np.ones(1, np.int64))
    return Page(
        number=number,
        shape=(height, width) if depth == 1 else (depth, height, width),
        samples=samples,
        planar=first(PLANAR, 1) if samples > 1 else 1,
        bits=int(bits[0]) if np.all(bits[:samples] == bits[0]) else 0,
        format=first(FORMAT, 1),
        compression=first(COMPRESSION, 1),
        predictor=first(PREDICTOR, 1),
        photometric=first(PHOTOMETRIC, 1),
        orientation=first(ORIENTATION, 1),
        reduced=bool(first(SUBFILE, 0) & 1) or first(OLD_SUBFILE, 1) == 2,
    )


def _check_pixels(
    path: Path, page: Page, values: Values, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Reject strips or tiles that are missing, too short, beyond the end, or too few.

    Returns:
        Start and end of uncompressed ones; empty for compressed ones.
    """
    tiled = TILE_OFFSETS in values
    cut = _tiles(path, page, values) if tiled else _strips(path, page, values)
    offsets = values.get(TILE_OFFSETS if tiled else STRIP_OFFSETS, _NONE)[: cut.count]
    counts = values.get(TILE_COUNTS if tiled else STRIP_COUNTS, _NONE)[: cut.count]
    if len(counts) == 0 and page.compression == 1 and len(offsets) == cut.count == 1:
        counts = np.array([page.nbytes], dtype=np.int64)  # old programs omit it
    there = min(len(offsets), len(counts))
    placed = (offsets[:there] >= _HEADER_BYTES) & (counts[:there] > 0)
    lost = cut.count - int(np.count_nonzero(placed))
    if lost:
        raise FibError(
            f"{path} lacks pixels of page {page.number}: {lost} of its {cut.count} "
            f"{'tiles' if tiled else 'strips'} are missing (no offset or length); copy it again "
            f"from its origin"
        )
    end = int(np.max(offsets.astype(np.uint64) + counts.astype(np.uint64)))
    if end > size:
        raise FibError(
            f"{path} is truncated: the pixels of page {page.number} end at byte {end}, it has "
            f"{size}; copy it again from its origin"
        )
    stored = int(counts.sum())
    short = stored * _EXPANSION.get(page.compression, _EXPANSION_OF_OTHERS) < page.nbytes
    if page.compression == 1 and page.bits:
        last = np.arange(cut.count) % cut.in_plane == cut.in_plane - 1
        short = short or bool(np.any(counts < np.where(last, cut.last_bytes, cut.nbytes)))
    if short:
        raise FibError(
            f"{path} lacks pixels of page {page.number}: its {_times(page.shape)} pixels of "
            f"{page.bits} bits need more than the stored {sized(stored)}; copy it again "
            f"from its origin"
        )
    if page.compression != 1:
        return (_NONE, _NONE)
    return (offsets, offsets + np.minimum(counts, cut.nbytes))


def _check_apart(path: Path, places: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Reject overlapping strips; several pages may share the same strip."""
    starts = np.concatenate([_NONE, *(begin for begin, _ in places)])
    ends = np.concatenate([_NONE, *(end for _, end in places)])
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    within = np.flatnonzero((starts[1:] < ends[:-1]) & (starts[1:] > starts[:-1]))
    if within.size:
        raise FibError(
            f"{path} is damaged: pixels of different places of its images overlap in the file, "
            f"from byte {starts[within[0] + 1]}; copy it again from its origin"
        )


@dataclass(frozen=True)
class _Cut:
    """Strips or tiles: number in total and per plane, bytes of each and of the last of a plane."""

    count: int
    in_plane: int
    nbytes: int
    last_bytes: int


def _strips(path: Path, page: Page, values: Values) -> _Cut:
    *depth, height, _ = page.shape
    given = values.get(ROWS_PER_STRIP, _NONE)
    rows = min(int(given[0]), height) if len(given) == 1 else height
    if rows < 1:
        raise FibError(
            f"{path} is damaged: page {page.number} has strips of {rows} rows; copy it again from "
            f"its origin"
        )
    in_plane = ceil(height / rows)
    last = height - (in_plane - 1) * rows
    count = in_plane * page.planes * prod(depth)
    return _Cut(count, in_plane, rows * page.row_bytes, last * page.row_bytes)


def _tiles(path: Path, page: Page, values: Values) -> _Cut:
    *depth, height, width = page.shape
    rows, columns, layers = (
        int(values[tag][0]) if tag in values else default
        for tag, default in ((TILE_HEIGHT, 0), (TILE_WIDTH, 0), (TILE_DEPTH, 1))
    )
    if min(rows, columns, layers) < 1:
        raise FibError(
            f"{path} is damaged: page {page.number} has tiles of {rows} x {columns} pixels; copy "
            f"it again from its origin"
        )
    samples = 1 if page.planar == 2 else page.samples
    nbytes = layers * rows * ceil(columns * samples * page.bits / 8)
    in_plane = ceil(height / rows) * ceil(width / columns) * ceil(prod(depth) / layers)
    return _Cut(in_plane * page.planes, in_plane, nbytes, nbytes)


def _times(sizes: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in sizes)
