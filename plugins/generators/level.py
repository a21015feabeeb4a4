"""Cut a field at a level: keep the voxels below a value, or the smallest ones up to an exact count.

The field is evaluated in slabs and never held as a whole. In the given labels the candidate voxels
are non-zero; in the result those that are kept are 1, all others 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fib_plugins.generators.slabs import SLAB_VOXELS, Slab, in_threads, slabs_of
from fib_plugins.threads import bytes_in_threads
from fibcore.context import Context

Field = Callable[[Slab], np.ndarray]
"""Gives the slices of a slab as float32 (z, y, x), the same values at every call."""

SAMPLED_SLICES = 32
FIRST_WINDOW = 0.01
SAMPLED_VALUES = 2**23
"""Most values that are sampled."""
MOST_COLLECTED = 2**25
"""Most values that are collected between the bounds of the level, about."""
BINS = 2**12
SLAB_BYTES = 14
"""Memory of a thread for each voxel of a slab: the field, and what is decided."""

BELOW, UNDECIDED, ABOVE = 1, 2, 3


def cut_bytes(shape: tuple[int, ...]) -> int:
    """Return the memory in which a field of this shape is cut, without labels and field."""
    voxels = math.prod(shape)
    collected = 8 * min(int(2 * FIRST_WINDOW * voxels), MOST_COLLECTED)
    sampled = 8 * min(voxels, SAMPLED_VALUES)
    return bytes_in_threads(_slab_bytes(shape)) + max(collected, sampled)


def keep_below(field: Field, labels: np.ndarray, level: float, context: Context) -> None:
    """Keep the voxels where the field is below a level.

    Args:
        field: the field.
        labels: uint8 (z, y, x), changed in place.
        level: a value of the field.
        context: threads and progress.
    """

    def decide(slab: Slab) -> None:
        part = labels[slab[0] : slab[1]]
        part[:] = (part > 0) & (field(slab) < level)

    _sweep(decide, labels, context)


def keep_smallest(field: Field, labels: np.ndarray, fraction: float, context: Context) -> float:
    """Keep the voxels of smallest value, up to this fraction, exact to one voxel.

    A sample of slices gives bounds of the level; one sweep then decides all voxels except those in
    between, whose values are collected and ranked. Where these would be many, a sweep before counts
    them in bins, which gives narrower bounds: memory does not grow with the volume. Of equal values
    those that come first in (z, y, x) order are kept.

    Args:
        field: the field.
        labels: uint8 (z, y, x), changed in place.
        fraction: of the voxels that are non-zero in `labels`, 0 to 1.
        context: threads and progress.

    Returns:
        The largest value kept; minus infinity if none is.
    """
    candidates = sum(int(np.count_nonzero(labels[z])) for z in range(len(labels)))
    wanted = round(fraction * candidates)
    sample = _sample(field, labels, context)
    window = FIRST_WINDOW
    while True:
        low, high = (_quantile(sample, fraction + side * window) for side in (-1, 1))
        if 2 * window * candidates > MOST_COLLECTED:
            low, high = _narrowed(field, labels, low, high, wanted, context)

        def decide(slab: Slab, low: float = low, high: float = high) -> tuple[int, np.ndarray]:
            part, values = labels[slab[0] : slab[1]], field(slab)
            between = (values >= low) & (values <= high) & (part > 0)
            below = (values < low) & (part > 0)
            part[part > 0] = ABOVE
            part[below] = BELOW
            part[between] = UNDECIDED
            return int(np.count_nonzero(below)), values[between]

        decided = _sweep(decide, labels, context)
        values = np.concatenate([between for _, between in decided])
        missing = wanted - sum(below for below, _ in decided)
        if 0 <= missing <= len(values):
            break
        window *= 8  # the level was outside the bounds; beyond 1 they are infinite
    kept = np.zeros(len(values), bool)
    level = low
    if missing > 0:
        level = float(np.partition(values, missing - 1)[missing - 1])
        kept = values < level
        ties = np.flatnonzero(values == level)
        kept[ties[: missing - np.count_nonzero(kept)]] = True
    ends = np.cumsum([len(between) for _, between in decided])
    for slab, end, (_, between) in zip(slabs_of(labels.shape), ends, decided, strict=True):
        part = labels[slab[0] : slab[1]]
        part[part == ABOVE] = 0
        part[part == UNDECIDED] = kept[end - len(between) : end]
    return level


def _narrowed(
    field: Field, labels: np.ndarray, low: float, high: float, wanted: int, context: Context
) -> tuple[float, float]:
    """Return narrower bounds of the level, if it lies between these; else these.

    Args:
        field: the field.
        labels: the candidates.
        low: lower bound, finite or not.
        high: upper bound.
        wanted: number of values that are to be kept.
        context: threads and progress.
    """
    if not np.isfinite([low, high]).all():
        return low, high
    edges = np.linspace(low, high, BINS + 1, dtype=np.float32)

    def count(slab: Slab) -> np.ndarray:
        values = field(slab)[labels[slab[0] : slab[1]] > 0]
        places = np.searchsorted(edges, values, "right")
        return np.bincount(places, minlength=len(edges) + 1)

    smaller = np.cumsum(sum(_sweep(count, labels, context)))  # than each edge; last: all
    bin_ = int(np.searchsorted(smaller, wanted, "right")) - 1
    if not 0 <= bin_ < BINS:
        return low, high
    return float(edges[bin_]), float(edges[bin_ + 1])


def _sweep(work: Callable, labels: np.ndarray, context: Context) -> list:
    slabs = slabs_of(labels.shape)
    done = in_threads(work, slabs, context, _slab_bytes(labels.shape))
    return list(context.track(done, "cutting at the level", len(slabs)))


def _slab_bytes(shape: tuple[int, ...]) -> int:
    return SLAB_BYTES * min(math.prod(shape), max(SLAB_VOXELS, shape[1] * shape[2]))


def _sample(field: Field, labels: np.ndarray, context: Context) -> np.ndarray:
    """Return the sorted values of the candidate voxels in some slices."""

    def values_of(z: int) -> np.ndarray:
        return field((z, z + 1))[0][labels[z] > 0][::step].copy()

    slices = range(0, len(labels), max(1, len(labels) // SAMPLED_SLICES))
    pixels = labels.shape[1] * labels.shape[2]
    step = max(1, len(slices) * pixels // SAMPLED_VALUES)
    return np.sort(np.concatenate(list(in_threads(values_of, slices, context))))


def _quantile(ordered: np.ndarray, fraction: float) -> float:
    """Return the value at a fraction of a sorted sample; infinite outside 0 to 1."""
    position = round(fraction * len(ordered))
    if position <= 0:
        return -np.inf
    return float(ordered[position]) if position < len(ordered) else np.inf
