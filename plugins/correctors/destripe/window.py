"""Offsets of the columns of a few consecutive slices, by iteratively reweighted least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.destripe.columns import Columns
from fib_plugins.correctors.destripe.levels import Levelled
from fib_plugins.correctors.destripe.slopes import add_changes, add_slopes
from fib_plugins.correctors.destripe.system import improve

ROW_STEPS = (4, 4, 2, 2, 2, 1)
"""Every so many rows are used in each pass over the pixels."""
GRADIENTS = 8
"""Steps of conjugate gradients after each pass."""
INDEPENDENT = 0.5
"""Number of slopes that count as one. Neighbouring slopes share structure, and there is more in
their weights than the error of a mean; found on images with known curtains."""
STIFFNESS = 8.0
"""Weight of differences of offsets between knots, in that of the offsets."""


@dataclass(frozen=True)
class Prior:
    """What is assumed of curtains and of slopes, on the scale of levelled slices.

    Attributes:
        deviation: standard deviation of the curtains' offsets.
        noise_across: standard deviation of slopes along x without edges.
        noise_between: that of differences between neighbouring slices.
        kept: correlation of curtains between neighbouring slices, 0 to below 1.
    """

    deviation: float
    noise_across: float
    noise_between: float
    kept: float = 0.0


def fit_offsets(
    slices: Sequence[Levelled],
    columns: Columns,
    prior: Prior,
    row_steps: Sequence[int] = ROW_STEPS,
) -> np.ndarray:
    """Return offsets at the knots, axes (slice, knot, column), float32, on the levelled scale.

    Minimised is the sum of r^2 / (1 + r^2) over slopes along x and differences between slices, r
    what offsets leave of them in units of the noise, plus the squared offsets and their squared
    changes along y. Neighbouring slices have independent curtains, or curtains whose correlation
    is ``kept`` (an autoregressive process, whose inverse covariance couples neighbours only).

    Args:
        slices: consecutive slices; constant ones have offsets 0.
        columns: where offsets lie.
        prior: what is assumed.
        row_steps: every so many rows are used in each pass.
    """
    shape = (len(slices), columns.knots, columns.columns)
    s = np.zeros(shape, np.float32)
    strength = 1.0 / prior.deviation**2
    free = np.float32(strength * (1 - prior.kept) / (1 + prior.kept))
    hold = np.float32(strength * prior.kept / (1 - prior.kept**2))
    along = np.float32(STIFFNESS * strength if columns.joined else 0.0)
    place = columns.above, columns.shares, columns.starts
    for step in row_steps:
        across, slopes, between, changes = (np.zeros(shape, np.float32) for _ in range(4))
        for z, here in enumerate(slices):
            if here.deviation == 0.0:
                continue
            own = here.plane, here.table, s[z]
            add_slopes(*own, *place, step, prior.noise_across, across[z], slopes[z])
            if z + 1 < len(slices) and (after := slices[z + 1]).deviation > 0.0:
                both = *own, after.plane, after.table, s[z + 1]
                add_changes(*both, *place, step, prior.noise_between, between[z], changes[z])
        for sums, noise in (
            (across, prior.noise_across),
            (slopes, prior.noise_across),
            (between, prior.noise_between),
            (changes, prior.noise_between),
        ):
            sums *= np.float32(step / (INDEPENDENT * noise**2))
        improve(s, across, slopes, between, changes, free, along, hold, GRADIENTS)
    return s
