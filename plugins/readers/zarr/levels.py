"""The coarser levels of an image, for viewers: each of half the size of the one before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

SMALL_ENOUGH = 256
"""No coarser level is made of one with so many voxels along its longest edge."""
NEAR = 2**0.5
"""An axis is halved if its voxels are smaller than this times the smallest edge."""
CHUNK, CHUNKS_PER_SHARD = 64, 8
"""Edge of a chunk; chunks along y and x in one file."""
COMPRESSION = 3
FEW_PHASES = 8


@dataclass(frozen=True)
class Level:
    """A level of resolution.

    Attributes:
        shape: (z, y, x).
        voxel_size_nm: (z, y, x).
        factors: number of voxels of the level before that become one, (z, y, x).
    """

    shape: tuple[int, int, int]
    voxel_size_nm: tuple[float, float, float]
    factors: tuple[int, int, int] = (1, 1, 1)


def levels_of(
    shape: tuple[int, int, int], voxel_size_nm: tuple[float, float, float]
) -> list[Level]:
    """Return the levels of a volume, the full one first.

    An axis with coarser voxels is not halved before the others have reached them.
    """
    levels = [Level(shape, voxel_size_nm)]
    while max(levels[-1].shape) > SMALL_ENOUGH:
        last = levels[-1]
        longer = [size for size, n in zip(last.voxel_size_nm, last.shape, strict=True) if n > 1]
        near = NEAR * min(longer)
        factors = tuple(
            2 if n > 1 and size < near else 1
            for size, n in zip(last.voxel_size_nm, last.shape, strict=True)
        )
        levels.append(
            Level(
                tuple(-(-n // f) for n, f in zip(last.shape, factors, strict=True)),  # type: ignore[arg-type]
                tuple(s * f for s, f in zip(last.voxel_size_nm, factors, strict=True)),  # type: ignore[arg-type]
                factors,  # type: ignore[arg-type]
            )
        )
    return levels


def write_levels(root: Path, data: np.ndarray, levels: Sequence[Level], axes: str) -> None:
    """Write all levels except the full one, a part of a few MB at a time.

    Args:
        root: folder of the image.
        data: voxels of the full level in the axes of the image.
        levels: all levels.
        axes: names of the axes: ``czyx``, whose voxels become means, or ``zyx``, whose voxels
            become the most frequent phase.
    """
    import zarr
    from zarr.codecs import ZstdCodec
    from zarr.storage import LocalStore

    store = LocalStore(root)
    source: Any = data
    for number, level in enumerate(levels[1:], start=1):
        shape = (*data.shape[:-3], *level.shape)
        chunks = tuple(min(CHUNK, n) for n in level.shape)
        along = (1, CHUNKS_PER_SHARD, CHUNKS_PER_SHARD)
        shards = tuple(
            chunk * min(most, -(-n // chunk))
            for n, chunk, most in zip(level.shape, chunks, along, strict=True)
        )
        ones = (1,) * (len(shape) - 3)
        target = zarr.create_array(
            store=store,
            name=str(number),
            shape=shape,
            dtype=data.dtype,
            chunks=(*ones, *chunks),
            shards=(*ones, *shards),
            compressors=ZstdCodec(level=COMPRESSION),
            fill_value=0,
            dimension_names=list(axes),
            zarr_format=3,
            config={"write_empty_chunks": True},
        )
        for place in _boxes(shape, (*ones, *shards)):
            target[place] = _reduced(source, place, level.factors, chunks, means=axes == "czyx")
        source = target


def _boxes(shape: Sequence[int], parts: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    starts = [range(0, n, part) for n, part in zip(shape, parts, strict=True)]
    for corner in product(*starts):
        yield tuple(
            slice(start, min(start + part, n))
            for start, part, n in zip(corner, parts, shape, strict=True)
        )


def _reduced(
    source: Any,
    place: tuple[slice, ...],
    factors: tuple[int, int, int],
    chunks: tuple[int, ...],
    *,
    means: bool,
) -> np.ndarray:
    """Return a part of a level, from the level before, one row of chunks at a time."""
    *before, z, y, x = place
    reduce = _mean if means else _mode
    shape = [part.stop - part.start for part in place]
    out = np.empty(shape, source.dtype)
    for start in range(y.start, y.stop, chunks[1]):
        row = slice(start, min(start + chunks[1], y.stop))
        inner = [
            slice(part.start * f, part.stop * f)
            for part, f in zip((z, row, x), factors, strict=True)
        ]
        block = np.asarray(source[(*before, *inner)])
        out[..., row.start - y.start : row.stop - y.start, :] = reduce(block, factors)
    return out


def _padded(block: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """Return a block with its edges repeated to whole groups of voxels."""
    lacking = [-n % f for n, f in zip(block.shape[-3:], factors, strict=True)]
    if not any(lacking):
        return block
    return np.pad(block, [(0, 0)] * (block.ndim - 3) + [(0, n) for n in lacking], mode="edge")


def _sums(block: np.ndarray, factors: tuple[int, int, int], kind: Any) -> np.ndarray:
    """Return the sum of each group of voxels; z is summed first, as its planes are contiguous."""
    total: Any = block
    for axis, factor in zip((-3, -2, -1), factors, strict=True):
        if factor == 2:
            rest = (slice(None),) * (-axis - 1)
            even = total[(..., slice(0, None, 2), *rest)]
            total = np.add(even, total[(..., slice(1, None, 2), *rest)], dtype=kind)
    return np.asarray(total)


def _mean(block: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    block, count = _padded(block, factors), prod(factors)
    if block.dtype.kind == "f":
        return _sums(block, factors, block.dtype) / block.dtype.type(count)
    total = _sums(block, factors, np.uint16 if block.itemsize == 1 else np.uint32)
    return ((total + count // 2) // count).astype(block.dtype)


def _mode(block: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    """Return the most frequent value; of equally frequent ones the highest."""
    lowest, highest = int(block.min()), int(block.max())
    block, whole = _padded(block, factors), prod(factors)
    shape = [n // f for n, f in zip(block.shape, factors, strict=True)]
    mode = np.full(shape, lowest, block.dtype)
    if highest - lowest == 1:
        mode += 2 * _sums(block == highest, factors, np.uint8) >= whole
        return mode
    values = range(lowest, highest + 1)
    if len(values) > FEW_PHASES:
        values = np.unique(block).tolist()
    most = np.zeros(shape, np.uint8)
    for value in values if len(values) > 1 else ():
        count = _sums(block == value, factors, np.uint8)
        np.copyto(mode, value, where=count >= np.maximum(most, 1), casting="unsafe")
        np.maximum(most, count, out=most)
    return mode
