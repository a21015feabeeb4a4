"""Two-point correlation and lineal path along x, y and z at common distances in nm."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np

from fibcore.errors import FibError
from fibcore.grid import AXES
from fibcore.roles import Curve, Role
from fibcore.volumes import Labels, VolumeSpec

if TYPE_CHECKING:
    from fib_plugins.structure_statistics.packed_bits import Phase

Statistic = Literal["s2", "lineal_path"]

PART_VOXELS = 2**32
"""Voxels of a part, at one bit each: half a gigabyte."""


def roles_along_axes(columns: Iterable[str], prefix: str = "") -> dict[str, Role]:
    """Return the roles of columns ``<quantity>_<axis>``.

    Args:
        columns: names of the columns.
        prefix: prefix of the columns of the truth: ``truth_``.
    """
    found: dict[str, Role] = {}
    for column in columns:
        quantity, _, axis = column.rpartition("_")
        owner = prefix.rstrip("_")
        found[prefix + column] = Curve(quantity, of=owner, along=axis, dashed=bool(prefix))
    return found


def common_distances(
    volume: Labels | VolumeSpec, max_distance_nm: float | None = None
) -> np.ndarray:
    """Return the distances in nm at which the three axes can be compared.

    These are steps of the largest voxel edge, from 0 up to `max_distance_nm`: along the axis with
    that edge the curves are exact there, along finer axes they are interpolated.

    Args:
        volume: gives shape and voxel size.
        max_distance_nm: default: half of the shortest side, at least one step.

    Raises:
        FibError: if the volume is too short for the distance, or the distance for one step.
    """
    sides_nm = [n * size for n, size in zip(volume.shape, volume.voxel_size_nm, strict=True)]
    spans_nm = [side - size for side, size in zip(sides_nm, volume.voxel_size_nm, strict=True)]
    step_nm = max(volume.voxel_size_nm)
    longest_nm = min(spans_nm) + 1e-9 * step_nm  # tolerance for rounding
    where = f"the volume has {volume.shape} voxels of {volume.voxel_size_nm} nm (z, y, x)"
    if longest_nm < step_nm:
        axis = AXES[int(np.argmin(spans_nm))]
        raise FibError(
            f"{where}; along {axis} it is too short for curves in steps of {step_nm:g} nm (the "
            f"largest voxel edge): use a volume with more voxels along {axis}"
        )
    if max_distance_nm is None:
        max_distance_nm = max(min(sides_nm) / 2, step_nm)
    elif not step_nm <= max_distance_nm <= longest_nm:
        raise FibError(
            f"{where}; max_distance_nm is {max_distance_nm:g}, but only from {step_nm:g} (the "
            f"largest voxel edge) to {min(spans_nm):g} nm fits along all axes: choose one in that "
            f"range"
        )
    return step_nm * np.arange(int(max_distance_nm / step_nm + 1e-9) + 1)


def curves_along_axes(
    labels: Labels,
    phase: Phase,
    distances_nm: np.ndarray,
    threads: int = 1,
    part_voxels: int = PART_VOXELS,
) -> dict[Statistic, dict[str, np.ndarray]]:
    """Return S2 and the lineal path of a phase along each axis, at the given distances.

    Args:
        labels: the structure.
        phase: ``solid`` or ``pore``.
        distances_nm: from `common_distances`.
        threads: number of CPU threads.
        part_voxels: voxels that are in work at a time, at one bit each; the result does not depend
            on it.

    Returns:
        ``s2`` and ``lineal_path`` -> axis (``x``, ``y``, ``z``) -> probabilities.
    """
    from fib_plugins.structure_statistics.lineal_path import SEGMENTS
    from fib_plugins.structure_statistics.packed_bits import pack_bits
    from fib_plugins.structure_statistics.two_point import PAIRS, Counters, count_in_slabs, pairs

    shape, sizes_nm = labels.shape, labels.voxel_size_nm
    lags = [
        min(int(np.ceil(distances_nm[-1] / size_nm - 1e-9)), n - 1)
        for n, size_nm in zip(shape, sizes_nm, strict=True)
    ]
    counters: dict[Statistic, Counters] = {"s2": PAIRS, "lineal_path": SEGMENTS}
    counted = {name: [np.zeros(lag + 1, np.int64) for lag in lags] for name in counters}
    fits = math.prod(shape) <= part_voxels
    whole = pack_bits(labels.data, phase, threads) if fits else None
    at_once = [range(0, n, max(1, n * part_voxels // math.prod(shape))) for n in shape[:2]]
    # Lines along x and y lie in slices, those along z in planes across y.
    for axes, across in (((2, 1), 0), ((0,), 1)):
        for first in at_once[across]:
            own = slice(first, first + at_once[across].step)
            part = labels.data[own] if across == 0 else labels.data[:, own]
            words = pack_bits(part, phase, threads) if whole is None else whole
            for axis in axes:
                for name, own_counters in counters.items():
                    found = count_in_slabs(own_counters, words, axis, lags[axis], threads)
                    counted[name][axis] += found

    def curve(statistic: Statistic, axis: int) -> np.ndarray:
        values = counted[statistic][axis] / pairs(shape, axis, lags[axis])
        return np.interp(distances_nm, sizes_nm[axis] * np.arange(lags[axis] + 1), values)

    return {
        statistic: {AXES[axis]: curve(statistic, axis) for axis in (2, 1, 0)}
        for statistic in counted
    }
