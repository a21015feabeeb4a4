"""Weights of frequencies, by how well neighbouring slices agree there.

Frequencies are put into bins: rings of one wave length, and in each ring those near to the axes,
where curtains (k_y near 0) and charging lines (k_x near 0) are. In each bin the phases of pairs of
slices, aligned, agree by a mean cosine R, from 0 to 1. The weight of the bin is R k^2. The best
weight for a single pair would be the concentration of phases, K = R (2 - R^2) / (1 - R^2) (Banerjee
et al., J. Mach. Learn. Res. 6 (2005) 1345, eq. 4.4, in two dimensions), without k^2. But coarse
detail follows inclined structure over many slices in the same direction, fine detail less: on
porous stacks R k^2 makes errors of steps a tenth larger, and those that accumulate a quarter
smaller.

Curtains may persist from slice to slice and thus agree well, at a displacement that is not that of
the structure. The power of a bin near an axis beyond that of other directions counts as that of
stripes, and R is at most that of other directions times the share of the structure in the power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.align.kernels import add_agreement
from fib_plugins.correctors.align.leakage import own_share
from fib_plugins.correctors.align.spectra import Spectra

RINGS = 18
HIGHEST = 0.45
"""Highest frequency that counts, cycles per pixel."""
ROWS = (0.5, 1.5, 2.5, 4.5, 8.5)
COLUMNS = (0.5, 1.5, 2.5)
"""Limits of the bins near the axes, in frequencies of the field."""
GROUPS = len(ROWS) + 1 + len(COLUMNS)
REST = len(ROWS)
"""The group of all other directions."""
TOLERATED = 1.2
"""Power near an axis, relative to other directions, that is not taken for stripes."""
CERTAIN = 3.0
"""R below so many standard errors counts as 0."""


class Bins:
    """The bin of each frequency.

    Args:
        spectra: phases of the frequencies.
    """

    count = RINGS * GROUPS + 1

    def __init__(self, spectra: Spectra) -> None:
        ky, kx = spectra.phase_y / (2.0 * np.pi), spectra.phase_x / (2.0 * np.pi)
        self.square = (ky[:, np.newaxis] ** 2 + kx**2).astype(np.float32)
        ring = np.sqrt(self.square) * (RINGS / HIGHEST)
        rows, columns = spectra.padded
        group_y = np.digitize(np.abs(ky) * rows, ROWS)
        group_x = np.digitize(kx * columns, COLUMNS)
        group = np.where(group_x < len(COLUMNS), REST + 1 + group_x, group_y[:, np.newaxis])
        bins = np.minimum(ring.astype(np.int64), RINGS) * GROUPS + group
        bins[ring >= RINGS] = self.count - 1
        bins[0, 0] = self.count - 1
        self.of = np.minimum(bins, self.count - 1).astype(np.int16)
        groups = np.arange(self.count) % GROUPS
        self.left_out = (groups == 0) | (groups == REST + 1)  # means of columns and of rows
        self.left_out[-1] = True

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of values (y, x) in each bin."""
        return np.bincount(self.of.ravel(), values.ravel(), self.count)


@dataclass
class Agreement:
    """Sums over pairs of slices of one distance.

    Attributes:
        sums: of the real part of turned cross spectra, and of amplitudes; float32 (channel, 2, y,
            x).
        pairs: number of pairs.
    """

    sums: np.ndarray
    pairs: int = 0

    @classmethod
    def none(cls, spectra: Spectra) -> Agreement:
        """Return sums over no pair."""
        return cls(np.zeros((spectra.channels, 2, *spectra.half), np.float32))

    def add(self, cross: np.ndarray, shift: np.ndarray, spectra: Spectra) -> None:
        """Add a pair of slices.

        Args:
            cross: cross spectra (channel, y, x).
            shift: displacement (y, x), binned pixels.
            spectra: phases of the frequencies.
        """
        turn_y = np.exp(1j * spectra.phase_y * shift[0]).astype(np.complex64)
        turn_x = np.exp(1j * spectra.phase_x * shift[1]).astype(np.complex64)
        for given, out in zip(cross, self.sums, strict=True):
            add_agreement(given, turn_y, turn_x, out)
        self.pairs += 1


