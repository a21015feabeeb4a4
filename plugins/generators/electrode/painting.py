"""Painting the particles of an electrode into a volume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.generators.electrode.particles import REACH, WARP, ElectrodeParticles
from fib_plugins.generators.radial_shapes import radius_towards
from fib_plugins.generators.slabs import Slab, in_threads, slabs_of
from fibcore.context import Context

WALL = 0.92
"""A hollow ends at this part of the radius."""
WIDEST = 0.1
"""Half of the width of a crack is at most this, in semi-axes: small particles are not shattered."""
TIP = 0.5
"""A crack reaches its full width this far from its tip, in semi-axes."""


@dataclass(frozen=True, eq=False)
class Painted:
    """What the particles are at each voxel.

    Attributes:
        scale: float32 (z, y, x): the factor by which the nearest particle had to be scaled for its
            surface to pass here; below 1 is inside, infinite is beyond `REACH`.
        gap_nm: float32: distances to the two nearest particles along the lines to their centres,
            added; those beyond reach count with the given width. 0 or less inside.
        empty: uint8: 1 in a crack or a hollow of that particle.
    """

    scale: np.ndarray
    gap_nm: np.ndarray
    empty: np.ndarray


def painted(
    particles: ElectrodeParticles,
    shape: tuple[int, int, int],
    voxel_size_nm: tuple[float, float, float],
    crack_nm: float,
    wide_nm: float,
    name: str,
    context: Context,
) -> Painted:
    """Return what the particles are at the centres of voxels.

    Args:
        particles: all that reach into the volume, images included.
        shape: voxels (z, y, x).
        voxel_size_nm: (z, y, x).
        crack_nm: width of cracks.
        wide_nm: largest distance to one particle.
        name: of the arrays.
        context: threads and progress.
    """
    result = Painted(
        np.asarray(context.empty(f"{name}_scale", shape, np.float32)),
        np.asarray(context.empty(f"{name}_gap", shape, np.float32)),
        np.asarray(context.empty(f"{name}_empty", shape, np.uint8)),
    )
    size, bodies = np.asarray(voxel_size_nm), particles.bodies
    first, last = bodies.voxels(shape, size, REACH)
    limits = (REACH * bodies.widest) ** 2

    def paint(slab: Slab) -> None:
        here = np.flatnonzero((first[:, 0] < slab[1]) & (last[:, 0] >= slab[0]))
        scale, gap = result.scale[slab[0] : slab[1]], result.gap_nm[slab[0] : slab[1]]
        empty = result.empty[slab[0] : slab[1]]
        scale[:], gap[:], empty[:] = np.inf, wide_nm, 0
        second = np.full(scale.shape, wide_nm, np.float32)
        _paint(
            *(scale, gap, second, empty, slab[0], here, bodies.centres, first, last, size),
            *(bodies.frames, bodies.shape_of, bodies.tables, limits),
            *(particles.hollow, particles.cracks, particles.crack_count, crack_nm),
        )
        gap += second

    slabs = slabs_of(shape)
    for _ in context.track(in_threads(paint, slabs, context), "painting particles", len(slabs)):
        pass
    return result


@compiled
def _paint(  # type: ignore[no-untyped-def]
    scale,
    nearest,
    second,
    empty,
    start,
    which,
    centres,
    first,
    last,
    size,
    frames,
    shape_of,
    tables,
    limits,
    hollow,
    cracks,
    crack_count,
    crack_nm,
):
    for i in which:
        a = frames[i]
        table = tables[shape_of[i]]
        inner = tables[int(hollow[i, 4])]
        for z in range(max(first[i, 0], start), min(last[i, 0] + 1, start + len(scale))):
            dz = (z + 0.5) * size[0] - centres[i, 0]
            for y in range(first[i, 1], last[i, 1] + 1):
                dy = (y + 0.5) * size[1] - centres[i, 1]
                u0 = a[0, 0] * dz + a[0, 1] * dy
                u1 = a[1, 0] * dz + a[1, 1] * dy
                u2 = a[2, 0] * dz + a[2, 1] * dy
                for x in range(first[i, 2], last[i, 2] + 1):
                    dx = (x + 0.5) * size[2] - centres[i, 2]
                    u, v, w = u0 + a[0, 2] * dx, u1 + a[1, 2] * dx, u2 + a[2, 2] * dx
                    squared = u * u + v * v + w * w
                    if squared >= limits[i]:
                        continue
                    here = np.sqrt(squared) / radius_towards(table, u, v, w)
                    if here >= REACH:
                        continue
                    k = z - start
                    if here > 1:
                        distance = np.sqrt(dz * dz + dy * dy + dx * dx) * (1 - 1 / here)
                    else:
                        distance = 0.0
                    if distance < nearest[k, y, x]:
                        second[k, y, x] = nearest[k, y, x]
                        nearest[k, y, x] = distance
                    elif distance < second[k, y, x]:
                        second[k, y, x] = distance
                    if here < scale[k, y, x]:
                        scale[k, y, x] = here
                        void = False
                        if hollow[i, 3] > 0 and here < WALL:
                            h, t, s = u - hollow[i, 0], v - hollow[i, 1], w - hollow[i, 2]
                            wide = hollow[i, 3] * radius_towards(inner, h, t, s)
                            void = h * h + t * t + s * s < wide * wide
                        for c in range(crack_count[i]):
                            void = void or _in_crack(cracks[i, c], u, v, w, crack_nm)
                        empty[k, y, x] = void


@compiled
def _in_crack(crack, u, v, w, width):  # type: ignore[no-untyped-def]
    """Return whether a point of the particle's frame is in a crack of this width in nm."""
    opened = (crack[3] * u + crack[4] * v + crack[5] * w - crack[10]) / TIP
    if opened <= 0:
        return False
    height = crack[0] * u + crack[1] * v + crack[2] * w - crack[9]
    half = min(0.5 * width * crack[15], WIDEST) * min(opened, 1.0)
    if abs(height) > half + 2 * WARP:
        return False
    along = crack[3] * u + crack[4] * v + crack[5] * w
    across = crack[6] * u + crack[7] * v + crack[8] * w
    wave = np.sin(crack[11] * along + crack[12]) + np.sin(crack[13] * across + crack[14])
    return abs(height - WARP * wave) < half
