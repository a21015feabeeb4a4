"""Painting with inscribed balls: the core of local thickness, in 2-D and 3-D.

Around each voxel there is a largest ball without outside voxels; its squared radius is the
squared distance of `distance_transform`. The local thickness at a voxel is the diameter of the
largest of these balls that covers it (Hildebrand and Ruegsegger, J. Microsc. 185, 67 (1997)). The
computation is exact, and fast for two reasons:

- Balls inside the ball of a neighbouring voxel paint nothing new and are left out. Whether they are
  inside is looked up in a table over the squared radius (Remy and Thiel, Image and Vision Computing
  23, 167 (2005)).
- The others paint in the order of decreasing radius, so that a voxel is painted once. One bit per
  voxel marks those still to be painted: 64 that are done are skipped in one test.

A plane is a volume of one slice. Lengths are in units of the smallest voxel edge.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.structure_statistics.packed_bits import lowest_bit
from fib_plugins.threads import in_threads

ONES = np.uint64(2**64 - 1)

TIE = 1.0 - 3e-7
"""A voxel at exactly the radius of a ball is not in it. For this to hold for voxels of any shape,
squared radii are reduced by more than the rounding of float32 before they are compared, but by less
than one voxel up to radii of 1800 voxels."""


PART = 8
"""Number of slices painted at a time: few enough to stay in a processor's cache."""


