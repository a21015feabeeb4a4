"""Local thresholds between the grey values of solid and pore in the neighbourhood of a voxel."""

from __future__ import annotations

from collections import deque

import numpy as np

from fib_plugins.segmenters.shine_through.grey_stack import GreyStack
from fibcore import Context

SCARCE = 0.02
"""Share of a phase in the neighbourhood below which its grey value is that of the whole stack."""
TRUNCATE = 2.0
"""Slices that count, in standard deviations of the window."""


def refine(
    stack: GreyStack, labels: np.ndarray, radius_px: float, position: float, context: Context
) -> None:
    """Segment by local thresholds that follow from a first segmentation, in place.

    The threshold of a voxel lies at `position` between the mean grey values of pore (0) and solid
    (1), each a mean over a Gaussian window, half as wide along z as within slices. Without solid in
    the window, a voxel stays pore.

    Args:
        stack: the stack.
        labels: the first segmentation, 0 and 1, axes (z, y, x).
        radius_px: standard deviation of the window within slices.
        position: from 0 to 1.
        context: for progress.
    """
    depth = len(labels)
    sigma = max(radius_px / 2.0, 0.5)
    reach = int(np.ceil(TRUNCATE * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    weights /= weights.sum()
    window: deque[np.ndarray] = deque(maxlen=2 * reach + 1)
    first = _sums(stack, labels, 0, radius_px)
    window.extend([first] * (reach + 1))
    for z in range(1, reach + 1):
        window.append(
            _sums(stack, labels, min(z, depth - 1), radius_px) if z < depth else window[-1]
        )
    for z in range(depth):
        total = weights[0] * window[0]
        for weight, sums in zip(weights[1:], list(window)[1:], strict=True):
            total += weight * sums
        solid, bright, dark = total
        few, full = solid < SCARCE, solid > 1.0 - SCARCE
        high = bright / np.maximum(solid, SCARCE)
        low = np.where(full, np.float32(stack.dark), dark / np.maximum(1.0 - solid, SCARCE))
        labels[z] = (stack.plane(z) >= low + position * (high - low)) & ~few
        ahead = z + reach + 1
        window.append(_sums(stack, labels, ahead, radius_px) if ahead < depth else window[-1])
        context.progress(z + 1, depth, "slices cut by local thresholds")


def _sums(stack: GreyStack, labels: np.ndarray, z: int, radius_px: float) -> np.ndarray:
    """Return the shares of solid, and the grey values of solid and of pore, in the window."""
    from scipy.ndimage import gaussian_filter

    grey, solid = stack.plane(z), labels[z].astype(np.float32)
    return np.stack(
        [gaussian_filter(part, radius_px) for part in (solid, grey * solid, grey * (1 - solid))]
    )
