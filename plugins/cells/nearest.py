"""The nearest of many seeds at each voxel: Voronoi cells without their geometry, for any number."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled

Triple = tuple[float, float, float]

BYTES_PER_SEED = 150
"""Memory of a seed, while it is put into bins."""
SEEDS_PER_BIN = 2.0


class NearestSeed:
    """Voronoi cells of seeds, slice by slice.

    Seeds lie in bins. The seed of the voxel before is a bound: only bins within its distance are
    searched. The result is exact.

    Args:
        seeds: (seeds, 3), nm from the corner of voxel 0, (z, y, x).
        voxel_size_nm: (z, y, x); voxel centres are at (i + 1/2) times it.
        period_nm: edges (3,) after which the seeds repeat; None: they do not.
    """

    def __init__(
        self, seeds: np.ndarray, voxel_size_nm: Triple, period_nm: np.ndarray | None = None
    ) -> None:
        numbers = np.arange(len(seeds))
        if period_nm is not None:
            seeds, numbers = _with_images(np.mod(seeds, period_nm), period_nm)
        self._low = seeds.min(axis=0)
        extent = np.maximum(seeds.max(axis=0) - self._low, 1e-9)
        volume = float(np.prod(np.maximum(extent, extent.max() * 1e-3)))
        edge = (SEEDS_PER_BIN * volume / len(seeds)) ** (1 / 3)
        self._bins = np.maximum(1, np.ceil(extent / edge)).astype(np.int64)
        self._edges = extent / self._bins
        places = np.minimum((seeds - self._low) // self._edges, self._bins - 1).astype(np.int64)
        flat = np.ravel_multi_index(tuple(places.T), tuple(self._bins.tolist()))
        order = np.argsort(flat, kind="stable")
        self._seeds, self._numbers = seeds[order], numbers[order].astype(np.int32)
        self._starts = np.searchsorted(flat[order], np.arange(self._bins.prod() + 1))
        self._size = np.asarray(voxel_size_nm, float)

    def plane(self, z: int, wanted: np.ndarray) -> np.ndarray:
        """Return the number of the nearest seed in a slice, int32 (y, x); -1 where not wanted.

        Args:
            z: the slice.
            wanted: bool (y, x).
        """
        found = np.full(wanted.shape, -1, np.int32)
        _nearest(
            found,
            wanted,
            z,
            self._size,
            self._seeds,
            self._numbers,
            self._starts,
            self._low,
            self._edges,
            self._bins,
        )
        return found


def _with_images(seeds: np.ndarray, period: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return seeds with their images within half a period of the box, and their numbers."""
    points, numbers = [], []
    for steps in np.ndindex(3, 3, 3):
        image = seeds + (np.array(steps) - 1) * period
        inside = ((image > -0.5 * period) & (image < 1.5 * period)).all(axis=1)
        points.append(image[inside])
        numbers.append(np.flatnonzero(inside))
    return np.concatenate(points), np.concatenate(numbers)


@compiled
def _nearest(  # type: ignore[no-untyped-def]
    found, wanted, z, size, seeds, numbers, starts, low, edges, bins
):
    best = 0
    at_z = (z + 0.5) * size[0] - low[0]
    for y in range(found.shape[0]):
        at_y = (y + 0.5) * size[1] - low[1]
        for x in range(found.shape[1]):
            if not wanted[y, x]:
                continue
            at_x = (x + 0.5) * size[2] - low[2]
            dz = seeds[best, 0] - low[0] - at_z
            dy = seeds[best, 1] - low[1] - at_y
            dx = seeds[best, 2] - low[2] - at_x
            nearest = dz * dz + dy * dy + dx * dx
            reach = np.sqrt(nearest)
            z1 = min(max(int((at_z - reach) / edges[0]), 0), bins[0] - 1)
            z2 = min(max(int((at_z + reach) / edges[0]), 0), bins[0] - 1)
            y1 = min(max(int((at_y - reach) / edges[1]), 0), bins[1] - 1)
            y2 = min(max(int((at_y + reach) / edges[1]), 0), bins[1] - 1)
            x1 = min(max(int((at_x - reach) / edges[2]), 0), bins[2] - 1)
            x2 = min(max(int((at_x + reach) / edges[2]), 0), bins[2] - 1)
            for i in range(z1, z2 + 1):
                for j in range(y1, y2 + 1):
                    row = (i * bins[1] + j) * bins[2]
                    for s in range(starts[row + x1], starts[row + x2 + 1]):
                        dz = seeds[s, 0] - low[0] - at_z
                        dy = seeds[s, 1] - low[1] - at_y
                        dx = seeds[s, 2] - low[2] - at_x
                        away = dz * dz + dy * dy + dx * dx
                        if away < nearest:
                            nearest, best = away, s
            found[y, x] = numbers[best]
