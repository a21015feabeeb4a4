"""Writes volumes as OME-Zarr, whose full level can be memory-mapped."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from fib_plugins.readers.stacks.voxel_files import (
    START,
    Surroundings,
    is_large,
    move,
    scratch_file,
    write_failure,
    write_voxels,
)
from fib_plugins.readers.zarr.attributes import array_metadata, group_metadata
from fib_plugins.readers.zarr.levels import levels_of, write_levels
from fib_plugins.readers.zarr.nodes import read_node
from fibcore.errors import FibError
from fibcore.volumes import Images, Labels


def write_volume(volume: Labels | Images, path: Path, scratch: Path | None = None) -> None:
    """Write a volume as OME-Zarr; the same volume always gives the same bytes.

    Level 0 is one shard: all planes in C order, uncompressed, after `START` bytes, then the index.
    A .npy file with the voxels can therefore become the shard.

    Args:
        volume: the volume.
        path: the folder; an existing OME-Zarr is replaced.
        scratch: folder of .npy files that may be moved; `path` is beside it.

    Raises:
        FibError: it cannot be written, e.g. because the disk is full, or `path` is something else.
    """
    data = volume.data
    if not data.dtype.isnative or data.dtype.byteorder == ">":
        data = data.astype(data.dtype.newbyteorder("<"))
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        _check_replaceable(path)
        npy = scratch_file(data, scratch) if is_large(data.nbytes) else None
        beside.mkdir()
        shard = _write(volume, data, beside, voxels=npy is None)
        _put(beside, path)
        if npy is not None:
            move(npy, path / shard, _surroundings(data))
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise FibError(write_failure(path, data.nbytes, error)) from error


def _write(volume: Labels | Images, data: np.ndarray, folder: Path, *, voxels: bool) -> str:
    """Write all files, the shard only if it has to be; return its path from the folder."""
    axes = "czyx" if isinstance(volume, Images) else "zyx"
    levels = levels_of(volume.shape, volume.voxel_size_nm)
    shard = "/".join(["0", "c", *("0" for _ in axes)])
    (folder / shard).parent.mkdir(parents=True)
    channels = data if data.ndim == 4 else data[np.newaxis]
    _write_json(folder / "zarr.json", group_metadata(volume, channels, levels))
    _write_json(folder / "0" / "zarr.json", array_metadata(data, axes))
    write_levels(folder, data, levels, axes)
    if voxels:
        write_voxels(folder / shard, _planes(data), _surroundings(data))
    return shard


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _planes(data: np.ndarray) -> Iterator[np.ndarray]:
    for place in np.ndindex(data.shape[:-2]):
        yield data[place]


def _surroundings(data: np.ndarray) -> Surroundings:
    """Return the index of the shard, behind the planes: offset and size of each, CRC-32C."""
    import google_crc32c

    plane = prod(data.shape[-2:]) * data.dtype.itemsize
    index = np.empty((data.nbytes // plane, 2), "<u8")
    index[:, 0] = START + plane * np.arange(len(index), dtype=np.uint64)
    index[:, 1] = plane
    content = index.tobytes()
    return Surroundings(b"", content + google_crc32c.value(content).to_bytes(4, "little"))


def _check_replaceable(path: Path) -> None:
    """Reject a file, a link, or a folder with something else than an OME-Zarr."""
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise FibError(f"{path} is not a folder; remove it, or choose another name")
    if path.is_dir() and any(path.iterdir()):
        try:
            read_node(path, path)
        except FibError:
            raise FibError(
                f"{path} is a folder with other files, which are not replaced by a volume; choose "
                f"another name"
            ) from None


def _put(beside: Path, path: Path) -> None:
    """Give a new folder its name; the folder that had it before is deleted."""
    before = None
    if path.is_dir():
        before = path.with_name(f".{secrets.token_hex(8)}.part")
        path.rename(before)
    beside.rename(path)
    if before is not None:
        with suppress(OSError):
            shutil.rmtree(before)
