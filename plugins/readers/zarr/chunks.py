"""The chunk files of an array: all there, none truncated, and where raw voxels are in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from fib_plugins.hollow import check_content
from fib_plugins.readers.zarr.arrays import Array, Shards
from fib_plugins.readers.zarr.nodes import inside
from fibcore.errors import FibError
from fibcore.text import shown

MISSING = 2**64 - 1
"""Offset and size in the index of a shard of a chunk that is not there."""
LARGEST_CHUNK = 2**31
"""Largest decoded chunk in bytes; a whole chunk has to be in memory."""
MOST_CHUNKS = 10_000_000


@dataclass(frozen=True)
class ChunkFiles:
    """The chunk files of an array.

    Attributes:
        paths: the files that are there, in C order.
        offsets: offset of each chunk in the only file, in C order; None if there are several files.
    """

    paths: tuple[Path, ...]
    offsets: tuple[int, ...] | None = None


def find_chunks(array: Array, root: Path, *, fill: bool) -> ChunkFiles:
    """Return the chunk files of an array.

    Args:
        array: the array.
        root: folder that no link may lead out of.
        fill: whether chunks may be missing.

    Raises:
        FibError: names the first chunk that is missing, truncated or damaged.
    """
    sizes = _files(array.node.path, root)
    grid = tuple(-(-n // part) for n, part in zip(array.shape, array.files, strict=True))
    count = prod(grid)
    if fill and count > MOST_CHUNKS:
        raise FibError(
            f"{array.node.path} declares {count} chunks, and {len(sizes)} files are there; fib "
            f"fills up to {MOST_CHUNKS}: its metadata are damaged, or most of it is missing"
        )
    found: list[Path] = []
    offsets: tuple[int, ...] | None = None
    for number in _numbers(grid):
        name = array.prefix + array.separator.join(map(str, number))
        path = array.node.path / name
        if name not in sizes:
            if not fill:
                raise _missing(array, f"{name} (of {count})")
            continue
        if array.shards is not None and array.shards.plain:
            index = _index(array, array.shards, path, sizes[name])
            _check_index(array, path, sizes[name], index, number, fill)
            offsets = tuple(map(int, index[:, 0])) if count == 1 else None
        elif array.shards is None and array.raw and sizes[name] != array.chunk_bytes:
            raise FibError(
                f"{path} is {'truncated' if sizes[name] < array.chunk_bytes else 'damaged'}: a "
                f"chunk of {array.chunks} {array.dtype.name} has {array.chunk_bytes} bytes, the "
                f"file has {sizes[name]}; copy it again from its origin"
            )
        found.append(path)
    if not array.raw and array.chunk_bytes > LARGEST_CHUNK:
        raise FibError(
            f"{array.node.path} has compressed chunks of {array.chunks} {array.dtype.name}, "
            f"{array.chunk_bytes} bytes; fib decodes chunks of up to {LARGEST_CHUNK} bytes: save "
            f"the image again with smaller chunks"
        )
    return ChunkFiles(tuple(found), offsets)


def _numbers(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield all numbers of a grid in C order, of which only a few may ever be used."""
    if not counts:
        yield ()
        return
    for first in range(counts[0]):
        for rest in _numbers(counts[1:]):
            yield (first, *rest)


def _files(folder: Path, root: Path) -> dict[str, int]:
    """Return name, relative to a folder, and size of all files in it."""
    found = {}
    for place, folders, names in os.walk(folder):
        for name in folders:
            if os.path.islink(os.path.join(place, name)):
                inside(Path(place, name), root)
                raise FibError(
                    f"{shown(Path(place, name))} is a link to a folder; the chunks of an image "
                    f"have to be in its folder: replace the link by a copy"
                )
        within = os.path.relpath(place, folder).replace(os.sep, "/")
        for name in names:
            path = Path(place, name)
            if path.is_symlink():
                inside(path, root)
            try:
                size = check_content(path)
            except OSError as error:
                raise FibError(f"{shown(path)} cannot be read ({error.strerror})") from error
            found[name if within == "." else f"{within}/{name}"] = size
    return found


def _index(array: Array, shards: Shards, path: Path, size: int) -> np.ndarray:
    """Return offset and size of each chunk in a shard, in C order."""
    count = prod(n // chunk for n, chunk in zip(array.files, array.chunks, strict=True))
    nbytes = 16 * count + 4 * shards.checksum
    if nbytes > size:
        raise _truncated(path)
    with path.open("rb") as file:
        file.seek(size - nbytes if shards.at_end else 0)
        content = file.read(nbytes)
    if shards.checksum:
        import google_crc32c

        if google_crc32c.value(content[:-4]) != int.from_bytes(content[-4:], "little"):
            raise _truncated(path)
    return np.frombuffer(content, "<u8", 2 * count).reshape(count, 2)


def _check_index(
    array: Array,
    path: Path,
    size: int,
    index: np.ndarray,
    number: tuple[int, ...],
    fill: bool,
) -> None:
    there = (index != MISSING).any(axis=1)
    offsets, sizes = index[there, 0], index[there, 1]
    if len(offsets) and ((offsets > size) | (sizes > size - offsets.clip(max=size))).any():
        raise _truncated(path)
    if array.raw and (sizes != array.chunk_bytes).any():
        raise _truncated(path)
    if fill or there.all():
        return
    for place, is_there in zip(_chunks_of(array, number), there, strict=True):
        if not is_there and all(n < most for n, most in zip(place, _grid(array), strict=True)):
            raise _missing(array, f"{place} in {path.relative_to(array.node.path).as_posix()}")


def _chunks_of(array: Array, number: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the numbers of the chunks in a shard, in C order."""
    counts = [n // chunk for n, chunk in zip(array.files, array.chunks, strict=True)]
    for within in _numbers(tuple(counts)):
        yield tuple(f * n + i for f, n, i in zip(number, counts, within, strict=True))


def _grid(array: Array) -> tuple[int, ...]:
    return tuple(-(-n // chunk) for n, chunk in zip(array.shape, array.chunks, strict=True))


def _missing(array: Array, what: str) -> FibError:
    return FibError(
        f"{array.node.path} lacks chunk {what}. Chunks are lost in interrupted copies: copy the "
        f"image again from its origin. If the program that wrote it leaves out empty chunks, set "
        f'"missing_chunks": "fill": they then have the fill value of the array'
    )


def _truncated(path: Path) -> FibError:
    return FibError(
        f"{path} is truncated or damaged: its index does not fit to its {path.stat().st_size} "
        f"bytes; copy it again from its origin"
    )
