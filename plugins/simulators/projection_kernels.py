"""Loops of the weighted projection, compiled by Numba.

Each call takes a slab of slices and runs on one thread; slabs are independent of each other, so
that the result does not depend on how many run at a time.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled
def weighted_sum(planes: np.ndarray, weights: np.ndarray, image: np.ndarray) -> None:
    """Sum the weights of the phases below every pixel.

    Args:
        planes: uint8 phases of the slab and of the slices below it, (z + slices - 1, y, x).
        weights: float32 weight of each phase by slices below the face, (slices, 256).
        image: float32 result, (z, y, x); slice z is the face above ``planes[z:]``.
    """
    slices = weights.shape[0]
    for z in range(image.shape[0]):
        for y in range(image.shape[1]):
            row = image[z, y]
            row[:] = 0.0
            for k in range(slices):
                phases, weight = planes[z + k, y], weights[k]
                for x in range(row.size):
                    row[x] += weight[phases[x]]


@compiled
def first_solid(planes: np.ndarray, yields: np.ndarray, image: np.ndarray) -> None:
    """Set each pixel to the yield of the first solid below it; without any, to that of the pore.

    Args:
        planes: as for `weighted_sum`.
        yields: float32 yield of each phase by slices below the face, (slices, 256); that of the
            pore is ``yields[0, 0]``.
        image: as for `weighted_sum`.
    """
    slices = yields.shape[0]
    depth = np.empty(image.shape[2], np.int64)
    solid = np.empty(image.shape[2], np.uint8)
    for y in range(image.shape[1]):
        depth[:] = slices
        solid[:] = 0
        # from the bottom up: the depth of the next solid follows from the voxel below
        for z in range(planes.shape[0] - 1, -1, -1):
            phases = planes[z, y]
            for x in range(phases.size):
                is_solid = phases[x] != 0
                depth[x] = 0 if is_solid else min(depth[x] + 1, slices)
                solid[x] = phases[x] if is_solid else solid[x]
            if z < image.shape[0]:
                row = image[z, y]
                for x in range(row.size):
                    in_sight = depth[x] < slices
                    row[x] = yields[depth[x], solid[x]] if in_sight else yields[0, 0]


@compiled
def mark_phases(planes: np.ndarray, present: np.ndarray) -> None:
    """Set ``present[p]`` for every phase p that occurs in `planes`, uint8 (z, y, x)."""
    for z in range(planes.shape[0]):
        for y in range(planes.shape[1]):
            for x in range(planes.shape[2]):
                present[planes[z, y, x]] = True
