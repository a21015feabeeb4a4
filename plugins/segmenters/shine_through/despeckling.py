"""Majority of the neighbourhood of each voxel."""

from __future__ import annotations

import numpy as np


def despeckle(labels: np.ndarray) -> None:
    """Give each voxel the phase of most of its 3 x 3 x 3 neighbourhood, in place.

    Beyond the borders the outermost voxels are repeated. Sums of three slices are kept at a
    time.

    Args:
        labels: 0 and 1, axes (z, y, x).
    """
    before = after = _sums(labels[0])
    for z in range(len(labels)):
        here = after
        after = _sums(labels[min(z + 1, len(labels) - 1)])
        labels[z] = before + here + after > 13
        before = here


def _sums(plane: np.ndarray) -> np.ndarray:
    padded = np.pad(plane, 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:])
