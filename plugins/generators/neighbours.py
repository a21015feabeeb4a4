"""Pairs of neighbouring particles in a periodic box, found in a grid for each class of sizes.

Particles of one class differ in radius by less than a factor of two, and have a grid of cells as
wide as two of them. Each particle looks for neighbours in the grids of its own class and of larger
ones, in 27 cells each, so that particles of very different sizes cost no more than equal ones.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled

MOST_CLASSES = 12
"""Smaller particles than 2^-11 of the largest share a class."""


@compiled
def neighbours(centres, radii, box, factor, skin):  # type: ignore[no-untyped-def]
    """Return the pairs of particles whose distance is below factor (r1 + r2) + skin.

    Args:
        centres: (count, 3), from 0 to `box`.
        radii: of spheres around the particles.
        box: edges of the periodic box; each pair meets across one face only.
        factor: of the radii.
        skin: further distance.

    Returns:
        int32 (pairs, 2), each pair once, ordered by the first (smaller) particle.
    """
    count = len(centres)
    largest = radii.max()
    size_class = np.empty(count, np.int64)
    for i in range(count):
        size_class[i] = min(int(np.log2(largest / radii[i])), MOST_CLASSES - 1)
    members = np.zeros(MOST_CLASSES, np.int64)
    for i in range(count):
        members[size_class[i]] += 1
    # Each class in turn, the largest first: its grid, and who finds neighbours in it.
    capacity = max(1024, 8 * count)
    pairs = np.empty((capacity, 2), np.int32)
    found = 0
    cells = np.empty(3, np.int64)
    first, number = np.empty(3, np.int64), np.empty(3, np.int64)
    for level in range(MOST_CLASSES):
        if members[level] == 0:
            continue
        edge = 2 * factor * largest / 2.0**level + skin
        most = int(2 * members[level] ** (1 / 3)) + 3  # no more cells than are of use
        for axis in range(3):
            cells[axis] = min(max(1, int(box[axis] / edge)), int(most))
        order, starts = _cell_list(centres, box, cells, size_class, level, members[level])
        for i in range(count):
            if size_class[i] < level:
                continue
            for axis in range(3):
                number[axis] = min(3, cells[axis])
                first[axis] = _cell(centres[i, axis], box[axis], cells[axis]) + cells[axis] - 1
            for dz in range(number[0]):
                z = (first[0] + dz) % cells[0]
                for dy in range(number[1]):
                    y = (first[1] + dy) % cells[1]
                    for dx in range(number[2]):
                        place = (z * cells[1] + y) * cells[2] + (first[2] + dx) % cells[2]
                        for k in range(starts[place], starts[place + 1]):
                            j = order[k]
                            if size_class[i] == level and j <= i:
                                continue
                            squared = 0.0
                            for axis in range(3):
                                d = abs(centres[j, axis] - centres[i, axis])
                                d = min(d, box[axis] - d)
                                squared += d * d
                            if squared >= (factor * (radii[i] + radii[j]) + skin) ** 2:
                                continue
                            if found == capacity:
                                capacity *= 2
                                longer = np.empty((capacity, 2), np.int32)
                                longer[:found] = pairs
                                pairs = longer
                            pairs[found, 0], pairs[found, 1] = i, j
                            found += 1
    return pairs[:found]


@compiled
def _cell(coordinate, edge, cells):  # type: ignore[no-untyped-def]
    return min(np.int64(coordinate / edge * cells), cells - 1)


@compiled
def _cell_list(centres, box, cells, size_class, level, members):  # type: ignore[no-untyped-def]
    """Return the particles of a class ordered by cell, and where in that order a cell starts."""
    count = len(centres)
    starts = np.zeros(cells[0] * cells[1] * cells[2] + 1, np.int64)
    cell_of = np.empty(count, np.int64)
    for i in range(count):
        if size_class[i] != level:
            continue
        cell = 0
        for axis in range(3):
            cell = cell * cells[axis] + _cell(centres[i, axis], box[axis], cells[axis])
        cell_of[i] = cell
        starts[cell + 1] += 1
    starts[:] = np.cumsum(starts)
    fill = starts.copy()
    order = np.empty(members, np.int64)
    for i in range(count):
        if size_class[i] == level:
            order[fill[cell_of[i]]] = i
            fill[cell_of[i]] += 1
    return order, starts
