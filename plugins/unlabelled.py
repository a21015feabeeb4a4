"""Voxels without a label, in labels drawn by hand on a part of a stack.

In `Labels` they are marked by phase 255, for which there is no material.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fibcore import Labels

UNLABELLED = 255
"""Number of voxels without a label, unless the labels name a material for it."""


def unlabelled_in(phases: Iterable[int]) -> int | None:
    """Return the number of unlabelled voxels in labels with these phases; None if it is a phase."""
    return None if UNLABELLED in phases else UNLABELLED


def counts_of_slices(labels: Labels) -> np.ndarray:
    """Return the number of labelled voxels of each phase number, int64 in axes (slice, number).

    There are 255 numbers, or 256 if 255 is a phase.
    """
    counts = np.stack([np.bincount(plane.ravel(), minlength=256) for plane in labels.data])
    return counts[:, : unlabelled_in(labels.phases)]


def is_partial(labels: Labels) -> bool:
    """Return whether there are voxels without a label."""
    number = unlabelled_in(labels.phases)
    return number is not None and any(bool((plane == number).any()) for plane in labels.data)
