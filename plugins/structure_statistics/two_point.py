"""Two-point correlation S2(r) along an axis.

S2(r) is the probability that two points at distance r both lie in the phase (Torquato, Random
Heterogeneous Materials, 2002, section 2.2). S2(0) is the volume fraction phi; without long-range
order S2 tends to phi^2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.structure_statistics.packed_bits import SLAB, Phase, pack_bits, popcount
from fib_plugins.threads import in_threads
from fibcore.errors import FibError

Counters = tuple[Callable[[np.ndarray, int], np.ndarray], Callable[[np.ndarray, int], np.ndarray]]
"""Functions of C-contiguous words and `max_lag`, which return a count for each lag: along x, of
slabs (z, y, word); along y or z, of slabs with that axis in the middle."""


def two_point_correlation(
    labels: np.ndarray,
    axis: int,
    max_lag: int,
    phase: Phase = "solid",
    threads: int = 1,
) -> np.ndarray:
    """Return S2(r) of a phase along one axis, for r = 0 to `max_lag` voxels.

    The volume is not taken as periodic: S2(r) is the mean over all pairs of voxels that are r
    apart along the axis, n - r of them on each of its lines. Pairs are counted as integers, so
    the result is exact and does not depend on the number of threads.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid.
        axis: 0 (z), 1 (y) or 2 (x).
        max_lag: largest distance in voxels, less than the edge along the axis.
        phase: ``solid`` or ``pore``.
        threads: number of CPU threads.

    Returns:
        float64, `max_lag` + 1 probabilities from 0 to 1.

    Raises:
        FibError: if `max_lag` reaches across the volume.
    """
    check_lag(labels.shape, axis, max_lag)
    counted = count_in_slabs(PAIRS, pack_bits(labels, phase, threads), axis, max_lag, threads)
    return counted / pairs(labels.shape, axis, max_lag)


def count_in_slabs(
    counters: Counters,
    words: np.ndarray,
    axis: int,
    max_lag: int,
    threads: int,
) -> np.ndarray:
    """Return the sum of what is counted in slabs of the words along an axis.

    Args:
        counters: `PAIRS`, or those of another quantity.
        words: from `pack_bits`.
        axis: 0 (z), 1 (y) or 2 (x).
        max_lag: largest distance in voxels.
        threads: number of CPU threads.

    Returns:
        int64, one count for each lag from 0 to `max_lag`.
    """
    count = counters[0] if axis == 2 else counters[1]
    lines = words if axis == 2 else np.moveaxis(words, axis, 1)

    def count_slab(first: int) -> np.ndarray:
        return count(np.ascontiguousarray(lines[first : first + SLAB]), max_lag)

    return np.sum(in_threads(count_slab, range(0, len(lines), SLAB), threads), axis=0)


def check_lag(shape: tuple[int, ...], axis: int, max_lag: int) -> None:
    """Raise a FibError if `max_lag` voxels do not fit into the volume along the axis."""
    if not 0 <= max_lag < shape[axis]:
        raise FibError(
            f"a distance of {max_lag} voxels along {'zyx'[axis]}, where the volume has "
            f"{shape[axis]}: give 0 to {shape[axis] - 1}"
        )


def pairs(shape: tuple[int, ...], axis: int, max_lag: int) -> np.ndarray:
    """Return how many pairs of voxels are r apart along the axis, for r = 0 to `max_lag`."""
    lines = int(np.prod(shape, dtype=np.int64)) // shape[axis]
    return lines * (shape[axis] - np.arange(max_lag + 1, dtype=np.int64))


@compiled
def _pairs_across_rows(words: np.ndarray, max_lag: int) -> np.ndarray:
    """Count pairs along axis 1 of words (line, n, word), for each lag."""
    lines, n, width = words.shape
    counts = np.zeros(max_lag + 1, np.int64)
    for line in range(lines):
        for lag in range(max_lag + 1):
            count = np.uint64(0)
            for i in range(n - lag):
                for w in range(width):
                    count += popcount(words[line, i, w] & words[line, i + lag, w])
            counts[lag] += np.int64(count)
    return counts


@compiled
def _pairs_along_rows(words: np.ndarray, max_lag: int) -> np.ndarray:
    """Count pairs along x of words (z, y, word), for each lag."""
    nz, ny, width = words.shape
    counts = np.zeros(max_lag + 1, np.int64)
    for z in range(nz):
        for y in range(ny):
            row = words[z, y]
            for lag in range(max_lag + 1):
                skip = lag // 64
                low = np.uint64(lag % 64)
                # Two shifts, since one by 64 bits is undefined (low = 0).
                high = np.uint64(63) - low
                count = np.uint64(0)
                for w in range(width - skip - 1):
                    shifted = (row[w + skip] >> low) | ((row[w + skip + 1] << high) << np.uint64(1))
                    count += popcount(row[w] & shifted)
                count += popcount(row[width - 1 - skip] & (row[width - 1] >> low))
                counts[lag] += np.int64(count)
    return counts


PAIRS: Counters = (_pairs_along_rows, _pairs_across_rows)
