"""Parts of the labels that are left out in turn: groups of slices, or strips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fib_plugins.unlabelled import UNLABELLED
from fibcore import FibError, Labels

AXES = "zyx"
FEWEST = 2


@dataclass(frozen=True)
class Fold:
    """A range along an axis; labels within it are left out.

    Attributes:
        axis: 0, 1 or 2 for z, y, x.
        start: first position.
        stop: position behind the last one.
        first: number of the first slice of the volume in its stack.
    """

    axis: int
    start: int
    stop: int
    first: int = 0

    @property
    def place(self) -> dict[str, Any]:
        """The range in the stack, as a row of a table."""
        before = self.first if self.axis == 0 else 0
        start, stop = self.start + before, self.stop + before
        return {"axis": AXES[self.axis], "start": start, "stop": stop}

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The part of the volume that is left out."""
        box = [slice(None)] * 3
        box[self.axis] = slice(self.start, self.stop)
        return (box[0], box[1], box[2])

    def without(self, target: np.ndarray) -> np.ndarray:
        """Return a copy of labels or classes, axes (z, y, x), without those of the fold."""
        rest = np.array(target)
        rest[self.box] = UNLABELLED
        return rest

    def only(self, target: np.ndarray) -> np.ndarray:
        """Return a copy of labels or classes, axes (z, y, x), without those of other folds."""
        own = np.full(target.shape, UNLABELLED, np.uint8)
        own[self.box] = target[self.box]
        return own


def folds_of(labels: Labels, target: np.ndarray, count: int) -> list[Fold]:
    """Return parts that each hold about as many labels, with all phases in the rest of each.

    They are groups of slices if as many slices have labels; else strips across the axis, y or x,
    along which labels extend further. Neighbouring voxels are alike: a left-out voxel must not lie
    among those that were learned.

    Args:
        labels: the labels, for messages and voxel sizes.
        target: class of each voxel, or `UNLABELLED`, axes (z, y, x).
        count: number of parts wanted; there are two if no more have all phases beside them.

    Raises:
        FibError: a phase is labelled in one place only.
    """
    classes = [c for c in np.unique(target).tolist() if c != UNLABELLED]
    # Number of labels of each class along each axis.
    along = [
        np.stack([_profile(target, axis, c) for c in classes]).astype(np.int64) for axis in range(3)
    ]
    for number in dict.fromkeys((count, FEWEST)):
        for axis in _order(along, labels.voxel_size_nm, number):
            folds = list(_parts(along[axis].sum(axis=0), axis, number))
            if len(folds) == number and all(_rest_is_complete(along[axis], f) for f in folds):
                return folds
    materials = [labels.phases[p].name for p in sorted(labels.phases)]
    raise FibError(
        f"the labels cannot be divided so that each part has all of {', '.join(materials)} beside "
        f"it, which comparing candidates needs: label each phase in at least two places that are "
        f"apart along z, y or x"
    )


def _profile(target: np.ndarray, axis: int, number: int) -> np.ndarray:
    """Return how many voxels of a class each position along an axis has."""
    if axis == 0:
        return np.array([np.count_nonzero(plane == number) for plane in target])
    found = np.zeros(target.shape[axis], np.int64)
    for plane in target:
        found += np.count_nonzero(plane == number, axis=2 - axis)
    return found


def _order(along: list[np.ndarray], size_nm: tuple[float, float, float], number: int) -> list[int]:
    """Return the axes in the order in which they are tried."""
    places = [np.flatnonzero(counts.sum(axis=0)) for counts in along]
    extent = [float(np.ptp(place)) * size for place, size in zip(places, size_nm, strict=True)]
    plane = sorted((1, 2), key=lambda axis: -extent[axis])
    return [0, *plane] if len(places[0]) >= number else plane


def _parts(counts: np.ndarray, axis: int, number: int) -> Iterator[Fold]:
    """Yield ranges that cover an axis, with about as many labels each; fewer if some are empty."""
    if axis == 0:
        groups = np.array_split(np.flatnonzero(counts), number)
        edges = [int(group[0]) for group in groups[1:] if len(group)]
    else:
        done = np.cumsum(counts)
        edges = [int(np.searchsorted(done, done[-1] * k / number)) + 1 for k in range(1, number)]
    bounds = [0, *sorted(set(edges)), len(counts)]
    for start, stop in pairwise(bounds):
        if counts[start:stop].any():
            yield Fold(axis, start, stop)


def _rest_is_complete(counts: np.ndarray, fold: Fold) -> bool:
    rest = counts.sum(axis=1) - counts[:, fold.start : fold.stop].sum(axis=1)
    return bool((rest > 0).all())
