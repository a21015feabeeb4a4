"""From packed particles to the phases of an electrode."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fib_plugins.generators.electrode.binder import Binder
from fib_plugins.generators.electrode.painting import Painted, painted
from fib_plugins.generators.electrode.particles import REACH, ElectrodeParticles
from fib_plugins.generators.level import keep_below, keep_smallest
from fib_plugins.generators.slabs import Slab, in_threads, slabs_of
from fibcore.context import Context
from fibcore.errors import FibError

COARSE = 48
"""Points along an edge of the packing at which its solid share is measured."""
NOTABLE_SCALE = 0.05
"""Warn where an exact share scales particles by more than this."""


@dataclass(frozen=True)
class Structure:
    """What the phases depend on besides the particles.

    Attributes:
        shape: voxels (z, y, x).
        voxel_size_nm: (z, y, x).
        solid_fraction: share of active material.
        exact: whether it is that of the volume, or of the whole packing.
        crack_nm: width of cracks.
        wide_nm: distance at which the pull of a particle on the binder ends.
    """

    shape: tuple[int, int, int]
    voxel_size_nm: tuple[float, float, float]
    solid_fraction: float
    exact: bool
    crack_nm: float
    wide_nm: float

    def painted(
        self, packing: ElectrodeParticles, region_nm: np.ndarray, context: Context
    ) -> Painted:
        """Return what the particles of a periodic packing are at each voxel."""
        here = packing.in_box(np.multiply(self.shape, self.voxel_size_nm), region_nm)
        widths = self.crack_nm, self.wide_nm
        return painted(here, self.shape, self.voxel_size_nm, *widths, "particles", context)

    def activate(
        self,
        here: Painted,
        labels: np.ndarray,
        packing: ElectrodeParticles,
        region_nm: np.ndarray,
        context: Context,
    ) -> float:
        """Write 1 where active material is, 0 elsewhere; return the scale of the particles.

        Raises:
            FibError: no scale within `REACH` meets the solid fraction.
        """

        def scale(slab: Slab) -> np.ndarray:
            return here.scale[slab[0] : slab[1]]

        candidates = 0
        for z in range(len(labels)):
            labels[z] = here.empty[z] == 0
            candidates += int(np.count_nonzero(labels[z]))
        expected = self._expected_scale(packing, region_nm, context)
        if not self.exact:
            keep_below(scale, labels, expected, context)
            return expected
        share = self.solid_fraction * labels.size / max(candidates, 1)
        level = keep_smallest(scale, labels, share, context) if share <= 1 else math.inf
        if not math.isfinite(level):
            raise FibError(
                f"the particles in this volume miss the solid fraction {self.solid_fraction:g} "
                f"even if they are scaled by {REACH:g}: too few for it. Use a larger `shape`, "
                f"smaller particles, or `fraction`: expected"
            )
        if abs(level / expected - 1) > NOTABLE_SCALE:
            context.log.warning(
                f"the particles in this volume were scaled by {level / expected:.3f} to meet the "
                f"solid fraction; a larger shape needs less, `fraction`: expected none"
            )
        return level

    def _expected_scale(
        self, packing: ElectrodeParticles, region_nm: np.ndarray, context: Context
    ) -> float:
        """Return the scale of the particles at which the whole packing has the solid fraction."""
        everywhere = packing.in_box(region_nm, region_nm)
        shape = (COARSE, COARSE, COARSE)
        z, y, x = (region_nm / COARSE).tolist()
        widths = self.crack_nm, self.wide_nm
        whole = painted(everywhere, shape, (z, y, x), *widths, "coarse", context)
        values = np.sort(whole.scale[whole.empty == 0])
        wanted = round(self.solid_fraction * whole.scale.size)
        level = float(values[wanted]) if wanted < len(values) else math.inf
        if not math.isfinite(level):
            raise FibError(
                f"particles with cracks and hollows do not reach the solid fraction "
                f"{self.solid_fraction:g}; use a smaller one, or a smaller hollow_fraction"
            )
        return level

    def bind(
        self,
        here: Painted,
        level: float,
        labels: np.ndarray,
        binder: Binder,
        binder_fraction: float,
        context: Context,
    ) -> None:
        """Write 2 where the binder is.

        Args:
            here: the particles.
            level: their scale.
            labels: with active material.
            binder: where binder may be.
            binder_fraction: share of the volume; if not `exact`, its share of what a whole packing
                leaves is met in what the particles of this volume leave.
            context: threads, progress, warnings.
        """
        bound = context.empty("binder", self.shape, np.uint8)

        def choose(slab: Slab) -> tuple[int, int]:
            part = slice(*slab)
            bound[part] = (here.scale[part] > level) & binder.solid(slab)
            return int(np.count_nonzero(bound[part])), int(np.count_nonzero(labels[part]))

        counts = np.array(list(in_threads(choose, slabs_of(self.shape), context))).sum(axis=0)
        candidates, active = counts.tolist()
        wanted = binder_fraction * labels.size
        if not self.exact:
            wanted *= (1 - active / labels.size) / (1 - self.solid_fraction)
        if wanted > candidates:
            context.log.warning(
                f"the binder fills all pores between particles, {candidates / labels.size:.3g} of "
                f"the volume, less than the {wanted / labels.size:.3g} asked for; use a smaller "
                f"binder_porosity or hollow_fraction"
            )
        if candidates:
            keep_smallest(binder.order, bound, min(wanted / candidates, 1.0), context)
        for z in range(len(labels)):
            labels[z][bound[z] > 0] = 2
