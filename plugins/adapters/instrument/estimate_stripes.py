"""Estimation of scan line offsets and curtains, which are constant along a row or a column.

Rows (or columns) are cut into blocks. Structure and noise differ from block to block, an offset of
the whole row does not: the covariance of different blocks is the variance of the offsets, without
a bias from structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument.effects import FWHM_PER_SIGMA

LINE_BLOCKS = 8
CURTAIN_BLOCKS = 5
SECOND_DIFFERENCE = 1.5
"""Variance of a - (b + c) / 2, in units of that of the independent numbers a, b, c."""
SMOOTHING_PX = 1.25
"""Gaussian that removes noise before slopes across curtains are measured."""
DARKEST = 0.05
"""Slopes are relative to the signal, or to this quantile of it where it is lower."""
FLAT = 0.3
FLAT_OF_NORMAL = 0.385
"""The quantile FLAT of absolute slopes shows the noise in flat parts: that of a normal number."""
BIWEIGHT = 3.0
"""Slopes beyond so many standard deviations of that noise are edges."""
ITERATIONS = 5
ENOUGH = 10.0
"""More weight than this makes a mean no better: what is left is not noise."""
THINNEST_PX = 0.5
SIGNIFICANT = 3.0
"""Curtains count if their covariance is above this many standard errors."""
SHARED = 4.0
"""Covariances of pairs of blocks share blocks and structure: this many count as one."""


def line_noise(planes: Sequence[np.ndarray]) -> float:
    """Return the standard deviation of scan line offsets in slices (y, x); lines are rows.

    Each row is compared with the mean of its neighbours; medians of blocks ignore edges.
    """
    covariances = []
    for plane in planes:
        change = plane[1:-1] - 0.5 * (plane[:-2] + plane[2:])
        parts = np.array_split(change, LINE_BLOCKS, axis=1)
        medians = np.stack([np.median(part, axis=1) for part in parts])
        pairs = LINE_BLOCKS * (LINE_BLOCKS - 1)
        crossed = medians.sum(axis=0) ** 2 - (medians**2).sum(axis=0)
        covariances.append(float(crossed.mean()) / pairs)
    return float(np.sqrt(max(float(np.mean(covariances)), 0.0) / SECOND_DIFFERENCE))


@dataclass(frozen=True)
class Curtains:
    """Stripes along the milling direction.

    Attributes:
        deviation: standard deviation, as a fraction of the signal; 0 where none is visible.
        width_nm: FWHM; None where there are none.
        slices: number of slices over which they persist; None likewise.
    """

    deviation: float
    width_nm: float | None
    slices: float | None


def curtains(
    planes: Sequence[np.ndarray], offset: float, pixel_nm: float, blur_fwhm_nm: float
) -> Curtains:
    """Return the stripes along the first axis of slices.

    The estimate uses the relative slope of the signal across the stripes. Stripes made by a
    Gaussian of deviation s and blurred to S have slopes with the covariance
    v s / S (1 - lag^2 / (2 S^2)) exp(-lag^2 / (4 S^2)) / (2 S^2), v their variance before the
    blur: zero at lag sqrt(2) S. On images made with known stripes the estimated deviation is
    a sixth to a quarter too low, because some slopes of stripes are taken for edges.

    Args:
        planes: consecutive slices, the axis along the stripes first.
        offset: level of no signal.
        pixel_nm: size of pixels across the stripes.
        blur_fwhm_nm: of the beam.
    """
    parts = [_slopes(plane - offset) for plane in planes]
    slopes, weights = (np.stack(part) for part in zip(*parts, strict=True))
    none = Curtains(0.0, None, None)
    at_once, error = _covariance((slopes, weights), (slopes, weights), 0)
    if at_once <= SIGNIFICANT * error:
        return none
    along = [at_once]
    while along[-1] > 0 and len(along) < slopes.shape[2] // 2:
        along.append(_covariance((slopes, weights), (slopes, weights), len(along))[0])
    if along[-1] > 0:
        return none  # a trend, no stripes
    crossing = len(along) - 2 + along[-2] / (along[-2] - along[-1])
    total = crossing / np.sqrt(2.0)
    beam = blur_fwhm_nm / FWHM_PER_SIGMA / pixel_nm
    own = np.sqrt(max(total**2 - beam**2 - SMOOTHING_PX**2, THINNEST_PX**2))
    deviation = np.sqrt(at_once * 2.0 * total**3 / own)
    slices = 0.0
    if len(planes) > 1:
        above, below = (slopes[:-1], weights[:-1]), (slopes[1:], weights[1:])
        kept = _covariance(above, below, 0)[0] / at_once
        slices = float(-1.0 / np.log(min(kept, 0.98))) if kept > 0.1 else 0.0
    return Curtains(float(deviation), float(own * FWHM_PER_SIGMA * pixel_nm), slices)


def _slopes(signal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the relative slope across the stripes in blocks, and its weight.

    For each block and pixel across the stripes it is a mean over the pixels along them, without
    edges: Tukey's biweight about itself, on the scale of slopes across the stripes. Pixels with
    steep slopes along the stripes, which cannot come from them, have less weight, too.

    Returns:
        slopes per pixel and sums of weights, both in axes (block, pixel).
    """
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(signal, SMOOTHING_PX)
    smooth = np.maximum(smooth, max(float(np.quantile(smooth, DARKEST)), 1e-6))
    along, across = (slope / smooth for slope in np.gradient(smooth))
    reach_along, reach = (
        max(BIWEIGHT * float(np.quantile(np.abs(slope), FLAT)) / FLAT_OF_NORMAL, 1e-9)
        for slope in (along, across)
    )
    flat = _biweight(along / reach_along)
    slopes, weights = [], []
    blocks = zip(
        np.array_split(across, CURTAIN_BLOCKS), np.array_split(flat, CURTAIN_BLOCKS), strict=True
    )
    for slope, allowed in blocks:
        mean = np.zeros(slope.shape[1])
        for _ in range(ITERATIONS):
            weight = allowed * _biweight((slope - mean) / reach)
            total = weight.sum(axis=0)
            mean = (weight * slope).sum(axis=0) / np.maximum(total, 1e-9)
        slopes.append(mean)
        weights.append(np.minimum(total, ENOUGH))
    return np.stack(slopes), np.stack(weights)


def _biweight(distance: np.ndarray) -> np.ndarray:
    within = np.minimum(np.abs(distance), 1.0)  # the square of large ones would overflow
    return (1.0 - within**2) ** 2


def _covariance(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], lag: int
) -> tuple[float, float]:
    """Return the covariance of blocks that do not touch, and its standard error.

    Args:
        first: slopes and weights, each in axes (slice, block, pixel).
        second: their partners; each block is paired with other blocks of the same slice.
        lag: number of pixels by which `first` is ahead.
    """
    blocks, pixels = first[0].shape[1:]
    ahead = [part[:, :, lag:] for part in first]
    behind = [part[:, :, : pixels - lag] for part in second]
    products, weights = [], []
    for a in range(blocks):
        for b in range(blocks):
            if abs(a - b) > 1:
                weight = ahead[1][:, a] * behind[1][:, b]
                products.append(np.sum(weight * ahead[0][:, a] * behind[0][:, b], axis=1))
                weights.append(np.sum(weight, axis=1))
    product, weight = np.array(products), np.array(weights)
    if not weight.any():
        return 0.0, 0.0
    mean = product.sum() / weight.sum()
    scatter = (product - mean * weight) / weight.mean()
    return float(mean), float(scatter.std() / np.sqrt(scatter.size / SHARED))
