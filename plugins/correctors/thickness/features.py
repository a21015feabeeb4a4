"""What is compared: the face of the solid, from grey values normalised in each tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.thickness.kernels import column_sums, histogram, ramps

RAMPS = {"bright": ((0.85, 1.05), (0.70, 1.00)), "grey": ((-0.25, 1.25),)}
"""Ranges of the features, where 0 is dark and 1 the mode of the bright phase."""
TILE, SMALLEST, MOST = 256, 40, 4
"""Edges of tiles, pixels, and most of them along an axis."""
CLASSES, SMOOTH, STRIPE = 96, 2.0, 5.0
"""Classes of the histogram of a tile, their smoothing, and the width of stripes, pixels."""
MEDIAN = 5
"""Slices over which levels are filtered."""


@dataclass(frozen=True)
class Tile:
    """A part of the field: rows and columns."""

    rows: slice
    columns: slice

    @property
    def edge(self) -> int:
        """Length of its shorter edge."""
        return min(self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)


def tiles_of(height: int, width: int) -> list[Tile]:
    """Return at most 16 tiles, of up to 256 x 256 pixels, evenly spread over the field."""

    def parts(length: int) -> list[slice]:
        count = int(np.clip(length // SMALLEST, 1, MOST))
        edge = min(TILE, length // count)
        starts = np.rint(np.linspace(0, length - edge, count)).astype(int)
        return [slice(int(start), int(start) + edge) for start in starts]

    return [Tile(rows, columns) for rows in parts(height) for columns in parts(width)]


def stripes_of(image: np.ndarray) -> np.ndarray:
    """Return the curtains of a slice (y, x) as float32 (x,): its column means, high-passed.

    They are the Fourier components with k_y = 0, except those that are wider than a stripe.
    """
    from scipy.ndimage import gaussian_filter1d

    sums = np.empty(image.shape[1])
    column_sums(image, sums)
    means = sums / image.shape[0]
    return np.asarray(means - gaussian_filter1d(means, STRIPE, mode="nearest"), np.float32)


def levels_of(image: np.ndarray) -> tuple[float, float]:
    """Return the dark level and the mode of the bright half of a tile (y, x).

    The dark level is the 2 % quantile. Equal levels mean that the tile is constant.
    """
    from scipy.ndimage import gaussian_filter1d

    step = max(1, int(np.sqrt(image.size / 8192)))
    low, high = np.quantile(image[::step, ::step], (0.02, 0.995)).astype(float)
    if not high > low:
        return low, low
    high += 0.05 * (high - low)
    classes = CLASSES
    if image.dtype.kind in "ui":  # whole classes: otherwise some hold more values than others
        width = max(1, round((high - low) / CLASSES))
        classes = max(8, int(np.ceil((high - low) / width)))
        low, high = low - 0.5, low - 0.5 + classes * width
    counts = np.empty(classes, np.int64)
    histogram(image, low, high, counts)
    smooth = gaussian_filter1d(counts.astype(float), SMOOTH * classes / CLASSES)
    upper = smooth[classes // 2 :]
    mode = classes // 2 + int(np.argmax(upper))
    left, right = smooth[max(mode - 1, 0)], smooth[min(mode + 1, classes - 1)]
    bend = left - 2 * smooth[mode] + right
    offset = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return low, low + (mode + 0.5 + float(np.clip(offset, -0.5, 0.5))) * (high - low) / classes


def filtered_levels(levels: np.ndarray) -> np.ndarray:
    """Return levels (slice, ..., 2) after a median over neighbouring slices.

    Brightness and contrast of a slice are kept: the median is taken of what a tile differs by from
    the mean of its slice.
    """
    from scipy.ndimage import median_filter

    mean = levels.mean(axis=1, keepdims=True)
    size = (MEDIAN, *(1,) * (levels.ndim - 1))
    return np.asarray(mean + median_filter(levels - mean, size, mode="nearest"))


def features_of(
    image: np.ndarray,
    stripes: np.ndarray,
    levels: np.ndarray,
    ranges: Sequence[tuple[float, float]],
) -> np.ndarray:
    """Return the features of a tile, uint8 (feature, y, x).

    Args:
        image: the tile (y, x).
        stripes: its curtains (x,).
        levels: its dark and bright level.
        ranges: where each feature begins and ends, on the scale of the levels.
    """
    dark, bright = levels
    span = max(bright - dark, 1e-12)
    starts = np.array([dark + start * span for start, _ in ranges])
    scales = np.array([255 / ((end - start) * span) for start, end in ranges])
    out = np.empty((len(ranges), *image.shape), np.uint8)
    ramps(image, stripes, starts, scales, out)
    return out
