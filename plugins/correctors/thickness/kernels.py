"""Brightness features of tiles and their mean squared differences; loops for Numba."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled
def column_sums(image: np.ndarray, out: np.ndarray) -> None:
    """Add up the rows of an image (y, x) into out (x,), float64."""
    out[:] = 0.0
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            out[x] += image[y, x]


@compiled
def histogram(image: np.ndarray, low: float, high: float, counts: np.ndarray) -> None:
    """Count the values of an image in even classes from low to high; others are left out."""
    counts[:] = 0
    scale = len(counts) / (high - low)
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            place = (image[y, x] - low) * scale
            if 0 <= place < len(counts):
                counts[int(place)] += 1


@compiled
def ramps(
    image: np.ndarray, stripes: np.ndarray, starts: np.ndarray, scales: np.ndarray, out: np.ndarray
) -> None:
    """Write (value - stripe - start) * scale of each feature, from 0 to 255.

    Args:
        image: (y, x).
        stripes: (x,), subtracted.
        starts: (feature,), grey values that become 0.
        scales: (feature,), 255 over the width of the ramp.
        out: uint8 (feature, y, x).
    """
    for feature in range(len(starts)):
        start, scale = np.float32(starts[feature]), np.float32(scales[feature])
        for y in range(image.shape[0]):
            for x in range(image.shape[1]):
                value = (np.float32(image[y, x]) - stripes[x] - start) * scale
                out[feature, y, x] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))


@compiled
def squared_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return half the mean squared difference of two uint8 images of one shape."""
    total = np.int64(0)
    for y in range(a.shape[0]):
        row = np.int32(0)
        for x in range(a.shape[1]):
            d = np.int32(a[y, x]) - np.int32(b[y, x])
            row += d * d
        total += row
    return 0.5 * total / a.size
