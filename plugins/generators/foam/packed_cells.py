"""Laguerre cells around packed spheres."""

from __future__ import annotations

import numpy as np

from fib_plugins.cells.power_diagram import PowerDiagram
from fib_plugins.cells.prescribed_volumes import with_volumes
from fib_plugins.generators.ellipsoids import Ellipsoids
from fib_plugins.generators.packing import packed
from fib_plugins.generators.particle_sizes import ParticleSizes
from fibcore.context import Context

PACKED = 0.5
"""Solid fraction at which spheres are packed, whose centres are then seeds of cells."""


def packed_cells(
    count: int,
    sizes: ParticleSizes,
    period_nm: np.ndarray,
    rng: np.random.Generator,
    context: Context,
) -> PowerDiagram:
    """Return Laguerre cells around packed spheres, with volumes in proportion to theirs.

    Args:
        count: number of cells.
        sizes: distribution of their diameters, up to a factor.
        period_nm: edges (3,) of the periodic box.
        rng: random generator of sizes and places.
        context: progress and log.

    Raises:
        FibError: no packing was found.
    """
    axes, rotations = sizes.draw(count, rng)
    bodies = Ellipsoids.of(np.zeros((count, 3)), axes, rotations)
    volume = float(period_nm.prod())
    factor = (PACKED * volume / bodies.volume_nm3) ** (1 / 3)
    spheres = packed(bodies.scaled(factor), period_nm, rng, context)
    radii = axes[:, 0] * factor
    volumes = radii**3 * (volume / float(np.sum(radii**3)))
    return with_volumes(spheres.centres, period_nm, volumes, radii, context)
