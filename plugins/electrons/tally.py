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
        counts: (pixel,) electrons that the detector counts.
        shares: (pixel,) sum of their energies over the beam energy, in units of `SHARE_UNIT`.
        depths: (pixel,) sum of the largest depths they reached, in units of `DEPTH_UNIT_NM`.
        energies: histogram of energy over beam energy over all pixels, from 0 to 1; may be empty.
        cosines: histogram of the cosine to the direction back along the beam, 0 to 1; may be empty.
    """

    counts: np.ndarray
    shares: np.ndarray
    depths: np.ndarray
    energies: np.ndarray
    cosines: np.ndarray


def empty_tally(pixels: int, bins: int = 0) -> Tally:
    """Return a tally of zeros, with so many bins in each histogram."""
    return Tally(*(np.zeros(n, np.int64) for n in (pixels, pixels, pixels, bins, bins)))


@inlined
def share_units(share: Real) -> np.int64:
    """Return an energy over the beam energy in integer multiples of `SHARE_UNIT`."""
    return np.int64(share / SHARE_UNIT + 0.5)


@inlined
def depth_units(depth_nm: Real) -> np.int64:
    """Return a depth in integer multiples of `DEPTH_UNIT_NM`."""
    return np.int64(depth_nm / DEPTH_UNIT_NM + 0.5)


@inlined
def count(tally: Tally, pixel: Whole, share: Real, cosine: Real, deepest: Real) -> None:
    """Add an electron to a tally."""
    tally.counts[pixel] += 1
    tally.shares[pixel] += share_units(share)
    tally.depths[pixel] += depth_units(deepest)
    bins = len(tally.energies)
    if bins > 0:
        energy_bin: Whole = min(max(np.int64(share * bins), 0), bins - 1)
        cosine_bin: Whole = min(max(np.int64(cosine * bins), 0), bins - 1)
        tally.energies[energy_bin] += 1
        tally.cosines[cosine_bin] += 1
