"""Sums over pixels from which curtains are found: robust slopes along x and from slice to slice.

Offsets s of a column vary linearly along y between knots. A pixel's slope along x is that of the
structure, mostly flat, and that of s; so is its difference to the next slice, and that to the mean
of both neighbours, which is small even at edges. Slopes that s does not explain are edges, and have
small weights: those of Geman and McClure (Bulletin of the International Statistical Institute 52
(1987) 5), 1 / (1 + (r / scale)^2)^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fib_plugins.compiled import compiled

UNKNOWN = np.float32(1e30)
"""In place of a saturated grey value."""
_KNOWN = np.float32(1e20)


@compiled(fastmath=True)
def _levelled_row(plane: Any, table: Any, y: int, grey: Any, clear: Any) -> None:
    """Fill in the levelled grey values of a row, and 1 where they are known, else 0."""
    width = grey.size
    if table.size:
        for x in range(width):
            grey[x] = table[np.int64(plane[y, x])]
    else:
        for x in range(width):
            grey[x] = plane[y, x]
    for x in range(width):
        clear[x] = np.float32(abs(grey[x]) < _KNOWN)
        grey[x] *= clear[x]


@compiled(fastmath=True)
def add_slopes(
    plane: Any,
    table: Any,
    offsets: Any,
    above: Any,
    shares: Any,
    starts: Any,
    step: int,
    scale: float,
    weights: Any,
    sums: Any,
) -> None:
    """Add weights of slopes along x, and slopes times weights, to sums at the knots.

    Args:
        plane: a slice, axes (y, x).
        table: levelled grey value of each value of the slice, float32; empty: they are levelled.
        offsets: present offsets, axes (knot, column), float32.
        above: the knot above each row.
        shares: how far each row lies on the way to the next knot, 0 to 1, float32.
        starts: column of the first pixel of each row.
        step: every so many rows are used.
        scale: slopes beyond it are taken for edges.
        weights: sums of weights, axes (knot, column); changed.
        sums: sums of slopes times weights, likewise.
    """
    rows, width = plane.shape
    columns = offsets.shape[1]
    inverse, one = np.float32(1.0 / (scale * scale)), np.float32(1.0)
    own = np.empty(columns, np.float32)
    grey, clear = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(step // 2, rows, step):
        knot, share, start = above[y], shares[y], starts[y]
        rest = one - share
        for u in range(columns):
            own[u] = offsets[knot, u] + share * (offsets[knot + 1, u] - offsets[knot, u])
        _levelled_row(plane, table, y, grey, clear)
        for x in range(width - 1):
            u = start + x
            slope = grey[x + 1] - grey[x]
            left = slope - own[u + 1] + own[u]
            near = one / (one + left * left * inverse)
            weight = near * near * clear[x] * clear[x + 1]
            slope *= weight
            weights[knot, u] += rest * weight
            weights[knot + 1, u] += share * weight
            sums[knot, u] += rest * slope
            sums[knot + 1, u] += share * slope


@compiled(fastmath=True)
def add_changes(
    plane: Any,
    table: Any,
    offsets: Any,
    plane_after: Any,
    table_after: Any,
    offsets_after: Any,
    above: Any,
    shares: Any,
    starts: Any,
    step: int,
    scale: float,
    weights: Any,
    sums: Any,
) -> None:
    """Add weights of differences between a slice and the next, and weighted differences.

    Args:
        plane: a slice, axes (y, x).
        table: see `add_slopes`.
        offsets: likewise.
        plane_after: the next slice.
        table_after: its levelled grey values.
        offsets_after: its present offsets.
        above: see `add_slopes`.
        shares: likewise.
        starts: likewise.
        step: likewise.
        scale: differences beyond it are taken for edges.
        weights: sums of weights, axes (knot, column); changed.
        sums: sums of differences times weights, likewise.
    """
    rows, width = plane.shape
    columns = offsets.shape[1]
    inverse, one = np.float32(1.0 / (scale * scale)), np.float32(1.0)
    own = np.empty(columns, np.float32)
    grey, clear = np.empty(width, np.float32), np.empty(width, np.float32)
    grey_after, clear_after = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(step // 2, rows, step):
        knot, share, start = above[y], shares[y], starts[y]
        rest = one - share
        for u in range(columns):
            here = offsets_after[knot, u] - offsets[knot, u]
            below = offsets_after[knot + 1, u] - offsets[knot + 1, u]
            own[u] = here + share * (below - here)
        _levelled_row(plane, table, y, grey, clear)
        _levelled_row(plane_after, table_after, y, grey_after, clear_after)
        for x in range(width):
            u = start + x
            change = grey_after[x] - grey[x]
            left = change - own[u]
            near = one / (one + left * left * inverse)
            weight = near * near * clear[x] * clear_after[x]
            change *= weight
            weights[knot, u] += rest * weight
            weights[knot + 1, u] += share * weight
            sums[knot, u] += rest * change
            sums[knot + 1, u] += share * change


@compiled(fastmath=True)
def add_bends(
    planes: Any,
    tables: Any,
    offsets: Any,
    above: Any,
    shares: Any,
    starts: Any,
    step: int,
    scale: float,
    weights: Any,
    sums: Any,
) -> None:
    """Add weights of differences between a slice and the mean of its neighbours, and weighted ones.

    Args:
        planes: the slice before, the slice, the slice after, axes (y, x) each.
        tables: their levelled grey values; see `add_slopes`.
        offsets: their present offsets, axes (slice, knot, column).
        above: see `add_slopes`.
        shares: likewise.
        starts: likewise.
        step: likewise.
        scale: differences beyond it are taken for edges.
        weights: sums of weights, axes (knot, column); changed.
        sums: sums of differences times weights, likewise.
    """
    rows, width = planes[0].shape
    columns = offsets.shape[2]
    inverse, one, half = np.float32(1.0 / (scale * scale)), np.float32(1.0), np.float32(0.5)
    own, bent = np.empty(columns, np.float32), np.empty((2, columns), np.float32)
    grey, clear = np.empty((3, width), np.float32), np.empty((3, width), np.float32)
    for y in range(step // 2, rows, step):
        knot, share, start = above[y], shares[y], starts[y]
        rest = one - share
        for k in range(2):
            for u in range(columns):
                mean = half * (offsets[0, knot + k, u] + offsets[2, knot + k, u])
                bent[k, u] = offsets[1, knot + k, u] - mean
        for u in range(columns):
            own[u] = bent[0, u] + share * (bent[1, u] - bent[0, u])
        for k in range(3):
            _levelled_row(planes[k], tables[k], y, grey[k], clear[k])
        for x in range(width):
            u = start + x
            bend = grey[1, x] - half * (grey[0, x] + grey[2, x])
            left = bend - own[u]
            near = one / (one + left * left * inverse)
            weight = near * near * clear[0, x] * clear[1, x] * clear[2, x]
            bend *= weight
            weights[knot, u] += rest * weight
            weights[knot + 1, u] += share * weight
            sums[knot, u] += rest * bend
            sums[knot + 1, u] += share * bend


@compiled(fastmath=True)
def fill_offsets(offsets: Any, above: Any, shares: Any, starts: Any, result: Any) -> None:
    """Fill in the offset of each pixel, axes (y, x), from those at knots; see `add_slopes`."""
    rows, width = result.shape
    for y in range(rows):
        knot, share, start = above[y], shares[y], starts[y]
        for x in range(width):
            here, below = offsets[knot, start + x], offsets[knot + 1, start + x]
            result[y, x] = here + share * (below - here)
