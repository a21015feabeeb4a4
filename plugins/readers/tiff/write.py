"""Writes volumes as TIFF that Fiji opens with the right voxel size in nm."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from fib_plugins.readers.stacks import metadata
from fib_plugins.readers.stacks.display import display_range
from fib_plugins.readers.stacks.voxel_files import (
    is_large,
    move,
    scratch_file,
    write_failure,
    write_voxels,
)
from fib_plugins.readers.tiff.large import surroundings
from fibcore.errors import FibError
from fibcore.volumes import Images, Labels

IMAGEJ_MAX_BYTES = 4_000_000_000
"""Size above which a volume is written as OME BigTIFF: classic TIFF has 32-bit offsets."""

_LARGEST = 2**31 - 1  # ImageJ reads the parts of a rational as signed 32-bit numbers


def write_volume(volume: Labels | Images, path: Path, scratch: Path | None = None) -> None:
    """Write a volume as TIFF; the same volume always gives the same bytes.

    The file is an ImageJ hyperstack up to 4 GB, and an OME BigTIFF above. Both contain the planes
    contiguous and uncompressed in the order (z, channel, y, x), so that the file can be
    memory-mapped, with the voxel size in nm, the channel names, and fib's own metadata, from which
    `read_volume` restores the volume exactly. A memory-mapped volume is written slice by slice.

    A large hyperstack of one channel has its directory behind the voxels, so that a .npy file with
    the voxels can become the TIFF.

    Args:
        volume: the volume.
        path: the file; an existing file is replaced.
        scratch: folder of .npy files that may be moved; `path` is beside it.

    Raises:
        FibError: it cannot be written, e.g. because the disk is full; no file is left at `path`.
    """
    data = volume.data if isinstance(volume, Images) else volume.data[np.newaxis]
    stored = data.dtype.newbyteorder("<")
    try:
        if data.nbytes > IMAGEJ_MAX_BYTES or len(data) > 1 or not is_large(data.nbytes):
            _write(volume, data, path, _slices(data, stored))
            return
        beside = path.with_name(f".{secrets.token_hex(8)}.part")
        around = surroundings(data.nbytes, lambda empty: _write(volume, data, empty, None), beside)
        npy = scratch_file(data, scratch) if data.dtype == stored else None
        if npy is not None:
            move(npy, path, around)
        else:
            write_voxels(path, _slices(data, stored), around)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise FibError(write_failure(path, data.nbytes, error)) from error


def _write(
    volume: Labels | Images, data: np.ndarray, path: Path, planes: Iterator[np.ndarray] | None
) -> None:
    """Write a file; without planes, a hole takes their place."""
    channels, slices, rows, columns = data.shape
    big = data.nbytes > IMAGEJ_MAX_BYTES
    samples = () if big else (1,)  # explicit, or tifffile takes an x axis of one voxel for it
    describe = _ome_metadata if big else _imagej_metadata
    parts = planes and (part.reshape(*part.shape, *samples) for part in planes)
    with tifffile.TiffWriter(path, bigtiff=big, imagej=not big, ome=big, byteorder="<") as tif:
        tif.write(
            parts,
            shape=(slices, channels, rows, columns, *samples),
            dtype=data.dtype.newbyteorder("<"),
            photometric="minisblack",
            resolution=_resolution(volume.voxel_size_nm),
            resolutionunit="none",
            software=False,
            metadata=describe(volume, data),
        )


def _slices(data: np.ndarray, stored: np.dtype) -> Iterator[np.ndarray]:
    for z in range(data.shape[1]):
        yield np.ascontiguousarray(data[:, z], dtype=stored)


def _imagej_metadata(volume: Labels | Images, data: np.ndarray) -> dict[str, Any]:
    low, high = display_range(volume, data)
    content: dict[str, Any] = {
        "axes": "ZCYXS",
        "ImageJ": "1.54f",  # version of the format, not of the program
        "unit": "nm",
        "spacing": volume.voxel_size_nm[0],
        "min": low,
        "max": high,
        "Info": metadata.to_text(volume),
    }
    if isinstance(volume, Images):
        content["Labels"] = list(volume.names) * volume.shape[0]
        content["Ranges"] = (low, high) * len(volume.names)
    return content


def _ome_metadata(volume: Labels | Images, data: np.ndarray) -> dict[str, Any]:
    z, y, x = volume.voxel_size_nm
    text = metadata.to_text(volume)
    names = volume.names if isinstance(volume, Images) else ("phase",)
    return {
        "axes": "ZCYX",
        "Creator": "fib",
        "UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{data.shape} {data.dtype} {text}")),
        "PhysicalSizeZ": z,
        "PhysicalSizeZUnit": "nm",
        "PhysicalSizeY": y,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeX": x,
        "PhysicalSizeXUnit": "nm",
        "Channel": {"Name": list(names)},
        "MapAnnotation": {"fib": text},
    }


def _resolution(
    voxel_size_nm: tuple[float, float, float],
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return pixels per nm in (x, y) as numerator and denominator."""
    parts = []
    for size in (voxel_size_nm[2], voxel_size_nm[1]):
        per_nm = Fraction(1.0 / size)
        nearest = per_nm.limit_denominator(max(1, int(_LARGEST / max(1.0, 1.0 / size))))
        parts.append((nearest.numerator, nearest.denominator))
    return parts[0], parts[1]
