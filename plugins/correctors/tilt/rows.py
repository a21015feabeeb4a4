"""Weighted sums of rows, compiled."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled
def weighted_rows(
    plane: np.ndarray, rows: np.ndarray, weights: np.ndarray, out: np.ndarray
) -> None:
    """Set each row of `out` to the weighted sum of rows of `plane`.

    Args:
        plane: grey values, axes (y, x).
        rows: rows of `plane`, axes (row of the result, tap).
        weights: float32, in the same axes.
        out: float32, axes (row of the result, x).
    """
    width = plane.shape[1]
    for y in range(out.shape[0]):
        line = out[y]
        for x in range(width):
            line[x] = 0.0
        for k in range(rows.shape[1]):
            weight = weights[y, k]
            if weight != 0.0:
                source = plane[rows[y, k]]
                for x in range(width):
                    line[x] += weight * np.float32(source[x])
