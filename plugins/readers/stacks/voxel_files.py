"""Files of contiguous voxels with room in front; a .npy file in a scratch folder can become one.

Large results are written slice by slice into .npy files of the step's scratch folder, in which the
voxels begin after a header of 128 bytes. Files of large volumes keep the same room in front of the
voxels, and all else behind them. A .npy file therefore becomes such a file without a copy: it is
renamed, its header is replaced, and the rest is appended. Arrays that map it stay valid.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fibcore.context import held_bytes
from fibcore.errors import sized
from fibcore.moves import move_out

START = 128
"""Offset of the first voxel: the length of the header of .npy files."""


@dataclass(frozen=True)
class Surroundings:
    """The bytes around the voxels of a file.

    Attributes:
        head: bytes in front; the rest up to `START` is zero.
        tail: bytes behind.
    """

    head: bytes
    tail: bytes


def is_large(nbytes: int) -> bool:
    """Return whether arrays of so many bytes are files, see `Context.empty`."""
    return held_bytes(nbytes) == 0


def write_voxels(path: Path, planes: Iterable[np.ndarray], around: Surroundings) -> None:
    """Write contiguous planes into a new file.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as file:
        file.write(around.head.ljust(START, b"\0"))
        for plane in planes:
            file.write(np.ascontiguousarray(plane).data)
        file.write(around.tail)


def scratch_file(data: np.ndarray, scratch: Path | None) -> Path | None:
    """Return the .npy file whose only content is an array, if it may be moved; else None.

    Args:
        data: the array; it may be a view of a memory-mapped file with another shape.
        scratch: folder of files that may be moved.
    """
    mapped = _mapped(data)
    if scratch is None or mapped is None or not data.flags.c_contiguous or mapped.offset != START:
        return None
    if os.name == "nt":  # a mapped file cannot be renamed there
        return None
    if mapped.mode not in ("r+", "w+") or not isinstance(mapped.filename, str | os.PathLike):
        return None
    path = scratch / Path(mapped.filename).name
    whole = np.frombuffer(mapped._mmap, np.uint8)  # type: ignore[attr-defined]
    begins = whole.__array_interface__["data"][0] + START
    if data.__array_interface__["data"][0] != begins or len(whole) != START + data.nbytes:
        return None
    try:
        own = path.samefile(mapped.filename) and not path.is_symlink()
        if not own or path.stat().st_size != len(whole) or not _is_mapped_by(whole, path):
            return None
    except OSError:  # it was moved before
        return None
    mapped.flush()
    return path


def _mapped(data: np.ndarray) -> np.memmap | None:
    """Return the memory-mapped array that an array is a view of; None if it is none."""
    array: object = data
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and array.filename is not None:
            return array
        array = array.base
    return None


def _is_mapped_by(whole: np.ndarray, path: Path) -> bool:
    """Return whether a file is the one that is mapped; its name may have been given to another.

    A blank of the header becomes a tab for a moment.
    """
    place, change = START - 2, ord(" ") ^ ord("\t")
    with path.open("rb", buffering=0) as file:
        file.seek(place)
        before = file.read(1)
        whole[place] ^= change
        file.seek(place)
        after = file.read(1)
        whole[place] ^= change
    return before == bytes([whole[place]]) and after == bytes([whole[place] ^ change])


def move(npy: Path, path: Path, around: Surroundings) -> None:
    """Turn a .npy file of `scratch_file` into a file of voxels; see `move_out`.

    Args:
        npy: the .npy file.
        path: its new name, on the same file system.
        around: what surrounds its voxels.

    Raises:
        OSError: it cannot be written; the .npy file is as before.
    """
    move_out(npy, path, around.head.ljust(START, b"\0"), around.tail)


def write_failure(path: Path, nbytes: int, error: OSError) -> str:
    """Return the message that a file could not be written, and what it needs."""
    message = f"{path} could not be written ({error.strerror or error}); it needs {sized(nbytes)}"
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return f"{message}. The folder {path.parent} must exist and be writable"
    return (
        f"{message}, and {sized(free)} are free in {path.parent}. Free some space or choose "
        f"another folder"
    )