@dataclass(frozen=True)
class Power:
    """What the slices have at each frequency.

    Attributes:
        own: share of the power that is no leakage, float32 (channel, y, x).
        counts: frequencies in each bin, by this share (channel, bin).
        means: mean power in each bin (channel, bin).
    """

    own: np.ndarray
    counts: np.ndarray
    means: np.ndarray

    @classmethod
    def of(cls, power: np.ndarray, bins: Bins, spectra: Spectra) -> Power:
        """Return it for sums of squared amplitudes (channel, y, x)."""
        own = own_share(power, spectra)
        counts = np.array([bins.total(each) for each in own])
        means = np.array([bins.total(a * b) for a, b in zip(own, power, strict=True)])
        return cls(own, counts, means / np.maximum(counts, 1e-30))

    def largest_coherence(self, found: np.ndarray) -> np.ndarray:
        """Return the highest R of each bin that the structure can have, given stripes.

        Args:
            found: R (channel, bin).
        """
        most = np.ones_like(found)
        for ring in range(RINGS):
            own = slice(ring * GROUPS, (ring + 1) * GROUPS)
            rest = ring * GROUPS + REST
            usual = self.means[:, rest, np.newaxis] * TOLERATED
            share = np.minimum(1.0, usual / np.maximum(self.means[:, own], 1e-30))
            striped = (share < 1.0) & (self.counts[:, rest, np.newaxis] >= 1.0)
            striped[:, REST] = False
            most[:, own] = np.where(striped, found[:, rest, np.newaxis] * share, 1.0)
        return most


@dataclass(frozen=True)
class Weights:
    """Weights of the frequencies for pairs of slices of one distance.

    Attributes:
        of: float32 (channel, y, x).
        information: of a pair, on its displacement along y and x; inverse variances, in binned
            pixels, if frequencies are independent.
        coherence: that of the mean pair.
    """

    of: np.ndarray
    information: np.ndarray
    coherence: float

    @classmethod
    def by(cls, agreement: Agreement, power: Power, bins: Bins, spectra: Spectra) -> Weights:
        """Return the weights for pairs that agree like those that were added up."""
        of = np.zeros_like(power.own)
        information = np.zeros(2)
        total = agreed = 0.0
        found, amplitude = _coherence(agreement, power, bins)
        for channel, own in enumerate(power.own):
            each = (own * found[channel].astype(np.float32)[bins.of]) * bins.square
            total += float(each.sum(dtype=np.float64))
            agreed += float(np.sum(found[channel] * bins.total(each)))
            scale = np.where(amplitude[channel] > 0, 1.0 / np.maximum(amplitude[channel], 1e-30), 0)
            of[channel] = each * scale.astype(np.float32)[bins.of]
            r = found[channel]
            known = r * r * (2.0 - r * r) / (1.0 - r * r)
            each = own * known.astype(np.float32)[bins.of]
            information[0] += np.sum(each.sum(axis=1, dtype=np.float64) * spectra.phase_y**2)
            information[1] += np.sum(each.sum(axis=0, dtype=np.float64) * spectra.phase_x**2)
        return cls(of, spectra.filled * information, agreed / total if total > 0 else 0.0)


def _coherence(agreement: Agreement, power: Power, bins: Bins) -> tuple[np.ndarray, np.ndarray]:
    """Return R, 0 to 0.98, and the mean amplitude of cross spectra; (channel, bin)."""
    sums = np.array(
        [
            [bins.total(own * part) for part in parts]
            for own, parts in zip(power.own, agreement.sums, strict=True)
        ]
    )
    found = np.clip(sums[:, 0] / np.maximum(sums[:, 1], 1e-30), 0.0, 0.98)
    count = power.counts * agreement.pairs
    found[found < CERTAIN / np.sqrt(np.maximum(2.0 * count, 1e-9))] = 0.0
    found[:, bins.left_out] = 0.0
    found = np.minimum(found, power.largest_coherence(found))
    return found, sums[:, 1] / np.maximum(count, 1e-30)
