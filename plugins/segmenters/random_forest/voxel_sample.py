"""Voxels drawn at random from labels, to train on."""

from __future__ import annotations

import numpy as np

from fibcore import Context, Labels


def draw_voxels(
    labels: Labels, classes: np.ndarray, number: int, balanced: bool, context: Context
) -> list[np.ndarray]:
    """Return which voxels of each slice are drawn: positions in the flattened slice, ascending.

    No voxel is drawn twice. Each slice gives its share, up to one voxel, and within a slice every
    voxel of a group is as likely as another.

    Args:
        labels: where to draw from; walked slice by slice.
        classes: table from phase number to class number.
        number: how many to draw; if there are not so many, all.
        balanced: whether each phase gives as many voxels (or all it has), instead of all voxels
            being one group.
        context: where the randomness comes from.
    """
    depth = labels.shape[0]
    groups = int(classes.max()) + 1 if balanced else 1

    def groups_of(z: int) -> np.ndarray:
        plane = labels.data[z].ravel()
        return classes[plane] if balanced else np.zeros_like(plane)

    counts = np.stack([np.bincount(groups_of(z), minlength=groups) for z in range(depth)], axis=1)
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
    """Return how many of each to take so that it is `number` in all, in proportion to `counts`.

    What is left of a voxel is carried to the next share; the first begins with a random part.
    """
    total = int(counts.sum())
    if number >= total:
        return counts
    carried = (np.cumsum(counts) * number + rng.integers(total)) // total
    return np.diff(carried, prepend=0)
