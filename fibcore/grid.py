"""The grid of a volume: axes, voxel size, and the parts that are cut from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

import numpy as np

from fibcore.errors import FibError

AXES = ("z", "y", "x")


def voxel_size_zyx(voxel_size_nm: float | Sequence[float]) -> tuple[float, float, float]:
    """Return a voxel size in nm as (z, y, x), from one number or three.

    Raises:
        FibError: it is neither one nor three numbers, or one is not positive and finite.
    """
    sizes = np.atleast_1d(np.asarray(voxel_size_nm, dtype=float))
    if sizes.ndim != 1 or sizes.size not in (1, 3) or not np.all(np.isfinite(sizes) & (sizes > 0)):
        raise FibError(
            f"voxel size {voxel_size_nm!r}: give one positive number in nm, or three as [z, y, x]"
        )
    z, y, x = np.broadcast_to(sizes, 3).tolist()
    return (z, y, x)


def box_of(
    shape: tuple[int, int, int], cut: Mapping[str, tuple[float, float]]
) -> tuple[slice, slice, slice]:
    """Return slices in voxels along (z, y, x) for a cut in fractions of the edge lengths."""
    slices = []
    for axis, n in zip(AXES, shape, strict=True):
        start, stop = cut.get(axis, (0.0, 1.0))
        if not 0.0 <= start < stop <= 1.0:
            raise FibError(
                f"cut {axis}: [{start}, {stop}] is not a range of fractions; "
                f"give two numbers with 0 <= start < stop <= 1"
            )
        low, high = round(start * n), round(stop * n)
        if low == high:
            raise FibError(f"cut {axis}: [{start}, {stop}] of {n} voxels leaves nothing")
        slices.append(slice(low, high))
    return (slices[0], slices[1], slices[2])


def slices_of(key: Any, axes: int) -> tuple[slice, ...] | None:
    """Return the slice along each axis of a NumPy index; None if it is not only slices.

    Args:
        key: the index in ``array[key]``.
        axes: number of axes of the array.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if not all(isinstance(part, (slice, EllipsisType)) for part in parts):
        return None
    at = parts.index(...) if ... in parts else len(parts)
    left, right = parts[:at], parts[at + 1 :]
    return (*left, *[slice(None)] * (axes - len(left) - len(right)), *right)
