"""Weighted sums of rows, compiled."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled
def weighted_rows(
    plane: np.ndarray, rows: np.ndarray, weights: np.ndarray, highest: float, out: np.ndarray
) -> None:
    """Set each row of `out` to the weighted sum of rows of `plane`.

    Args:
        plane: grey values, axes (y, x).
        rows: rows of `plane`, axes (row of the result, tap).
        weights: float32, in the same axes.
        highest: of integers, to which sums are rounded, from 0; 0: sums are not rounded.
        out: of the type of `plane`, axes (row of the result, x).
    """
    width = plane.shape[1]
    top = np.float32(highest)
    line = np.empty(width, np.float32)
    for y in range(out.shape[0]):
        for x in range(width):
            line[x] = 0.0
        for k in range(rows.shape[1]):
            weight = weights[y, k]
            if weight != 0.0:
                source = plane[rows[y, k]]
                for x in range(width):
                    line[x] += weight * np.float32(source[x])
        made = out[y]
        if top > 0.0:
            for x in range(width):
                made[x] = np.rint(min(max(line[x], np.float32(0.0)), top))
        else:
            for x in range(width):
                made[x] = line[x]
