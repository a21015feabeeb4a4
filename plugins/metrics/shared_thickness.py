"""Local thickness of both phases of a volume, in tiles that the workers of a cluster share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np

from fib_plugins.structure_statistics.packed_bits import Phase
from fib_plugins.structure_statistics.thickness import (
    Tally,
    Thickness,
    mean_of,
    mean_thickness,
    tally,
)
from fib_plugins.structure_statistics.tiles import (
    SHARED_ABOVE_VOXELS,
    SHARED_TILES,
    TILE_VOXELS,
    Box,
    tiles,
)
from fibcore import Context

PhaseAndTile = tuple[Phase, Box]


class ThicknessOfTiles:
    """Measures tile after tile; it can be pickled, for the workers of a cluster.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        voxel_size_nm: (z, y, x).
        bin_nm: width of the bins of the distribution.
        threads: number of CPU threads; the result does not depend on it.
    """

    def __init__(
        self,
        labels: np.ndarray,
        voxel_size_nm: tuple[float, float, float],
        bin_nm: float,
        threads: int,
    ) -> None:
        self._voxel_size_nm, self._bin_nm = voxel_size_nm, bin_nm
        self._phases: dict[Phase, Thickness] = {
            phase: Thickness(labels, voxel_size_nm, phase, threads) for phase in get_args(Phase)
        }

    def __call__(self, place: PhaseAndTile) -> Tally:
        """Return the tally of a tile of a phase.

        Raises:
            FibError: if the volume has only this phase.
        """
        phase, tile = place
        return tally(self._phases[phase].parts(tile), self._voxel_size_nm, self._bin_nm)


def mean_thicknesses(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    bin_nm: float,
    context: Context,
) -> Iterator[tuple[Phase, float, np.ndarray]]:
    """Yield each phase, its mean local thickness in 3-D in nm, and its distribution.

    If the context has other workers, they share large volumes; values do not depend on it.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid; both phases occur. May be
            memory-mapped.
        voxel_size_nm: (z, y, x).
        bin_nm: width of the bins of the distribution, see `mean_thickness`.
        context: surroundings of the step.
    """
    phases: tuple[Phase, ...] = get_args(Phase)
    if not context.spreads or labels.size <= SHARED_ABOVE_VOXELS:
        for phase in phases:
            yield phase, *mean_thickness(labels, voxel_size_nm, phase, bin_nm, context.threads)
        return
    work = ThicknessOfTiles(labels, voxel_size_nm, bin_nm, context.threads)
    places = [(phase, tile) for phase in phases for tile in shared_tiles(labels.shape)]
    found: dict[Phase, list[Tally]] = {phase: [] for phase in phases}
    for (phase, _), part in context.spread(work, places):
        found[phase].append(part)
    for phase, parts in found.items():
        yield phase, *mean_of(parts, voxel_size_nm)


def shared_tiles(shape: tuple[int, ...]) -> list[Box]:
    """Return the tiles of a volume of this shape (z, y, x) that workers share."""
    voxels = int(np.prod(shape, dtype=np.int64))
    return tiles(shape, min(TILE_VOXELS, -(-voxels // SHARED_TILES)))
