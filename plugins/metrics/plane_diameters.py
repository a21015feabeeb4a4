"""Mean diameters of a phase in the planes of a volume: local thickness in 2-D.

See `fib_plugins.structure_statistics.thickness` for its definition and its error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np

from fib_plugins.metrics.planes import blocks_of_planes, planes_between
from fib_plugins.structure_statistics.distance_transform import (
    squared_distances_in_slice,
    squared_weights,
)
from fib_plugins.structure_statistics.inscribed_balls import needed_balls, paint
from fib_plugins.structure_statistics.packed_bits import Phase
from fib_plugins.structure_statistics.tiles import SHARED_ABOVE_VOXELS
from fib_plugins.threads import in_threads
from fibcore import Context
from fibcore.errors import FibError

Plane = Literal["xy", "xz", "yz"]

NORMAL: dict[Plane, int] = {"xy": 0, "xz": 1, "yz": 2}
"""Plane -> the axis of (z, y, x) across it."""

SHARED_PLANES = 64
"""Number of planes that a worker measures at a time."""

Sums = tuple[float, int]
"""Sum of the covering radii of a plane in smallest pixel edges, and the number of its pixels."""
Part = tuple[Plane, range]
"""Planes of one direction, and their numbers."""


class DiscsInPlanes:
    """Measures the inscribed discs in planes; it can be pickled, for the workers of a cluster.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        threads: number of CPU threads; the result does not depend on it.
    """

    def __init__(
        self,
        labels: np.ndarray,
        voxel_size_nm: tuple[float, float, float],
        phase: Phase,
        threads: int = 1,
    ) -> None:
        self._labels, self._voxel_size_nm = labels, voxel_size_nm
        self._phase, self._threads = phase, threads

    def __call__(self, part: Part) -> list[Sums]:
        """Return the sums of some planes, in their order."""
        plane, numbers = part
        plane_at = planes_between(self._labels, NORMAL[plane], numbers)
        weights = self._weights(plane)
        return in_threads(
            lambda number: _sums(plane_at(number), weights, self._phase), numbers, self._threads
        )

    def parts(self, plane: Plane, most: int | None = None) -> list[Part]:
        """Return the planes of one direction in parts.

        Args:
            plane: ``xy``, ``xz`` or ``yz``.
            most: number of planes in a part. Default: as many as are read at a time.
        """
        normal = NORMAL[plane]
        if most is None:
            return [(plane, numbers) for numbers in blocks_of_planes(self._labels.shape, normal)]
        count = self._labels.shape[normal]
        return [(plane, range(n, min(n + most, count))) for n in range(0, count, most)]

    def mean_nm(self, plane: Plane, sums: Iterable[Sums]) -> float:
        """Return the mean diameter in nm from the sums of all planes, in the order of the planes.

        Raises:
            FibError: if no slice has both phases.
        """
        total, count = 0.0, 0
        for radii, pixels in sums:
            total += radii
            count += pixels
        if count == 0:
            raise FibError(
                f"no {plane} slice has both phases, so none has a {self._phase} diameter; check "
                f"the labels, or use a larger volume"
            )
        return 2.0 * min(self._pixel(plane)) * total / count

    def _pixel(self, plane: Plane) -> tuple[float, ...]:
        normal = NORMAL[plane]
        return tuple(size for axis, size in enumerate(self._voxel_size_nm) if axis != normal)

    def _weights(self, plane: Plane) -> np.ndarray:
        return np.array([1.0, *squared_weights(self._pixel(plane))])


def mean_diameter_in_planes(
    labels: np.ndarray,
    plane: Plane,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase = "solid",
    threads: int = 1,
) -> float:
    """Return the mean local thickness of a phase in all slices along one plane, in nm.

    D_ij of equation 8 of Sardhara et al. (2025): the largest inscribed disc in every slice of that
    plane, averaged over the pixels of the phase. Discs are round in nm for pixels of any shape. A
    slice without any pixel of the other phase bounds no disc and is left out.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        plane: ``xy``, ``xz`` or ``yz``.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        threads: number of CPU threads; the result does not depend on it.

    Raises:
        FibError: if no slice has both phases.
    """
    discs = DiscsInPlanes(labels, voxel_size_nm, phase, threads)
    return discs.mean_nm(plane, (sums for part in discs.parts(plane) for sums in discs(part)))


def mean_diameters(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase,
    threads: int,
    context: Context,
) -> Iterator[tuple[Plane, float]]:
    """Yield each plane (``xy``, ``xz``, ``yz``) and its mean diameter in nm.

    The arguments are those of `mean_diameter_in_planes`. If the context has other workers, they
    share the planes of large volumes; values do not depend on it.

    Raises:
        FibError: if no slice has both phases.
    """
    discs = DiscsInPlanes(labels, voxel_size_nm, phase, threads)
    if not context.spreads or labels.size <= SHARED_ABOVE_VOXELS:
        for plane in NORMAL:
            yield plane, mean_diameter_in_planes(labels, plane, voxel_size_nm, phase, threads)
        return
    parts = {plane: discs.parts(plane, SHARED_PLANES) for plane in NORMAL}
    found = dict(context.spread(discs, [part for some in parts.values() for part in some]))
    for plane, some in parts.items():
        yield plane, discs.mean_nm(plane, (sums for part in some for sums in found[part]))


def _sums(plane: np.ndarray, weights: np.ndarray, phase: Phase) -> Sums:
    """Return the sum of the covering radii of one slice, and the number of pixels with one."""
    distances = squared_distances_in_slice(plane, weights, phase)
    pixels = int(np.count_nonzero(distances))
    if pixels in (0, distances.size):
        return 0.0, 0
    volume = distances[np.newaxis]
    radii = np.empty_like(volume)
    paint(volume, *needed_balls(volume, weights), 0, weights, radii)
    return float(radii.sum(dtype=np.float64)), pixels
