"""Counts of backscattered electrons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .compiled import Real, Whole, inlined

SHARE_UNIT = 2.0**-20
DEPTH_UNIT_NM = 2.0**-10
"""Energies and depths are summed as integer multiples of these, so that order does not matter."""


class Tally(NamedTuple):
    """Counts and sums, int64.

    Attributes:
        counts: (pixel, detector) electrons that each detector counts.
        shares: (pixel, detector) sum of their energies over the beam energy, in units of
            `SHARE_UNIT`; a secondary electron adds 1, since detectors accelerate it.
        depths: (pixel, detector) sum of the largest depths they reached, in units of
            `DEPTH_UNIT_NM`; of secondary electrons, those that the electron which made them had
            reached by then, on average.
        energies: histogram of energy over beam energy over all pixels, from 0 to 1, of the first
            detector; may be empty.
        cosines: histogram of the cosine to the direction back along the beam, 0 to 1, likewise.
    """

    counts: np.ndarray
    shares: np.ndarray
    depths: np.ndarray
    energies: np.ndarray
    cosines: np.ndarray

    def of_detector(self, detector: int) -> Tally:
        """Return the tally of one detector, in which counts and sums are (pixel,)."""
        counts, shares, depths, energies, cosines = self
        counts, shares, depths = (part[:, detector] for part in (counts, shares, depths))
        return Tally(counts, shares, depths, energies, cosines)


def empty_tally(pixels: int, bins: int = 0, detectors: int = 1) -> Tally:
    """Return a tally of zeros, with so many bins in each histogram."""
    counts, shares, depths = (np.zeros((pixels, detectors), np.int64) for _ in range(3))
    return Tally(counts, shares, depths, np.zeros(bins, np.int64), np.zeros(bins, np.int64))


@inlined
def share_units(share: Real) -> np.int64:
    """Return an energy over the beam energy in integer multiples of `SHARE_UNIT`."""
    return np.int64(share / SHARE_UNIT + 0.5)


@inlined
def depth_units(depth_nm: Real) -> np.int64:
    """Return a depth in integer multiples of `DEPTH_UNIT_NM`."""
    return np.int64(depth_nm / DEPTH_UNIT_NM + 0.5)


@inlined
def count(tally: Tally, pixel: Whole, detector: Whole, share: Real, deepest: Real) -> None:
    """Add an electron to what a detector has counted."""
    tally.counts[pixel, detector] += 1
    tally.shares[pixel, detector] += share_units(share)
    tally.depths[pixel, detector] += depth_units(deepest)


@inlined
def add_to_spectra(tally: Tally, share: Real, cosine: Real) -> None:
    """Add an electron to the histograms."""
    bins = len(tally.energies)
    if bins > 0:
        energy_bin: Whole = min(max(np.int64(share * bins), 0), bins - 1)
        cosine_bin: Whole = min(max(np.int64(cosine * bins), 0), bins - 1)
        tally.energies[energy_bin] += 1
        tally.cosines[cosine_bin] += 1
