"""Ellipsoids in space, and painting them into a volume.

Coordinates are in nm along (z, y, x), from the corner of the box.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.generators.slabs import Slab, in_threads, slabs_of
from fibcore.context import Context

Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Ellipsoids:
    """Ellipsoids in space.

    Attributes:
        centres: (count, 3), nm.
        spreads: (count, 3, 3), nm^2: R diag(semi-axes^2) R^T, the inverse of the matrix M of the
            ellipsoid (r - c) M (r - c) = 1. The square roots of its diagonal are the half widths of
            the ellipsoid along each axis.
    """

    centres: np.ndarray
    spreads: np.ndarray

    @classmethod
    def of(cls, centres: np.ndarray, semi_axes: np.ndarray, rotations: np.ndarray) -> Ellipsoids:
        """Return ellipsoids from centres, semi-axes in nm and rotation matrices."""
        stretched = rotations * semi_axes[:, None, :]
        return cls(centres, stretched @ np.swapaxes(stretched, 1, 2))

    def __len__(self) -> int:
        return len(self.centres)

    @property
    def volume_nm3(self) -> float:
        """Sum of the volumes."""
        return float(4 / 3 * np.pi * np.sqrt(np.linalg.det(self.spreads)).sum())

    def scaled(self, factor: float) -> Ellipsoids:
        """Return the same ellipsoids with all axes longer by a factor."""
        return Ellipsoids(self.centres, self.spreads * factor**2)

    def moved(self, shift_nm: np.ndarray) -> Ellipsoids:
        """Return the same ellipsoids, shifted."""
        return Ellipsoids(self.centres + shift_nm, self.spreads)

    def in_box(self, box_nm: np.ndarray, period_nm: np.ndarray | None) -> Ellipsoids:
        """Return those that reach into the box from 0 to `box_nm`.

        With `period_nm`, edges of a periodic arrangement, their nearest images count as well.
        """
        reach = np.sqrt(np.diagonal(self.spreads, axis1=1, axis2=2))
        if period_nm is None:
            shifts = [np.zeros(3)]
        else:
            shifts = [np.multiply(steps, period_nm) for steps in product((-1, 0, 1), repeat=3)]
        centres, spreads = [], []
        for shift in shifts:
            image = self.centres + shift
            inside = ((image + reach > 0) & (image - reach < box_nm)).all(axis=1)
            centres.append(image[inside])
            spreads.append(self.spreads[inside])
        return Ellipsoids(np.concatenate(centres), np.concatenate(spreads))


def squared_distance(
    bodies: Ellipsoids,
    shape: tuple[int, int, int],
    voxel_size_nm: Triple,
    reach: float,
    context: Context,
) -> np.ndarray:
    """Return (r - c) M (r - c) of the nearest ellipsoid in that sense: below 1 is inside.

    Args:
        bodies: the ellipsoids, images included.
        shape: voxels (z, y, x).
        voxel_size_nm: (z, y, x).
        reach: factor of the axes up to which the distance is wanted.
        context: threads and progress.

    Returns:
        float32 (z, y, x) at the centres of the voxels; infinity beyond `reach`.
    """
    field = np.asarray(context.empty("distances", shape, np.float32))
    grown = bodies.scaled(reach)
    extent = np.sqrt(np.diagonal(grown.spreads, axis1=1, axis2=2))
    size = np.asarray(voxel_size_nm)
    # Voxel i is centred on (i + 1/2) size: the voxels from `first` up to `last` may be inside.
    first = np.maximum(np.ceil((bodies.centres - extent) / size - 0.5), 0).astype(np.int64)
    last = np.minimum(np.floor((bodies.centres + extent) / size - 0.5), np.subtract(shape, 1))
    last = last.astype(np.int64)
    matrices = np.linalg.inv(bodies.spreads)

    def paint(slab: Slab) -> None:
        field[slab[0] : slab[1]] = np.inf
        here = np.flatnonzero((first[:, 0] < slab[1]) & (last[:, 0] >= slab[0]))
        _paint(field, slab[0], slab[1], here, bodies.centres, matrices, first, last, size, reach**2)

    slabs = slabs_of(shape)
    for _ in context.track(in_threads(paint, slabs, context), "painting particles", len(slabs)):
        pass
    return field


@compiled
def _paint(field, start, stop, which, centres, matrices, first, last, size, limit):  # type: ignore[no-untyped-def]
    for i in which:
        m = matrices[i]
        for z in range(max(first[i, 0], start), min(last[i, 0] + 1, stop)):
            dz = (z + 0.5) * size[0] - centres[i, 0]
            for y in range(first[i, 1], last[i, 1] + 1):
                dy = (y + 0.5) * size[1] - centres[i, 1]
                constant = m[0, 0] * dz * dz + 2 * m[0, 1] * dz * dy + m[1, 1] * dy * dy
                linear = 2 * (m[0, 2] * dz + m[1, 2] * dy)
                for x in range(first[i, 2], last[i, 2] + 1):
                    dx = (x + 0.5) * size[2] - centres[i, 2]
                    distance = constant + (linear + m[2, 2] * dx) * dx
                    if distance < limit and distance < field[z, y, x]:
                        field[z, y, x] = distance
