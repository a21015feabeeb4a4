"""The shares of given voxels in new ones, along one axis: overlaps or interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Interpolation = Literal["linear", "cubic"]

ROUNDING = 1e-6
"""Part of a voxel that may be missing at the end of an axis."""
COARSER = 1.5
"""New slices of more than this many uneven ones are averages, thinner ones are interpolated."""


@dataclass(frozen=True)
class Weights:
    """Each new voxel is a weighted sum of consecutive given ones.

    Attributes:
        first: the first given voxel of each new one, int64 (new,).
        shares: float32 (new, width); each row sums to 1, unused entries are 0.
        identity: whether new voxels are the given ones.
    """

    first: np.ndarray
    shares: np.ndarray
    identity: bool = False

    def __len__(self) -> int:
        return len(self.first)


def count_of(length_nm: float, size_nm: float) -> int:
    """Return how many whole voxels fit into a length; at least one."""
    return max(1, int(np.floor(length_nm / size_nm + ROUNDING)))


def is_same(given_nm: float, new_nm: float, count: int) -> bool:
    """Return whether voxels of two sizes agree over `count` of them to a hundredth of a voxel."""
    return abs(given_nm / new_nm - 1) * count < 0.01


def edges_of(positions: np.ndarray) -> np.ndarray:
    """Return the boundaries (n + 1,) of slices at positions (n,): half way to their neighbours."""
    middle = (positions[1:] + positions[:-1]) / 2
    first, last = 2 * positions[0] - middle[0], 2 * positions[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def even_weights(count: int, given_nm: float, new_nm: float, how: Interpolation) -> Weights:
    """Return the weights for an axis of `count` even voxels.

    Larger voxels are averages over what they cover, smaller ones are interpolated at their centre.
    """
    new = count_of(count * given_nm, new_nm)
    if is_same(given_nm, new_nm, count):
        return Weights(np.arange(count), np.ones((count, 1), np.float32), identity=True)
    if new_nm > given_nm:
        return overlaps(np.arange(count + 1) * given_nm, np.arange(new + 1) * new_nm)
    centres = (np.arange(count) + 0.5) * given_nm
    return interpolated(centres, (np.arange(new) + 0.5) * new_nm, how)


def uneven_weights(positions: np.ndarray, new_nm: float, how: Interpolation) -> Weights:
    """Return the weights for slices at uneven positions, nm.

    New slices begin at the first boundary, see `edges_of`. They are averages if they are at least
    `COARSER` times as thick as the given ones on average, else interpolated.
    """
    if len(positions) == 1:
        return Weights(np.zeros(1, np.int64), np.ones((1, 1), np.float32), identity=True)
    edges = edges_of(positions)
    new = count_of(edges[-1] - edges[0], new_nm)
    if new_nm >= COARSER * (edges[-1] - edges[0]) / len(positions):
        return overlaps(edges, edges[0] + np.arange(new + 1) * new_nm)
    return interpolated(positions, edges[0] + (np.arange(new) + 0.5) * new_nm, how)


def overlaps(edges: np.ndarray, new_edges: np.ndarray) -> Weights:
    """Return the lengths that given cells (n + 1 edges) have in new ones, as shares of these."""
    low = np.maximum(new_edges[:-1], edges[0])
    high = np.minimum(new_edges[1:], edges[-1])
    first = np.clip(np.searchsorted(edges, low, "right") - 1, 0, len(edges) - 2)
    last = np.clip(np.searchsorted(edges, high, "left"), 1, len(edges) - 1)
    cells = first[:, None] + np.arange(int((last - first).max()))
    inside = cells < len(edges) - 1
    cells = np.minimum(cells, len(edges) - 2)
    length = np.minimum(high[:, None], edges[cells + 1]) - np.maximum(low[:, None], edges[cells])
    shares = np.where(inside, np.maximum(length, 0.0), 0.0)
    return _within(first, shares, len(edges) - 1)


def interpolated(places: np.ndarray, new_places: np.ndarray, how: Interpolation) -> Weights:
    """Return the weights of interpolation between given places; constant beyond the last ones.

    Cubic: Hermite polynomials whose slopes are those of parabolas through three neighbours (at
    even places the Catmull-Rom spline; Catmull and Rom, Computer Aided Geometric Design (1974)
    317).
    """
    count = len(places)
    if count == 1:
        new = len(new_places)
        return Weights(np.zeros(new, np.int64), np.ones((new, 1), np.float32))
    left = np.clip(np.searchsorted(places, new_places, "right") - 1, 0, count - 2)
    step = places[left + 1] - places[left]
    t = np.clip((new_places - places[left]) / step, 0.0, 1.0)
    shares = np.zeros((len(t), 4))  # of left - 1, left, left + 1, left + 2
    if how == "linear":
        shares[:, 1], shares[:, 2] = 1 - t, t
    else:
        shares[:, 1] = (1 + 2 * t) * (1 - t) ** 2
        shares[:, 2] = t**2 * (3 - 2 * t)
        for at, part in ((0, t * (1 - t) ** 2), (1, t**2 * (t - 1))):
            slope = _slopes(places)[left + at] * step[:, None]
            shares[:, at : at + 3] += part[:, None] * slope
    first = left - 1
    for row in np.flatnonzero((first < 0) | (first + 4 > count)):  # next to the ends
        moved, whole = np.zeros(4), int(np.clip(first[row], 0, max(count - 4, 0)))
        for k in range(4):
            if shares[row, k]:
                moved[first[row] + k - whole] += shares[row, k]
        first[row], shares[row] = whole, moved
    return _within(first, shares, count)


def _slopes(places: np.ndarray) -> np.ndarray:
    """Return the weights (n, 3) of the neighbours in the slope at each place; one-sided at ends."""
    weights = np.zeros((len(places), 3))
    h = np.diff(places)
    before, after = h[:-1], h[1:]
    weights[1:-1, 0] = -after / (before * (before + after))
    weights[1:-1, 1] = (after - before) / (before * after)
    weights[1:-1, 2] = before / (after * (before + after))
    weights[0, 1:] = -1 / h[0], 1 / h[0]
    weights[-1, :2] = -1 / h[-1], 1 / h[-1]
    return weights


def _within(first: np.ndarray, shares: np.ndarray, count: int) -> Weights:
    """Return weights whose rows sum to 1, of which none reaches beyond the last given voxel."""
    width = min(shares.shape[1], count)
    for row in np.flatnonzero(first + width > count):
        moved = np.zeros(shares.shape[1])
        by = int(first[row] + width - count)
        moved[by:] = shares[row, : shares.shape[1] - by]
        first[row], shares[row] = first[row] - by, moved
    shares = shares[:, :width]
    used = max(1, int(np.flatnonzero(np.any(shares != 0, axis=0)).max()) + 1)
    shares = shares[:, :used] / shares.sum(axis=1, keepdims=True)
    return Weights(first.astype(np.int64), np.ascontiguousarray(shares, dtype=np.float32))