def needed_balls(
    distances: np.ndarray, weights: np.ndarray, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the voxels whose balls are needed to cover a phase.

    Args:
        distances: finite squared distances in axes (z, y, x), float32, 0 outside the phase.
        weights: squared voxel edges (z, y, x).
        threads: number of CPU threads; the result does not depend on it.

    Returns:
        Flat indices of their centres (int64) and their squared radii, largest first.
    """
    largest = max(float(plane.max()) for plane in distances)
    table = _containment_table(largest, weights, len(distances) == 1)
    centres = np.concatenate(
        in_threads(lambda z: _needed_in_slice(distances, z, table), range(len(distances)), threads)
    )
    squares = distances.reshape(-1)[centres]
    order = np.argsort(-squares, kind="stable")
    return centres[order], squares[order]


def paint(
    distances: np.ndarray,
    centres: np.ndarray,
    squares: np.ndarray,
    first: int,
    weights: np.ndarray,
    radii: np.ndarray,
    threads: int = 1,
) -> None:
    """Set each voxel of some slices to the radius of the largest ball that covers it.

    Args:
        distances: squared distances of the volume in axes (z, y, x).
        centres: from `needed_balls`.
        squares: likewise.
        first: the first of the slices.
        weights: squared voxel edges (z, y, x).
        radii: receives the radii, float32 in axes (z, y, x); 0 outside the phase.
        threads: number of CPU threads; the result does not depend on it.
    """

    def paint_part(begin: int) -> None:
        slices = radii[begin : begin + PART]
        _paint(distances, centres, squares, first + begin, weights, slices)

    in_threads(paint_part, range(0, len(radii), PART), threads)


@compiled
def _containment_table(largest: float, weights: np.ndarray, flat: bool) -> np.ndarray:
    """Return how large a neighbour's ball must be to contain a ball.

    Entry [d, k]: the ball of squared radius k around a voxel lies within the ball around its
    neighbour at the offset (dz, dy, dx), d = 4 |dz| + 2 |dy| + |dx|, if the neighbour's squared
    radius is above the entry. Balls are open sets of voxel centres.

    Args:
        largest: the largest squared radius.
        weights: squared voxel edges (z, y, x).
        flat: whether the volume is a single plane.
    """
    size = int(np.ceil(largest)) + 1
    table = np.full((8, size), -1.0)
    reach = np.empty(3, np.int64)
    for axis in range(3):
        reach[axis] = int(np.sqrt(largest / weights[axis])) + 1
    if flat:
        reach[0] = 0
    for z in range(reach[0] + 1):
        for y in range(reach[1] + 1):
            for x in range(reach[2] + 1):
                norm = weights[0] * z * z + weights[1] * y * y + weights[2] * x * x
                holds = int(norm) + 1  # the smallest integer squared radius that holds the voxel
                if holds >= size:
                    break
                for d in range(1, 8):
                    dz, dy, dx = z + (d >> 2), y + ((d >> 1) & 1), x + (d & 1)
                    far = weights[0] * dz * dz + weights[1] * dy * dy + weights[2] * dx * dx
                    table[d, holds] = max(table[d, holds], far)
    for d in range(8):
        for k in range(1, size):
            table[d, k] = max(table[d, k], table[d, k - 1])
    return table


@compiled
def _needed_in_slice(distances: np.ndarray, z: int, table: np.ndarray) -> np.ndarray:
    """Return the flat indices of the voxels of slice z whose ball lies in no neighbour's ball.

    Args:
        distances: squared distances in axes (z, y, x).
        z: the slice.
        table: from `_containment_table`.
    """
    nz, ny, nx = distances.shape
    needed = np.empty(ny * nx, np.int64)
    found = 0
    for y in range(ny):
        for x in range(nx):
            radius = distances[z, y, x]
            if radius == 0:
                continue
            k = int(np.ceil(radius))
            held = False
            for qz in range(max(z - 1, 0), min(z + 2, nz)):
                for qy in range(max(y - 1, 0), min(y + 2, ny)):
                    for qx in range(max(x - 1, 0), min(x + 2, nx)):
                        other = distances[qz, qy, qx]
                        if other > radius:
                            d = 4 * abs(qz - z) + 2 * abs(qy - y) + abs(qx - x)
                            held = held or table[d, k] < other * TIE
                if held:
                    break
            if not held:
                needed[found] = (z * ny + y) * nx + x
                found += 1
    return needed[:found].copy()


@compiled
def _paint(
    distances: np.ndarray,
    centres: np.ndarray,
    squares: np.ndarray,
    first: int,
    weights: np.ndarray,
    radii: np.ndarray,
) -> None:
    """Paint the slices of `radii`, the first of which is slice `first`; see `paint`."""
    slices, ny, nx = radii.shape
    unpainted = np.zeros((slices, ny, nx // 64 + 2), np.uint64)
    for z in range(slices):
        for y in range(ny):
            for x in range(nx):
                inside = distances[first + z, y, x] > 0
                unpainted[z, y, x >> 6] |= np.uint64(inside) << np.uint64(x & 63)
                radii[z, y, x] = 0.0
    largest = squares[0] if len(squares) else 0.0
    size_z, size_y = _reach(largest, weights[0]) + 1, _reach(largest, weights[1]) + 1
    reaches_y = np.empty(size_z, np.int64)
    reaches_x = np.empty((size_z, size_y), np.int64)
    for i in range(len(centres)):
        # Equal balls follow each other: their shape is computed once.
        if i == 0 or squares[i] != squares[i - 1]:
            radius = np.sqrt(squares[i])
            reach_z = _shape_of_ball(squares[i] * TIE, weights, reaches_y, reaches_x)
        slice_of_centre = centres[i] // (ny * nx)
        cz = slice_of_centre - first
        if cz + reach_z < 0 or cz - reach_z >= slices:
            continue
        cy, cx = divmod(centres[i] - slice_of_centre * ny * nx, nx)
        for z in range(max(cz - reach_z, 0), min(cz + reach_z + 1, slices)):
            dz = abs(z - cz)
            for y in range(max(cy - reaches_y[dz], 0), min(cy + reaches_y[dz] + 1, ny)):
                reach_x = reaches_x[dz, abs(y - cy)]
                end = min(cx + reach_x + 1, nx)
                for x in range(max(cx - reach_x, 0), end, 64):
                    # The 64 bits from x on lie in two words; those beyond the ball are masked.
                    shift = np.uint64(x & 63)
                    low, high = unpainted[z, y, x >> 6], unpainted[z, y, (x >> 6) + 1]
                    bits = (low >> shift) | ((high << (np.uint64(63) - shift)) << np.uint64(1))
                    bits &= ONES >> np.uint64(max(64 - (end - x), 0))
                    while bits != 0:
                        at = x + np.int64(lowest_bit(bits))
                        radii[z, y, at] = radius
                        unpainted[z, y, at >> 6] &= ~(np.uint64(1) << np.uint64(at & 63))
                        bits &= bits - np.uint64(1)


@compiled
def _shape_of_ball(
    square: float, weights: np.ndarray, reaches_y: np.ndarray, reaches_x: np.ndarray
) -> int:
    """Compute how far a ball of a squared radius reaches from its centre, in voxels.

    Returns its reach along z; `reaches_y` receives that along y at each step in z, `reaches_x` that
    along x at each step in z and y.
    """
    reach_z = _reach(square, weights[0])
    for z in range(reach_z + 1):
        disc = square - weights[0] * z * z
        reaches_y[z] = _reach(disc, weights[1])
        for y in range(reaches_y[z] + 1):
            reaches_x[z, y] = _reach(disc - weights[1] * y * y, weights[2])
    return reach_z


@compiled
def _reach(square: float, weight: float) -> int:
    """Return the largest integer h with weight h^2 < square, or -1 if there is none."""
    if square <= 0:
        return -1
    h = int(np.sqrt(square / weight))
    return h - 1 if weight * h * h >= square else h
