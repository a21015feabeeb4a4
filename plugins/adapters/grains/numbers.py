"""The grain at each voxel of a stack: Voronoi cells within phases, or given numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fibcore import Context, FibError, Images, Labels, VolumeSpec

if TYPE_CHECKING:
    from fib_plugins.cells.nearest import NearestSeed

MOST_GRAINS = 2_000_000
MARGIN = 2.0
"""Width of the region around the volume that has grains, too, in grain diameters."""


class GrainNumbers(Protocol):
    """Numbers of grains, from 1.

    Attributes:
        count: the highest number.
    """

    count: int

    def plane(self, z: int) -> np.ndarray:
        """Return the number of the grain at each pixel of a slice, int32 (y, x); 0: none."""


class VoronoiGrains:
    """Voronoi cells of random points within each phase; numbers phase after phase.

    Args:
        diameters_nm: phase -> diameter of the sphere of a grain's mean volume.
        labels: the structure.
        periodic: whether grains repeat with the volume.
        context: seed of the points.
    """

    def __init__(
        self, diameters_nm: Mapping[int, float], labels: Labels, periodic: bool, context: Context
    ) -> None:
        from fib_plugins.cells.nearest import NearestSeed

        self._labels = labels
        self._of_phase: list[tuple[int, int, NearestSeed]] = []
        self.count = 0
        extent = np.asarray(labels.extent_nm)
        for phase, count in voronoi_counts(diameters_nm, labels.spec, periodic).items():
            region = _region_nm(extent, diameters_nm[phase], periodic)
            seeds = context.rng_for("grains", phase).random((count, 3)) * region
            seeds += (extent - region) / 2
            nearest = NearestSeed(seeds, labels.voxel_size_nm, extent if periodic else None)
            self._of_phase.append((phase, self.count + 1, nearest))
            self.count += count

    def plane(self, z: int) -> np.ndarray:
        """Return the number of the grain at each pixel of a slice, int32 (y, x); 0: none."""
        phases = np.asarray(self._labels.data[z])
        found = np.zeros(phases.shape, np.int32)
        for phase, first, nearest in self._of_phase:
            here = phases == phase
            if here.any():
                found[here] = nearest.plane(z, here)[here] + first
        return found


def voronoi_counts(
    diameters_nm: Mapping[int, float], labels: VolumeSpec, periodic: bool
) -> dict[int, int]:
    """Return the number of grains of each phase, those around the volume included.

    Raises:
        FibError: there would be too many.
    """
    extent = np.multiply(labels.shape, labels.voxel_size_nm)
    counts = {}
    for phase, diameter in diameters_nm.items():
        region = float(_region_nm(extent, diameter, periodic).prod())
        counts[phase] = max(1, round(region / (math.pi / 6 * diameter**3)))
    if sum(counts.values()) > MOST_GRAINS:
        raise FibError(
            f"the volume would have {sum(counts.values()):.2g} grains, at most {MOST_GRAINS} "
            f"are possible. Is grain_diameter_nm in nm? Use larger ones"
        )
    return counts


def _region_nm(extent_nm: np.ndarray, diameter_nm: float, periodic: bool) -> np.ndarray:
    """Return the edges of the region with grains; the volume is in its middle."""
    return extent_nm if periodic else extent_nm + 2 * MARGIN * diameter_nm


class GivenGrains:
    """Grains of a volume of numbers: whole numbers from 0 (no grain) on, in one channel.

    Raises:
        FibError: other values, or too high numbers.
    """

    def __init__(self, numbers: Images) -> None:
        self._data = numbers.data[0]
        lowest = highest = 0.0
        for plane in self._data:
            lowest, highest = min(lowest, float(plane.min())), max(highest, float(plane.max()))
            if plane.dtype.kind == "f" and not (plane == np.rint(plane)).all():
                lowest = -1.0
        if lowest < 0 or highest > MOST_GRAINS:
            raise FibError(
                f"grain_numbers are not whole numbers from 0 to {MOST_GRAINS}; give the number of "
                f"the grain at each voxel, 0 where there is none"
            )
        self.count = int(highest)

    def plane(self, z: int) -> np.ndarray:
        """Return the number of the grain at each pixel of a slice, int32 (y, x); 0: none."""
        return np.asarray(self._data[z]).astype(np.int32)
