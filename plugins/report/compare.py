"""Counts labels, and compares them voxel by voxel."""

from __future__ import annotations

import numpy as np

from fibcore.volumes import Labels


def outline(solid: np.ndarray) -> np.ndarray:
    """Return the outline of the solid: its pixels with a neighbour in a pore."""
    border = np.zeros(solid.shape, bool)
    border[1:] |= ~solid[:-1]
    border[:-1] |= ~solid[1:]
    border[:, 1:] |= ~solid[:, :-1]
    border[:, :-1] |= ~solid[:, 1:]
    return border & solid


def errors(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return 0 where both agree, 1 for missed solid, 2 for false solid."""
    return (true & ~predicted) + 2 * (predicted & ~true).astype(np.uint8)


def fractions(labels: Labels) -> dict[int, float]:
    """Return phase -> volume fraction, over all voxels."""
    counts = np.zeros(256, np.int64)
    known = sorted(labels.phases)
    for plane in labels.data:
        each = [np.count_nonzero(plane == phase) for phase in known]
        if sum(each) == plane.size:
            counts[known] += each
        else:
            counts += np.bincount(plane.ravel(), minlength=256)
    there = sorted({*known, *np.flatnonzero(counts).tolist()})
    return {phase: float(counts[phase] / labels.data.size) for phase in there}


def confusion(prediction: Labels, truth: Labels) -> dict[str, int]:
    """Return the numbers of correct, missed solid and false solid voxels of the whole volume."""
    missed = false = 0
    for predicted, true in zip(prediction.data, truth.data, strict=True):
        both = np.count_nonzero((predicted > 0) & (true > 0))
        missed += int(np.count_nonzero(true) - both)
        false += int(np.count_nonzero(predicted) - both)
    return {
        "correct": prediction.data.size - missed - false,
        "missed solid": missed,
        "false solid": false,
    }
