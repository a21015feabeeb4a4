"""The first search: each slice is found from the one before it, wherever it is in the field.

A slice that does not resemble the one before is compared with the last one that fitted. If a later
slice fits that one again, the slices between are bad; if not, the stack has a gap.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.align.coherence import Agreement
from fib_plugins.correctors.align.correlation import (
    crossed,
    crossed_over_overlap,
    first_weights,
    highest,
    refined,
)
from fib_plugins.correctors.align.kernels import add_powers
from fib_plugins.correctors.align.spectra import Spectra, View
from fibcore import Context

LOWEST_CONTRAST = 6.5
"""Height of a peak, in standard deviations of the correlation, below which slices do not resemble
each other: the highest of 2 million independent values of noise is about 5."""
SHORTEST = 3
"""Slices that resemble each other, but no others, are bad if they are fewer; or half the stack."""
SAMPLED = 64
"""Number of slices, spread over the stack, of which agreement with neighbours is measured."""


@dataclass(frozen=True)
class Chain:
    """What the first search has found.

    Attributes:
        shifts: displacement of each slice (slice, (y, x)), binned pixels.
        group: number of the group of slices that resemble their neighbours; -1: a bad slice.
        agreements: distance in slices -> agreement of pairs.
        power: sums of squared amplitudes of slices (channel, y, x).
    """

    shifts: np.ndarray
    group: np.ndarray
    agreements: dict[int, Agreement]
    power: np.ndarray


class Search:
    """Searches the displacement of one slice after the other.

    Args:
        spectra: of the slices.
        most: longest displacement of neighbouring slices, binned pixels; None: half of the field.
        baselines: distances of pairs, in slices, whose agreement is measured.
        slices: number of slices.
    """

    def __init__(
        self, spectra: Spectra, most: float | None, baselines: tuple[int, ...], slices: int
    ) -> None:
        self.spectra = spectra
        self.most = most
        self.weights = first_weights(spectra)
        self.power = np.zeros((spectra.channels, *spectra.half), np.float32)
        self.shifts = np.zeros((slices, 2))
        self.group = np.full(slices, -1)
        self.agreements = {by: Agreement.none(spectra) for by in baselines}
        self.every = max(1, slices // SAMPLED)
        self.recent: deque[View] = deque(maxlen=max(baselines))
        self.anchor: View | None = None
        self.groups = 0

    def run(self, context: Context) -> Chain:
        """Go through all slices."""
        slices = range(len(self.shifts))
        for view in self.spectra.each(slices, context, "displacements, first search"):
            self._place(view)
            self._measure_agreement(view)
            self.recent.append(view)
        self._drop_short_groups()
        return Chain(self.shifts, self.group, self.agreements, self.power)

    def _place(self, view: View) -> None:
        z = view.z
        if self.anchor is None:
            self._start_group(view)
            self.anchor = view
            return
        before = self.recent[-1]
        candidates = [before] if before.z == self.anchor.z else [before, self.anchor]
        found = {other.z: self._displacement(other, view) for other in candidates}
        if found.get(self.anchor.z) is not None:
            if before.z != self.anchor.z and found[before.z] is not None:
                self._join(before, view, found)
            self._put(view, self.anchor, found)
            self.anchor = view
        elif found[before.z] is not None:
            self._put(view, before, found)
            if np.count_nonzero(self.group == self.group[z]) >= SHORTEST:
                self.anchor = view  # a gap: the stack continues elsewhere
        else:
            self._start_group(view)

    def _displacement(self, first: View, second: View) -> np.ndarray | None:
        cross = crossed(first.spectra, second.spectra)
        whole, contrast = highest(cross, self.weights, self.spectra, self.most)
        if contrast < LOWEST_CONTRAST:
            return None
        peak = refined(cross, self.weights, self.spectra, whole, 1.5)
        if self.most is not None and np.abs(peak.shift).max() > self.most:
            return None
        return peak.shift

    def _start_group(self, view: View) -> None:
        self.group[view.z] = self.groups
        self.groups += 1
        if self.anchor is not None:
            self.shifts[view.z] = self.shifts[self.anchor.z]

    def _put(self, view: View, other: View, found: dict[int, np.ndarray | None]) -> None:
        by = found[other.z]
        assert by is not None
        self.shifts[view.z] = self.shifts[other.z] + by
        self.group[view.z] = self.group[other.z]

    def _join(self, before: View, view: View, found: dict[int, np.ndarray | None]) -> None:
        """Move the group of the slice before to where both neighbours show it to be."""
        assert self.anchor is not None
        near, far = found[before.z], found[self.anchor.z]
        assert near is not None
        assert far is not None
        group = self.group == self.group[before.z]
        right = self.shifts[self.anchor.z] + far - near
        self.shifts[group] += right - self.shifts[before.z]
        self.group[group] = self.group[self.anchor.z]

    def _measure_agreement(self, view: View) -> None:
        if view.z % self.every:
            return
        for given, out in zip(view.spectra, self.power, strict=True):
            add_powers(given, out)
        for before in self.recent:
            by = view.z - before.z
            if by not in self.agreements or self.group[before.z] != self.group[view.z]:
                continue
            shift = self.shifts[view.z] - self.shifts[before.z]
            cross, moved = crossed_over_overlap(before, view, shift, self.spectra)
            start = refined(cross, self.weights, self.spectra, shift - moved, 1.0)
            if start.coherence > 0:
                self.agreements[by].add(cross, start.shift, self.spectra)

    def _drop_short_groups(self) -> None:
        numbers, sizes = np.unique(self.group, return_counts=True)
        enough = min(SHORTEST, (len(self.group) + 1) // 2)
        for number, size in zip(numbers, sizes, strict=True):
            if size < enough or (size == 1 and len(self.group) > 1):
                self.group[self.group == number] = -1
