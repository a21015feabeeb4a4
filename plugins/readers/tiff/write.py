"""Writes volumes as TIFF that Fiji opens with the right voxel size in nm."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from fib_plugins.readers.stacks import metadata
from fibcore.errors import FibError, sized
from fibcore.volumes import Images, Labels

IMAGEJ_MAX_BYTES = 4_000_000_000
"""Size above which a volume is written as OME BigTIFF: classic TIFF has 32-bit offsets."""

_LARGEST = 2**31 - 1  # ImageJ reads the parts of a rational as signed 32-bit numbers


def write_volume(volume: Labels | Images, path: Path) -> None:
    """Write a volume as TIFF; the same volume always gives the same bytes.

    The file is an ImageJ hyperstack up to 4 GB, and an OME BigTIFF above. Both contain the planes
    contiguous and uncompressed in the order (z, channel, y, x), so that the file can be
    memory-mapped, with the voxel size in nm, the channel names, and fib's own metadata, from which
    `read_volume` restores the volume exactly. A memory-mapped volume is written slice by slice.

    Args:
        volume: the volume.
        path: the file; an existing file is replaced.

    Raises:
        FibError: it cannot be written, e.g. because the disk is full; no file is left at `path`.
    """
    data = volume.data if isinstance(volume, Images) else volume.data[np.newaxis]
    stored = data.dtype.newbyteorder("<")
    channels, slices, rows, columns = data.shape
    big = data.nbytes > IMAGEJ_MAX_BYTES
    samples = () if big else (1,)  # explicit, or tifffile takes an x axis of one voxel for it
    describe = _ome_metadata if big else _imagej_metadata
    try:
        with tifffile.TiffWriter(path, bigtiff=big, imagej=not big, ome=big, byteorder="<") as tif:
            tif.write(
                _slices(data, stored, samples),
                shape=(slices, channels, rows, columns, *samples),
                dtype=stored,
                photometric="minisblack",
                resolution=_resolution(volume.voxel_size_nm),
                resolutionunit="none",
                software=False,
                metadata=describe(volume, data),
            )
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise FibError(_failure(path, data.nbytes, error)) from error


def _slices(data: np.ndarray, stored: np.dtype, samples: tuple[int, ...]) -> Iterator[np.ndarray]:
    for z in range(data.shape[1]):
        part = np.ascontiguousarray(data[:, z], dtype=stored)
        yield part.reshape(*part.shape, *samples)


def _imagej_metadata(volume: Labels | Images, data: np.ndarray) -> dict[str, Any]:
    low, high = _display_range(volume, data)
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


def _display_range(volume: Labels | Images, data: np.ndarray) -> tuple[float, float]:
    """Return the grey values that Fiji shows as black and white.

    Labels: 0 and the highest phase. 8-bit images: all values. Others: the quantiles 0.001 and
    0.999 of a sample of about a million voxels from at most 8 slices.
    """
    if isinstance(volume, Labels):
        return 0.0, float(max([1, *volume.phases]))
    if data.dtype == np.uint8:
        return 0.0, 255.0
    _, slices, rows, columns = data.shape
    step = max(1, round((rows * columns * len(data) / 125_000) ** 0.5))
    sample = data[:, :: max(1, -(-slices // 8)), ::step, ::step]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = (float(q) for q in np.quantile(sample, (0.001, 0.999)))
    return (low, high) if high > low else (low, low + 1.0)


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


def _failure(path: Path, nbytes: int, error: OSError) -> str:
    message = f"{path} could not be written ({error.strerror or error}); it needs {sized(nbytes)}"
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError:
        return f"{message}. The folder {path.parent} must exist and be writable"
    return (
        f"{message}, and {sized(free)} are free in {path.parent}. Free some space or choose "
        f"another folder"
    )
