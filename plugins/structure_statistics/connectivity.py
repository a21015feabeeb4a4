"""Connectivity of a phase: its largest component, and the faces that a component connects.

Slabs of slices are labelled one after the other, and their components joined where the slabs meet.
A component that does not reach the last slice of a slab is complete: only those that do are
remembered, so that memory does not grow with the number of slices or of components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fib_plugins.structure_statistics.packed_bits import Phase

SLAB_VOXELS = 2**26
"""Voxels of a slab; a slab of one slice may have more."""

AXES = ("x", "y", "z")
NEAR, FAR = 1, 2
"""Marks of a component that touches the first, and the last, voxels along an axis. Those of each
further axis are four times as large."""


@dataclass(frozen=True)
class Connectivity:
    """The connectivity of a phase.

    Attributes:
        largest_fraction: share of the phase in its largest component, 0 to 1; nan if the phase is
            absent.
        percolates: the axes, of x, y and z, along which one component connects both faces of the
            volume, e.g. ``xy``; ``none`` if there is none.
    """

    largest_fraction: float
    percolates: str


def connectivity(
    labels: np.ndarray, phase: Phase = "solid", slab_voxels: int = SLAB_VOXELS
) -> Connectivity:
    """Return the connectivity of a phase; voxels are connected through their faces.

    Memory: 5 bytes per voxel of a slab, and 9 per component in it.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid. May be memory-mapped.
        phase: ``solid`` or ``pore``.
        slab_voxels: number of voxels that are labelled at a time; the result does not depend on it.
    """
    depth, height, width = labels.shape
    slices = max(1, slab_voxels // (height * width))
    total = largest = touched = 0
    open_ = _Components(np.zeros(0, np.int64), np.zeros(0, np.uint8))
    border = np.zeros((height, width), np.int64)
    for first in range(0, depth, slices):
        inside = (labels[first : first + slices] > 0) == (phase == "solid")
        numbers, found = _components(inside, first == 0, first + len(inside) == depth)
        total += int(found.sizes.sum())
        joined, place = _joined(open_, found, border, numbers[0])
        largest = max(largest, int(joined.sizes.max(initial=0)))
        touched |= _both_faces(joined.faces)
        kept, border = _those_in(numbers[-1], place)
        open_ = _Components(joined.sizes[kept], joined.faces[kept])
    if total == 0:
        return Connectivity(np.nan, "none")
    percolates = "".join(name for axis, name in enumerate(AXES) if touched >> axis & 1)
    return Connectivity(largest / total, percolates or "none")


@dataclass(frozen=True)
class _Components:
    """Components, numbered from 0.

    Attributes:
        sizes: their numbers of voxels, int64.
        faces: marks of the faces that each touches, uint8.
    """

    sizes: np.ndarray
    faces: np.ndarray


def _components(inside: np.ndarray, begins: bool, ends: bool) -> tuple[np.ndarray, _Components]:
    """Label a slab.

    Args:
        inside: whether each voxel belongs to the phase.
        begins: whether the slab has the first slice of the volume.
        ends: whether it has the last one.

    Returns:
        The number of the component of each voxel, from 1, 0 outside; and the components.
    """
    from scipy import ndimage

    numbers, count = ndimage.label(inside)
    sizes = np.zeros(count + 1, np.int64)
    for plane in numbers:
        sizes += np.bincount(plane.reshape(-1), minlength=count + 1)
    faces = np.zeros(count + 1, np.uint8)
    for axis in range(len(AXES)):
        for mark, place, there in ((NEAR, 0, begins), (FAR, -1, ends)):
            if axis < 2 or there:
                faces[np.unique(numbers.take(place, 2 - axis))] |= mark << 2 * axis
    return numbers, _Components(sizes[1:], faces[1:])


def _joined(
    open_: _Components, found: _Components, above: np.ndarray, below: np.ndarray
) -> tuple[_Components, np.ndarray]:
    """Join the components of a slab with those that reach it from above.

    Args:
        open_: components that reach the slice above the slab.
        found: components of the slab.
        above: their numbers from 1 in that slice.
        below: numbers from 1 in the first slice of the slab.

    Returns:
        The joined components, and the place of each of `found` among them.
    """
    from scipy import sparse

    meet = (above > 0) & (below > 0)
    edges = np.unique(np.stack([above[meet], below[meet]]).astype(np.int64) - 1, axis=1)
    before, nodes = len(open_.sizes), len(open_.sizes) + len(found.sizes)
    links = (np.ones(edges.shape[1], np.uint8), (edges[0], edges[1] + before))
    graph = sparse.coo_array(links, shape=(nodes, nodes))
    count, place = sparse.csgraph.connected_components(graph, directed=False)
    sizes, faces = np.zeros(count, np.int64), np.zeros(count, np.uint8)
    np.add.at(sizes, place, np.concatenate([open_.sizes, found.sizes]))
    np.bitwise_or.at(faces, place, np.concatenate([open_.faces, found.faces]))
    return _Components(sizes, faces), place[before:]


def _both_faces(faces: np.ndarray) -> int:
    """Return a bit for each axis along which one component touches both faces."""
    both = [np.any(faces >> 2 * axis & (NEAR | FAR) == NEAR | FAR) for axis in range(len(AXES))]
    return sum(int(found) << axis for axis, found in enumerate(both))


def _those_in(last: np.ndarray, place: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which joined components occur in the last slice of a slab, and where.

    Args:
        last: numbers of the slab's own components in it, from 1.
        place: the place of each among the joined components.

    Returns:
        The joined components, and their new numbers in the slice, from 1, 0 outside.
    """
    own = np.unique(last)
    own = own[own > 0]
    kept, numbers = np.unique(place[own - 1], return_inverse=True)
    table = np.zeros(len(place) + 1, np.int64)
    table[own] = numbers + 1
    return kept, table[last]
