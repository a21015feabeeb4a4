"""Displacements of all slices: first search, weights by coherence, pairs of several baselines."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

from fib_plugins.correctors.align.chain import Chain, Search
from fib_plugins.correctors.align.coherence import Bins, Power, Weights
from fib_plugins.correctors.align.correlation import crossed_over_overlap, refined
from fib_plugins.correctors.align.displacements import Displacements
from fib_plugins.correctors.align.graph import Pairs
from fib_plugins.correctors.align.regions import Window
from fib_plugins.correctors.align.spectra import Spectra, View
from fibcore import Context, FibError, Images
from fibcore.errors import listed

REACH_PX = 1.5
"""How far the second search moves from what the first has found, binned pixels."""


def displacements(
    images: Images,
    window: Window,
    most_px: float | None,
    baselines: tuple[int, ...],
    context: Context,
) -> Displacements:
    """Return the displacement of each slice, relative to the first one.

    Args:
        images: at least two slices.
        window: what is compared.
        most_px: longest step between neighbouring slices; None: half of the field.
        baselines: distances of the pairs that are compared, in slices; 1 is among them.
        context: threads, progress and log.

    Raises:
        FibError: no slices resemble each other.
    """
    spectra = Spectra(images, window)
    most = None if most_px is None else most_px / window.factor
    chain = Search(spectra, most, baselines, images.shape[0]).run(context)
    if np.all(chain.group < 0):
        raise FibError(
            "no two neighbouring slices resemble each other, so that nothing can be aligned: "
            "constant slices, only stripes or noise, or steps of more than half of the field"
            + ("" if most_px is None else f" or of more than max_shift_px {most_px:g}")
            + ". Check the order of the slices, choose a region with structure, or align the stack "
            "by its fiducials"
        )
    measured = _Measured(spectra, chain, baselines)
    shifts, coherence, errors = measured.run(context)
    bad = chain.group < 0
    good = np.flatnonzero(~bad)
    for before, after in _gaps(chain.group):
        later = chain.group == chain.group[after]
        shifts[later] += shifts[before] - shifts[after]
    for axis in (0, 1):
        shifts[bad, axis] = np.interp(np.flatnonzero(bad), good, shifts[good, axis])
    _warn(chain.group, context)
    shifts = (shifts - shifts[good[0]]) * window.factor
    return Displacements(shifts, coherence, errors * window.factor, bad)


class _Measured:
    """The second search: pairs of several baselines, with weights by coherence."""

    def __init__(self, spectra: Spectra, chain: Chain, baselines: tuple[int, ...]) -> None:
        self.spectra = spectra
        self.chain = chain
        bins = Bins(spectra)
        power = Power.of(chain.power, bins, spectra)
        self.weights = {
            by: Weights.by(agreement, power, bins, spectra)
            for by, agreement in chain.agreements.items()
            if agreement.pairs
        }
        self.baselines = baselines
        self.found: list[tuple[int, int, np.ndarray, np.ndarray]] = []

    def run(self, context: Context) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return displacement, coherence and error of each slice, binned pixels."""
        count = len(self.chain.shifts)
        coherence, partners = np.zeros(count), np.zeros(count)
        good = np.flatnonzero(self.chain.group >= 0).tolist()
        recent: deque[View] = deque(maxlen=max(self.baselines))
        for view in self.spectra.each(good, context, "displacements, second search"):
            for back, before in enumerate(reversed(recent), start=1):
                if back in self.baselines and self._are_one(before.z, view.z):
                    agreed = self._compare(before, view, back)
                    if back == 1:
                        for z in (before.z, view.z):
                            coherence[z] += agreed
                            partners[z] += 1
            recent.append(view)
        coherence = coherence / np.maximum(partners, 1)
        if not self.found:
            return self.chain.shifts.copy(), coherence, np.full((count, 2), np.nan)
        first, second, shift, information = (
            np.array(part) for part in zip(*self.found, strict=True)
        )
        shifts, errors = Pairs(first, second, shift, information).positions(self.chain.shifts)
        return shifts, coherence, errors

    def _are_one(self, first: int, second: int) -> bool:
        return bool(self.chain.group[first] == self.chain.group[second])

    def _compare(self, before: View, view: View, back: int) -> float:
        """Measure a pair; return its coherence."""
        weights = self.weights.get(back)
        expected = self.chain.shifts[view.z] - self.chain.shifts[before.z]
        if weights is None or weights.coherence <= 0:
            if back == 1:  # the first search is all there is
                self.found.append((before.z, view.z, expected, np.full(2, 1e-6)))
            return 0.0
        cross, moved = crossed_over_overlap(before, view, expected, self.spectra)
        peak = refined(cross, weights.of, self.spectra, expected - moved, REACH_PX)
        trust = np.clip(peak.coherence / weights.coherence, 0.0, 1.5) ** 2
        if trust > 0:
            pair = (before.z, view.z, moved + peak.shift, trust * weights.information)
            self.found.append(pair)
        elif back == 1:
            self.found.append((before.z, view.z, expected, 1e-4 * weights.information))
        return max(peak.coherence, 0.0)


def _gaps(group: np.ndarray) -> list[tuple[int, int]]:
    """Return the slices before and after each gap, bad ones left out."""
    good = np.flatnonzero(group >= 0).tolist()
    return [(a, b) for a, b in pairwise(good) if group[a] != group[b]]


def _warn(group: np.ndarray, context: Context) -> None:
    bad = np.flatnonzero(group < 0)
    if len(bad):
        context.log.warning(
            "slices that resemble no neighbour were placed between theirs: %s. Repair them or "
            "leave them out (corrector/level)",
            listed([str(z) for z in bad]),
        )
    gaps = [after for _, after in _gaps(group)]
    if gaps:
        context.log.warning(
            "the stack has gaps: slices before and after do not resemble each other, and are not "
            "displaced against each other; parts begin at slices %s. Check the order of the "
            "slices, or align the parts separately",
            listed([str(z) for z in gaps]),
        )
