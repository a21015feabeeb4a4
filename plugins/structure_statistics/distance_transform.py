"""Exact Euclidean distance transform in little memory: one float32 per voxel.

Squared distances are separable: a first pass along x, then the lower envelope of parabolas along
y and z (Felzenszwalb and Huttenlocher, Theory of Computing 8, 415 (2012)); linear in the number
of voxels.

Lengths are in units of the smallest voxel edge. A squared distance is then an integer where voxels
are cubes, exact in float32 up to 4096 voxels.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.structure_statistics.packed_bits import Phase
from fib_plugins.threads import in_threads

COLUMNS = 16
"""Columns handled together, so that each cache line of float32 is read once."""


def squared_weights(voxel_size_nm: tuple[float, ...]) -> np.ndarray:
    """Return the squared voxel edges in units of the smallest one, float64."""
    edges = np.asarray(voxel_size_nm, dtype=float)
    return (edges / edges.min()) ** 2


def squared_distances(
    labels: np.ndarray, weights: np.ndarray, phase: Phase, threads: int = 1
) -> np.ndarray:
    """Return the squared distance of each voxel of a phase to the nearest one outside it.

    Distances are from centre to centre. Voxels beyond the edges of the volume are unknown and do
    not count as outside.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        weights: `squared_weights` of the voxel size (z, y, x).
        phase: ``solid`` or ``pore``.
        threads: number of CPU threads; the result does not depend on it.

    Returns:
        float32 in axes (z, y, x): 0 outside, infinite where there is no outside voxel at all.
    """
    nz, ny, _ = labels.shape
    distances = np.empty(labels.shape, np.float32)

    def within_slice(z: int) -> None:
        distances[z] = squared_distances_in_slice(labels[z], weights, phase)

    def across_slices(y: int) -> None:
        _along_columns(distances[:, y, :], weights[0])

    in_threads(within_slice, range(nz), threads)
    in_threads(across_slices, range(ny), threads)
    return distances


def squared_distances_in_slice(plane: np.ndarray, weights: np.ndarray, phase: Phase) -> np.ndarray:
    """Return the squared distances within one slice (y, x); see `squared_distances`."""
    inside = (plane > 0) == (phase == "solid")
    distances = np.where(inside, np.float32(np.inf), np.float32(0))
    _along_rows(distances, weights[2])
    _along_columns(distances, weights[1])
    return distances


@compiled
def _along_rows(plane: np.ndarray, weight: float) -> None:
    """Turn 0 outside and infinity inside into squared distances along each row, in place."""
    ny, nx = plane.shape
    for y in range(ny):
        steps = np.inf
        for x in range(nx):
            steps = 0.0 if plane[y, x] == 0 else steps + 1.0
            plane[y, x] = steps
        steps = np.inf
        for x in range(nx - 1, -1, -1):
            steps = min(steps + 1.0, plane[y, x])
            plane[y, x] = weight * steps * steps


@compiled
def _along_columns(plane: np.ndarray, weight: float) -> None:
    """Replace each column f of a plane by min over q of f(q) + weight (p - q)^2, in place."""
    n, columns = plane.shape
    heights = np.empty((COLUMNS, n), np.float64)
    vertices = np.empty(n, np.int64)
    borders = np.empty(n + 1, np.float64)
    for first in range(0, columns, COLUMNS):
        last = min(first + COLUMNS, columns)
        for p in range(n):
            for c in range(first, last):
                heights[c - first, p] = plane[p, c]
        for c in range(first, last):
            _envelope(heights[c - first], weight, vertices, borders)
        for p in range(n):
            for c in range(first, last):
                plane[p, c] = heights[c - first, p]


@compiled
def _envelope(
    heights: np.ndarray, weight: float, vertices: np.ndarray, borders: np.ndarray
) -> None:
    """Replace heights f(p) by the lower envelope of the parabolas f(q) + weight (p - q)^2.

    `vertices` receives the q of the envelope's parabolas from left to right, `borders` where each
    starts to be the lowest.
    """
    n = heights.size
    top = -1
    for q in range(n):
        if heights[q] == np.inf:
            continue
        begin = -np.inf
        while top >= 0:
            v = vertices[top]
            begin = 0.5 * ((heights[q] - heights[v]) / (weight * (q - v)) + (q + v))
            if begin > borders[top]:
                break
            top -= 1
            begin = -np.inf
        top += 1
        vertices[top] = q
        borders[top] = begin
    if top < 0:
        return
    borders[top + 1] = np.inf
    bases = heights.copy()
    at = 0
    for p in range(n):
        while borders[at + 1] < p:
            at += 1
        v = vertices[at]
        heights[p] = bases[v] + weight * (p - v) * (p - v)
