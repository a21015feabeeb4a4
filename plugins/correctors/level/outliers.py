"""Single slices that do not fit in: blurred, dim, repeated, blank, unlike their neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW = 5
"""Neighbours on each side that a slice is compared with."""
FAR = 4.5
"""Multiple of the usual deviation from the neighbours (its robust standard deviation)."""
BLURRED = 0.05
"""Least loss of sharpness, in its natural logarithm. Of slices that are 5 nm apart, a mean of the
neighbours is better than a slice that is blurred more than that."""
DIM = 0.12
"""Least change of the contrast, likewise."""
REPEATED = 0.1
"""A repeated slice differs from the one before by less than this share of the usual difference."""
UNLIKE, UNLIKE_AT_LEAST = 4.0, 0.1
"""Slices are unlike if what their correlation with both neighbours lacks of 1 is this multiple of
what that of the neighbours with each other lacks, and at least so much more."""
FEWEST = 5
"""Shorter stacks are not searched for slices that are blurred, dim or unlike."""


@dataclass(frozen=True)
class Outliers:
    """Flags of slices.

    Attributes:
        bad: blurred, blank, repeated or unlike: not usable.
        dim: with another contrast than the neighbours; levelling corrects it.
        repeated: the same image as the one before.
    """

    bad: np.ndarray
    dim: np.ndarray
    repeated: np.ndarray

    @property
    def steady(self) -> np.ndarray:
        """Slices that brightness and contrast are estimated from."""
        return ~(self.bad | self.dim)


@dataclass(frozen=True)
class Features:
    """What slices are compared by: float64 in axes (channel, slice).

    Attributes:
        sharpness: see `loops.sharpness`.
        deviation: standard deviation of grey values.
        change: mean absolute difference from the slice before; the first has that of the second.
        near: correlation with the slice before; the first has 1.
        far: correlation of the two neighbours; 1 for the first and the last.
    """

    sharpness: np.ndarray
    deviation: np.ndarray
    change: np.ndarray
    near: np.ndarray
    far: np.ndarray

    def outliers(self) -> Outliers:
        """Return the slices that do not fit in, in any of the channels."""
        depth = self.sharpness.shape[1]
        blank = np.any(self.deviation <= 1e-6 * self.deviation.max(axis=1, keepdims=True), axis=0)
        usual = np.median(self.change[:, 1:], axis=1) if depth > 1 else np.ones(len(self.change))
        repeated = np.all(self.change <= REPEATED * usual[:, np.newaxis], axis=0)
        repeated &= ~blank & (depth >= FEWEST)
        repeated[0] = False
        if depth >= 2:  # exact copies are recognised in any stack
            repeated[1:] |= np.all(self.change[:, 1:] == 0.0, axis=0) & ~blank[1:]
        bad, dim = blank | repeated, np.zeros(depth, bool)
        if depth < FEWEST:
            return Outliers(bad, dim, repeated)
        for channel in range(len(self.sharpness)):
            known = ~bad
            sharp = np.log(np.maximum(self.sharpness[channel], 1e-12))
            blurred = -_deviations(sharp, known)
            bad = bad | (blurred > _limit(blurred, known, BLURRED))
            contrast = _deviations(np.log(np.maximum(self.deviation[channel], 1e-30)), known)
            dim = dim | (np.abs(contrast) > _limit(contrast, known, DIM))
            bad = bad | self._unlike(channel, known)
        return Outliers(bad, dim & ~bad, repeated)

    def _unlike(self, channel: int, known: np.ndarray) -> np.ndarray:
        lack = 1.0 - self.near[channel]
        before, after = lack, np.append(lack[1:], lack[-1])
        before = np.where(np.arange(len(lack)) == 0, after, before)
        both = np.minimum(before, after)
        across = 1.0 - self.far[channel]
        inner = np.zeros(len(lack), bool)
        inner[1:-1] = known[:-2] & known[2:]
        return inner & (both > np.maximum(UNLIKE * across, across + UNLIKE_AT_LEAST))


def _deviations(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return how each value differs from the line through its known neighbours.

    The slope is the median of those of pairs (P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379-1389).
    """
    found = np.zeros(len(values))
    places = np.flatnonzero(known)
    for z in range(len(values)):
        others = places[places != z]
        near = others[np.argsort(np.abs(others - z), kind="stable")[: 2 * WINDOW]]
        if len(near) < 3:
            continue
        i, j = np.triu_indices(len(near), 1)
        slope = np.median((values[near[j]] - values[near[i]]) / (near[j] - near[i]))
        found[z] = values[z] - np.median(values[near] - slope * (near - z))
    return found


def _limit(deviations: np.ndarray, known: np.ndarray, least: float) -> float:
    spread = 1.4826 * float(np.median(np.abs(deviations[known]))) if known.any() else 0.0
    return max(FAR * spread, least)


def repaired_from(bad: np.ndarray) -> list[tuple[int, int, float]]:
    """Return for each slice the good slices before and after, and the weight of the latter.

    A good slice has itself, at weight 0; at the ends of the stack there is only one.
    """
    good = np.flatnonzero(~bad)
    found = []
    for z in range(len(bad)):
        place = int(np.searchsorted(good, z))
        after = int(good[min(place, len(good) - 1)])
        before = after if not bad[z] else int(good[max(place - 1, 0)])
        if before > z or after < z:
            before = after = min((before, after), key=lambda other: abs(other - z))
        weight = (z - before) / (after - before) if after > before else 0.0
        found.append((before, after, weight))
    return found
