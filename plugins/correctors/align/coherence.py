"""Weights of frequencies, by how well neighbouring slices agree there.

Frequencies are put into bins: rings of one wave length, and in each ring those near to the axes,
where curtains (k_y near 0) and charging lines (k_x near 0) are. In each bin the phases of pairs of
slices, aligned, agree by a mean cosine R, from 0 to 1. The best weight for a single pair would be
the concentration of phases K = R (2 - R^2) / (1 - R^2) (Banerjee et al., J. Mach. Learn. Res. 6
(2005) 1345, eq. 4.4, in two dimensions). It is multiplied by k^1.5: coarse detail follows inclined
structure over many slices in the same direction, fine detail less. On porous stacks this makes
errors of single steps hardly larger, and those that accumulate a seventh smaller.

Curtains may persist from slice to slice and thus agree well, at a displacement that is not that of
the structure. The power of a bin near an axis beyond that of other directions counts as that of
stripes, and R is at most that of other directions times the share of the structure in the power.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.align.kernels import powers_in_bins, sums_in_bins
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
FINE = 1.5
"""Power of the frequency that weights are multiplied by."""
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
        self.square = ky[:, np.newaxis] ** 2 + kx**2
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
        self.sizes = np.bincount(self.of.ravel(), minlength=self.count)


@dataclass
class Agreement:
    """Sums over pairs of slices of one distance.

    Attributes:
        sums: of the real parts of turned cross spectra and of amplitudes, (channel, bin, 2).
        powers: squared amplitudes of the second slices, (channel, bin).
        pairs: number of pairs.
    """

    sums: np.ndarray
    powers: np.ndarray
    pairs: int = 0

    @classmethod
    def none(cls, channels: int) -> Agreement:
        """Return sums over no pair."""
        return cls(np.zeros((channels, Bins.count, 2)), np.zeros((channels, Bins.count)))

    def add(
        self,
        cross: np.ndarray,
        transforms: np.ndarray,
        shift: np.ndarray,
        bins: Bins,
        spectra: Spectra,
    ) -> None:
        """Add a pair of slices.

        Args:
            cross: cross spectra (channel, y, x).
            transforms: of the second slice.
            shift: displacement (y, x), binned pixels.
            bins: of the frequencies.
            spectra: phases of the frequencies.
        """
        turn_y = np.exp(1j * spectra.phase_y * shift[0]).astype(np.complex64)
        turn_x = np.exp(1j * spectra.phase_x * shift[1]).astype(np.complex64)
        for channel, given in enumerate(cross):
            sums_in_bins(given, bins.of, turn_y, turn_x, self.sums[channel])
            powers_in_bins(transforms[channel], bins.of, self.powers[channel])
        self.pairs += 1

    def coherence(self, bins: Bins) -> np.ndarray:
        """Return R of each channel and bin, 0 to 0.98."""
        size = np.maximum(self.sums[..., 1], 1e-30)
        found = np.clip(self.sums[..., 0] / size, 0.0, 0.98)
        count = np.maximum(bins.sizes * max(self.pairs, 1), 1)
        found[found < CERTAIN / np.sqrt(2.0 * count)] = 0.0
        found[:, bins.left_out] = 0.0
        return np.minimum(found, self._of_structure(found, bins))

    def _of_structure(self, found: np.ndarray, bins: Bins) -> np.ndarray:
        """Return the highest R of each bin that the structure can have, given stripes."""
        power = self.powers / np.maximum(bins.sizes, 1)
        most = np.ones_like(found)
        for ring in range(RINGS):
            own = slice(ring * GROUPS, (ring + 1) * GROUPS)
            rest = ring * GROUPS + REST
            if not bins.sizes[rest]:
                continue
            usual = power[:, rest, np.newaxis] * TOLERATED
            share = np.minimum(1.0, usual / np.maximum(power[:, own], 1e-30))
            striped = share < 1.0
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
    def by(cls, agreement: Agreement, bins: Bins, spectra: Spectra) -> Weights:
        """Return the weights for pairs that agree like those that were added up."""
        found = agreement.coherence(bins)
        pairs = max(agreement.pairs, 1)
        amplitude = agreement.sums[..., 1] / np.maximum(bins.sizes, 1) / pairs
        concentration = found * (2.0 - found**2) / (1.0 - found**2)
        scale = np.where(amplitude > 0, concentration / np.maximum(amplitude, 1e-30), 0.0)
        fine = bins.square ** (FINE / 2)
        weights = (scale[:, bins.of] * fine).astype(np.float32)
        each = (concentration * found)[:, bins.of].sum(axis=0) * spectra.filled
        information = np.array(
            [
                np.sum(each * spectra.phase_y[:, np.newaxis].astype(float) ** 2),
                np.sum(each * spectra.phase_x.astype(float) ** 2),
            ]
        )
        shares = concentration[:, bins.of] * fine
        total = float(np.sum(shares))
        mean = float(np.sum(shares * found[:, bins.of])) / total if total > 0 else 0.0
        return cls(weights, information, mean)
