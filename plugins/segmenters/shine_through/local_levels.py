"""Local thresholds between the grey values of solid and pore in the neighbourhood of a voxel."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from fib_plugins.segmenters.shine_through.grey_stack import GreyStack, widened, within
from fibcore import Context

SCARCE = 0.02
"""Share of a phase in the neighbourhood below which its grey value is that of the whole stack."""
BAND_PIXELS = 2**20
"""Pixels of a slice that are worked on at a time, in whole rows."""
TRUNCATE = 2.0
"""Slices that count, in standard deviations of the window."""


def bytes_of_refinement(shape: tuple[int, int, int], radius_px: float) -> int:
    """Return the memory of `refine`, arrays of the whole stack apart."""
    _, height, width = shape
    rows = min(_rows_of_band(width) + 2 * _halo(radius_px), height)
    return (12 * (2 * _reach(radius_px) + 1) + 90) * rows * width


def refine(
    stack: GreyStack, labels: np.ndarray, radius_px: float, position: float, context: Context
) -> None:
    """Segment by local thresholds that follow from a first segmentation, in place.

    The threshold of a voxel lies at `position` between the mean grey values of pore (0) and solid
    (1), each a mean over a Gaussian window, half as wide along z as within slices. Without solid in
    the window, a voxel stays pore. Bands of rows are treated one after the other.

    Args:
        stack: the stack.
        labels: the first segmentation, 0 and 1, axes (z, y, x).
        radius_px: standard deviation of the window within slices.
        position: from 0 to 1.
        context: for progress, and for an array like the labels.
    """
    _, height, width = labels.shape
    refined = context.empty("refined", labels.shape, np.uint8)
    starts = range(0, height, _rows_of_band(width))
    for start in context.track(starts, "bands of rows cut by local thresholds"):
        rows = slice(start, min(start + starts.step, height))
        for z, plane in enumerate(_band(stack, labels, rows, radius_px, position)):
            refined[z, rows] = plane
    for z in range(len(labels)):
        labels[z] = refined[z]


def _band(
    stack: GreyStack, labels: np.ndarray, rows: slice, radius_px: float, position: float
) -> Iterator[np.ndarray]:
    """Yield the rows of each slice, in order."""
    depth, reach = len(labels), _reach(radius_px)
    apart = np.arange(-reach, reach + 1) / _sigma_z(radius_px)
    weights = np.exp(-0.5 * apart**2).astype(np.float32)
    weights /= weights.sum()
    window: deque[np.ndarray] = deque(maxlen=2 * reach + 1)
    window.extend([_sums(stack, labels, 0, rows, radius_px)] * (reach + 1))
    for z in range(1, depth + reach):
        window.append(_sums(stack, labels, z, rows, radius_px) if z < depth else window[-1])
        if z < reach:
            continue
        total = weights[0] * window[0]
        for weight, sums in zip(weights[1:], list(window)[1:], strict=True):
            total += weight * sums
        solid, bright, dark = total
        few, full = solid < SCARCE, solid > 1.0 - SCARCE
        high = bright / np.maximum(solid, SCARCE)
        low = np.where(full, np.float32(stack.dark), dark / np.maximum(1.0 - solid, SCARCE))
        grey = stack.plane(z - reach, rows=rows)
        yield (grey >= low + position * (high - low)) & ~few


def _sums(
    stack: GreyStack, labels: np.ndarray, z: int, rows: slice, radius_px: float
) -> np.ndarray:
    """Return the shares of solid, and the grey values of solid and of pore, in the window."""
    from scipy.ndimage import gaussian_filter

    height = labels.shape[1]
    wider = widened(rows, _halo(radius_px), height)
    inner = within(rows, wider, height)
    grey, solid = stack.plane(z, rows=wider), labels[z, wider].astype(np.float32)
    parts = (solid, grey * solid, grey * (1 - solid))
    return np.stack([gaussian_filter(part, radius_px)[inner] for part in parts])


def _rows_of_band(width: int) -> int:
    return max(1, BAND_PIXELS // width)


def _halo(radius_px: float) -> int:
    """Rows beyond a band that the window reaches; scipy cuts a Gaussian at 4 deviations."""
    return int(4 * radius_px) + 1


def _reach(radius_px: float) -> int:
    """Slices before and after a voxel that the window reaches."""
    return int(np.ceil(TRUNCATE * _sigma_z(radius_px)))


def _sigma_z(radius_px: float) -> float:
    return max(radius_px / 2.0, 0.5)
