"""Lineal path function L(r) along an axis.

L(r) is the probability that a segment of length r lies wholly in the phase (Lu and Torquato,
Phys. Rev. A 45, 922 (1992)). L(0) is the volume fraction; L never increases with r and never
exceeds the two-point correlation.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.structure_statistics.packed_bits import Phase, pack_bits, popcount
from fib_plugins.structure_statistics.two_point import Counters, check_lag, count_in_slabs, pairs


def lineal_path(
    labels: np.ndarray,
    axis: int,
    max_lag: int,
    phase: Phase = "solid",
    threads: int = 1,
) -> np.ndarray:
    """Return L(r) of a phase along one axis, for r = 0 to `max_lag` voxels.

    A segment of length r joins the centres of two voxels r apart: it lies in the phase if all
    r + 1 voxels do. A run of l voxels holds max(0, l - r) such segments, and a line of n voxels
    n - r; the volume is not taken as periodic. Segments are counted as integers, so the result
    is exact and does not depend on the number of threads.

    A segment of length r starts at the voxels where one of length r - 1 starts, at them and at the
    next voxel: one shift and one AND on packed bits per step, until none is left.

    Args:
        labels: uint8 or bool in axes (z, y, x); above 0 is solid.
        axis: 0 (z), 1 (y) or 2 (x).
        max_lag: largest length in voxels, less than the edge along the axis.
        phase: ``solid`` or ``pore``.
        threads: number of CPU threads.

    Returns:
        float64, `max_lag` + 1 probabilities from 0 to 1.

    Raises:
        FibError: if `max_lag` reaches across the volume.
    """
    check_lag(labels.shape, axis, max_lag)
    counted = count_in_slabs(SEGMENTS, pack_bits(labels, phase, threads), axis, max_lag, threads)
    return counted / pairs(labels.shape, axis, max_lag)


@compiled
def _segments_across_rows(words: np.ndarray, max_lag: int) -> np.ndarray:
    """Count segments along axis 1 of words (line, n, word), for each length."""
    lines, n, width = words.shape
    counts = np.zeros(max_lag + 1, np.int64)
    for line in range(lines):
        starts = words[line].copy()
        count = np.uint64(0)
        for i in range(n):
            for w in range(width):
                count += popcount(starts[i, w])
        counts[0] += np.int64(count)
        for lag in range(1, max_lag + 1):
            if count == 0:
                break
            count = np.uint64(0)
            for i in range(n - lag):
                for w in range(width):
                    starts[i, w] &= starts[i + 1, w]
                    count += popcount(starts[i, w])
            counts[lag] += np.int64(count)
    return counts


@compiled
def _segments_along_rows(words: np.ndarray, max_lag: int) -> np.ndarray:
    """Count segments along x of words (z, y, word), for each length."""
    nz, ny, width = words.shape
    counts = np.zeros(max_lag + 1, np.int64)
    # A word of zeros behind the row: nothing starts there.
    starts = np.zeros(width + 1, np.uint64)
    for z in range(nz):
        for y in range(ny):
            count = np.uint64(0)
            for w in range(width):
                starts[w] = words[z, y, w]
                count += popcount(starts[w])
            counts[0] += np.int64(count)
            for lag in range(1, max_lag + 1):
                if count == 0:
                    break
                count = np.uint64(0)
                for w in range(width):
                    following = (starts[w] >> np.uint64(1)) | (starts[w + 1] << np.uint64(63))
                    starts[w] &= following
                    count += popcount(starts[w])
                counts[lag] += np.int64(count)
    return counts


SEGMENTS: Counters = (_segments_along_rows, _segments_across_rows)
