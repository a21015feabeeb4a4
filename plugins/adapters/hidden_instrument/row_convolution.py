"""The loop of a convolution whose kernel differs from row to row."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled
def convolve_rows(padded: np.ndarray, kernels: np.ndarray, result: np.ndarray) -> np.ndarray:
    """Add the signal convolved with each row's kernel to `result`, and return it.

    Args:
        padded: signal with a margin of half a kernel, axes (y, x), float32.
        kernels: axes (row, y, x), odd sizes, float32.
        result: zeros, axes (y, x), float32.
    """
    height, width = result.shape
    for y in range(height):
        row = result[y]
        for j in range(kernels.shape[1]):
            source = padded[y + j]
            for i in range(kernels.shape[2]):
                weight = kernels[y, j, i]
                for x in range(width):
                    row[x] += weight * source[x + i]
    return result
