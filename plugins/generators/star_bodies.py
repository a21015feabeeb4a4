"""Bodies of any shape that has one radius in each direction, and painting them into a volume.

Coordinates are in nm along (z, y, x), from the corner of the box. In its own frame u a body has
semi-axes of length 1; its surface is where |u| is the radius of its shape in that direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.generators.ellipsoids import Ellipsoids
from fib_plugins.generators.radial_shapes import radius_towards
from fib_plugins.generators.slabs import Slab, in_threads, slabs_of
from fibcore.context import Context

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class StarBodies:
    """Bodies in space.

    Attributes:
        ellipsoids: centres, and the ellipsoid of equal volume and axes of each.
        frames: (count, 3, 3), 1/nm: u = frame (r - centre).
        shape_of: (count,), the table of each.
        tables: (shapes, edge, edge), radii relative to the ellipsoid; see `radial_shapes`.
    """

    ellipsoids: Ellipsoids
    frames: np.ndarray
    shape_of: np.ndarray
    tables: np.ndarray

    @classmethod
    def of(
        cls, semi_axes: np.ndarray, rotations: np.ndarray, tables: np.ndarray, shape_of: np.ndarray
    ) -> StarBodies:
        """Return bodies about the origin from semi-axes in nm and rotation matrices."""
        ellipsoids = Ellipsoids.of(np.zeros((len(semi_axes), 3)), semi_axes, rotations)
        frames = np.swapaxes(rotations, 1, 2) / semi_axes[:, :, None]
        return cls(ellipsoids, frames, shape_of, tables)

    def __len__(self) -> int:
        return len(self.shape_of)

    @property
    def centres(self) -> np.ndarray:
        """Centres, (count, 3)."""
        return self.ellipsoids.centres

    @property
    def widest(self) -> np.ndarray:
        """Largest radius of the shape of each, relative to the ellipsoid, (count,)."""
        return np.asarray(self.tables.max(axis=(1, 2)).astype(float)[self.shape_of])

    @property
    def half_widths(self) -> np.ndarray:
        """Half of the width along the axes, or more, (count, 3), nm."""
        diagonal = np.diagonal(self.ellipsoids.spreads, axis1=1, axis2=2)
        return np.asarray(np.sqrt(diagonal) * self.widest[:, None])

    def at(self, centres: np.ndarray) -> StarBodies:
        """Return the same bodies elsewhere."""
        return replace(self, ellipsoids=Ellipsoids(centres, self.ellipsoids.spreads))

    def scaled(self, factor: float) -> StarBodies:
        """Return the same bodies, larger by a factor."""
        return replace(self, ellipsoids=self.ellipsoids.scaled(factor), frames=self.frames / factor)

    def taken(self, which: np.ndarray, centres: np.ndarray) -> StarBodies:
        """Return some of the bodies, elsewhere."""
        ellipsoids = Ellipsoids(centres, self.ellipsoids.spreads[which])
        return StarBodies(ellipsoids, self.frames[which], self.shape_of[which], self.tables)

    def in_box(
        self, box_nm: np.ndarray, period_nm: np.ndarray | None, reach: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which bodies, larger by `reach`, meet the box from 0, and their centres there.

        With `period_nm`, edges of a periodic arrangement, their nearest images count as well.
        """
        half = reach * self.half_widths
        steps = product((-1, 0, 1), repeat=3) if period_nm is not None else [(0, 0, 0)]
        which, places = [], []
        for step in steps:
            image = self.centres + (0 if period_nm is None else np.multiply(step, period_nm))
            inside = ((image + half > 0) & (image - half < box_nm)).all(axis=1)
            which.append(np.flatnonzero(inside))
            places.append(image[inside])
        return np.concatenate(which), np.concatenate(places)

    def voxels(
        self, shape: tuple[int, int, int], size_nm: np.ndarray, reach: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return first and last voxel (z, y, x) of each, larger by `reach`, within a volume.

        Voxel i is centred on (i + 1/2) size.
        """
        half = reach * self.half_widths
        first = np.maximum(np.ceil((self.centres - half) / size_nm - 0.5), 0)
        last = np.minimum(np.floor((self.centres + half) / size_nm - 0.5), np.subtract(shape, 1))
        return first.astype(np.int64), last.astype(np.int64)


def squared_scale(
    bodies: StarBodies,
    shape: tuple[int, int, int],
    voxel_size_nm: Triple,
    reach: float,
    context: Context,
) -> np.ndarray:
    """Return the square of the factor that brings the surface of the nearest body to each voxel.

    Args:
        bodies: the bodies, images included.
        shape: voxels (z, y, x).
        voxel_size_nm: (z, y, x).
        reach: largest factor wanted.
        context: threads and progress.

    Returns:
        float32 (z, y, x) at the centres of the voxels; below 1 is inside, infinity beyond `reach`.
    """
    field = np.asarray(context.empty("distances", shape, np.float32))
    size = np.asarray(voxel_size_nm)
    first, last = bodies.voxels(shape, size, reach)
    limits = (reach * bodies.widest) ** 2

    def paint(slab: Slab) -> None:
        field[slab[0] : slab[1]] = np.inf
        here = np.flatnonzero((first[:, 0] < slab[1]) & (last[:, 0] >= slab[0]))
        _paint(
            *(field, slab[0], slab[1], here, bodies.centres, bodies.frames, bodies.shape_of),
            *(bodies.tables, first, last, size, limits, reach**2),
        )

    slabs = slabs_of(shape)
    for _ in context.track(in_threads(paint, slabs, context), "painting particles", len(slabs)):
        pass
    return field


@compiled
def _paint(  # type: ignore[no-untyped-def]
    field,
    start,
    stop,
    which,
    centres,
    frames,
    shape_of,
    tables,
    first,
    last,
    size,
    limits,
    furthest,
):
    for i in which:
        a = frames[i]
        table = tables[shape_of[i]]
        for z in range(max(first[i, 0], start), min(last[i, 0] + 1, stop)):
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
                    scale = squared / radius_towards(table, u, v, w) ** 2
                    if scale < furthest and scale < field[z, y, x]:
                        field[z, y, x] = scale
