"""Local thickness: the diameter of the largest inscribed disc or ball that covers a voxel.

Hildebrand and Ruegsegger, J. Microsc. 185, 67 (1997). The ball around a voxel reaches to the
nearest voxel of the other phase, centre to centre, and covers the voxels whose centres are nearer
than that; the diameter is twice this distance, without a correction of half a voxel. On digitised
smooth bodies the error of the mean, in largest voxel edges, is about -1.0 for balls and -0.7 for
discs (no voxel centre is in the middle), and up to +0.4 for slabs; with half a voxel subtracted at
either end all would be too small. Voxels beyond the edge of the volume do not bound balls.

Labels above 0 are solid, 0 is the pore.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from fib_plugins.metrics.distance_transform import (
    squared_distances,
    squared_distances_in_slice,
    squared_weights,
)
from fib_plugins.metrics.inscribed_balls import needed_balls, paint
from fib_plugins.metrics.packed_bits import Phase
from fib_plugins.threads import in_threads
from fibcore.errors import FibError

Plane = Literal["xy", "xz", "yz"]

NORMAL: dict[Plane, int] = {"xy": 0, "xz": 1, "yz": 2}
"""Plane -> the axis of (z, y, x) across it."""

BLOCK = 64
"""Number of planes of a 2-D measurement copied at a time."""

SLAB = 64
"""Number of slices of a 3-D measurement painted at a time."""


def mean_diameter_in_planes(
    labels: np.ndarray,
    plane: Plane,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase = "solid",
    threads: int = 1,
) -> float:
    """Return the mean local thickness of a phase in all slices along one plane, in nm.

    D_ij of equation 8 of Sardhara et al. (2025): the largest inscribed disc in every slice of that
    plane, averaged over the pixels of the phase. Discs are round in nm for pixels of any shape. A
    slice without any pixel of the other phase bounds no disc and is left out.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        plane: ``xy``, ``xz`` or ``yz``.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        threads: number of CPU threads; the result does not depend on it.

    Raises:
        FibError: if no slice has both phases.
    """
    normal = NORMAL[plane]
    pixel = tuple(size for axis, size in enumerate(voxel_size_nm) if axis != normal)
    weights = np.array([1.0, *squared_weights(pixel)])
    slices = np.moveaxis(labels, normal, 0)
    total, count = 0.0, 0
    for first in range(0, len(slices), BLOCK):
        block = np.ascontiguousarray(slices[first : first + BLOCK])
        for radii, pixels in in_threads(
            lambda one: _sum_of_radii(one, weights, phase), block, threads
        ):
            total += radii
            count += pixels
    if count == 0:
        raise FibError(
            f"no {plane} slice has both phases, so none has a {phase} diameter; check the labels, "
            f"or use a larger volume"
        )
    return 2.0 * min(pixel) * total / count


def _sum_of_radii(plane: np.ndarray, weights: np.ndarray, phase: Phase) -> tuple[float, int]:
    """Return the sum of the covering radii of one slice, and the number of pixels with one."""
    distances = squared_distances_in_slice(plane, weights, phase)
    pixels = int(np.count_nonzero(distances))
    if pixels in (0, distances.size):
        return 0.0, 0
    volume = distances[np.newaxis]
    radii = np.empty_like(volume)
    paint(volume, *needed_balls(volume, weights), 0, weights, radii)
    return float(radii.sum(dtype=np.float64)), pixels


def thickness_slabs(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase = "solid",
    threads: int = 1,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the local thickness of a phase in 3-D, slab after slab.

    Memory: 4 bytes per voxel for distances; 32 bytes per ball that is needed, which is 2 to 4 bytes
    per voxel in structures some voxels wide (more in noise); and one slab of 64 slices.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        threads: number of CPU threads; the result does not depend on it.

    Yields:
        First slice of the slab, and its thickness in nm: float32 in axes (z, y, x), 0 outside the
        phase. The array is reused for the next slab.

    Raises:
        FibError: if the volume has only this phase: nothing bounds a ball.
    """
    nz, ny, nx = labels.shape
    weights = squared_weights(voxel_size_nm)
    diameter_nm = np.float32(2.0 * min(voxel_size_nm))
    distances = squared_distances(labels, weights, phase, threads)
    if np.isinf(distances[0, 0, 0]):
        raise FibError(
            f"the volume is all {phase}: nothing bounds an inscribed ball, so there is no local "
            f"thickness"
        )
    centres, squares = needed_balls(distances, weights, threads)
    radii = np.empty((min(nz, SLAB), ny, nx), np.float32)
    for first in range(0, nz, SLAB):
        slab = radii[: min(nz - first, SLAB)]
        paint(distances, centres, squares, first, weights, slab, threads)
        slab *= diameter_nm
        yield first, slab


def local_thickness(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase = "solid",
    threads: int = 1,
) -> np.ndarray:
    """Return the local thickness of a phase in 3-D: the slabs of `thickness_slabs` as one volume.

    Returns:
        float32 in axes (z, y, x), nm; 0 outside the phase.
    """
    thickness = np.empty(labels.shape, np.float32)
    for first, slab in thickness_slabs(labels, voxel_size_nm, phase, threads):
        thickness[first : first + len(slab)] = slab
    return thickness


def mean_thickness(
    labels: np.ndarray,
    voxel_size_nm: tuple[float, float, float],
    phase: Phase,
    bin_nm: float,
    threads: int = 1,
) -> tuple[float, np.ndarray]:
    """Return the mean local thickness of a phase in 3-D in nm, and its distribution.

    Args:
        labels: as for `thickness_slabs`; both phases occur.
        voxel_size_nm: (z, y, x).
        phase: ``solid`` (ligaments) or ``pore``.
        bin_nm: width of the bins of the distribution.
        threads: number of CPU threads.

    Returns:
        The mean over the voxels of the phase, and the number of voxels (int64) with a thickness
        nearest to 0, 1, 2 ... times `bin_nm`.
    """
    total = 0.0
    counts = np.zeros(1, np.int64)
    for _, slab in thickness_slabs(labels, voxel_size_nm, phase, threads):
        inside = slab[slab > 0]
        total += float(inside.sum(dtype=np.float64))
        more = np.bincount(np.rint(inside / bin_nm).astype(np.intp), minlength=len(counts))
        more[: len(counts)] += counts
        counts = more
    return total / int(counts.sum()), counts
