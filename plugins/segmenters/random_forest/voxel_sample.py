"""Voxels drawn at random from labels, to train on."""

from __future__ import annotations

import numpy as np

from fib_plugins.unlabelled import UNLABELLED
from fibcore import Context, Labels


def draw_voxels(
    labels: Labels, classes: np.ndarray, number: int, balanced: bool, context: Context
) -> list[np.ndarray]:
    """Return which voxels of each slice are drawn: positions in the flattened slice, ascending.

    No voxel is drawn twice. Each slice contributes its share, rounded to whole voxels, and within a
    slice every voxel of a group is equally likely.

    Args:
        labels: the labels to draw from, read slice by slice.
        classes: table from phase number to class number; of class `UNLABELLED` none are drawn.
        number: how many to draw; all voxels if there are fewer.
        balanced: whether each phase contributes the same number of voxels (or all it has), instead
            of all voxels being one group.
        context: gives the random generator.
    """
    depth = labels.shape[0]
    groups = int(classes[classes != UNLABELLED].max()) + 1 if balanced else 1

    def groups_of(z: int) -> np.ndarray:
        found = classes[labels.data[z].ravel()]
        return found if balanced else np.where(found == UNLABELLED, found, np.uint8(0))

    counts = np.stack([np.bincount(groups_of(z), minlength=256) for z in range(depth)], axis=1)
    counts = counts[:groups]
    share = number // int(np.count_nonzero(counts.sum(axis=1)))
    rng = context.rng_for("sample")
    wanted = [_shares(each, share, rng) for each in counts]
    drawn = []
    for z in range(depth):
        rng, group = context.rng_for("sample", z), groups_of(z)
        parts = [
            rng.choice(np.flatnonzero(group == g), wanted[g][z], replace=False)
            for g in range(groups)
        ]
        drawn.append(np.sort(np.concatenate(parts)))
    return drawn


def _shares(counts: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Return shares of `number` in proportion to `counts`, as integers with the same sum.

    Fractions of a voxel are carried to the next share; the first starts with a random fraction.
    """
    total = int(counts.sum())
    if number >= total:
        return counts
    carried = (np.cumsum(counts) * number + rng.integers(total)) // total
    return np.diff(carried, prepend=0)
