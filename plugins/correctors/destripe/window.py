"""Offsets of the columns of a few consecutive slices, by iteratively reweighted least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.destripe.columns import Columns
from fib_plugins.correctors.destripe.levels import Levelled
from fib_plugins.correctors.destripe.slopes import add_bends, add_changes, add_slopes
from fib_plugins.correctors.destripe.system import improve

ROW_STEPS = (4, 4, 2, 2, 2, 1)
"""Every so many rows are used in each pass over the pixels."""
GRADIENTS = 16
"""Steps of conjugate gradients after each pass."""
ACROSS, BETWEEN, BENDS = 1.0, 2.0, 0.15
"""Number of slopes along x, of differences and of bends that count as one, found on images with
known curtains. Neighbouring slopes share structure; there is more in their weights than the error
of a mean."""
STIFFNESS = 8.0
"""Weight of differences of offsets between knots, in that of the offsets."""


@dataclass(frozen=True)
class Prior:
    """What is assumed of curtains and of slopes, on the scale of levelled slices.

    Attributes:
        deviation: standard deviation of the curtains' offsets.
        noise_across: standard deviation of slopes along x without edges.
        noise_between: that of differences between neighbouring slices.
        noise_bends: that of differences between a slice and the mean of its neighbours.
        kept: correlation of curtains between neighbouring slices, 0 to below 1.
    """

    deviation: float
    noise_across: float
    noise_between: float
    noise_bends: float
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
    held = (
        np.float32(strength * (1 - prior.kept) / (1 + prior.kept)),
        np.float32(STIFFNESS * strength if columns.joined else 0.0),
        np.float32(strength * prior.kept / (1 - prior.kept**2)),
    )
    scales = (
        ACROSS * prior.noise_across**2,
        BETWEEN * prior.noise_between**2,
        BENDS * prior.noise_bends**2,
    )
    for step in row_steps:
        sums = _sums(slices, s, columns, prior, step)
        for both, scale in zip((sums[:2], sums[2:4], sums[4:]), scales, strict=True):
            both *= np.float32(step / scale)
        improve(s, tuple(sums), held, GRADIENTS)
    return s


def _sums(
    slices: Sequence[Levelled], s: np.ndarray, columns: Columns, prior: Prior, step: int
) -> np.ndarray:
    """Return weights and weighted sums of slopes, differences and bends, axes (6, *offsets)."""
    sums = np.zeros((6, *s.shape), np.float32)
    across, slopes, between, changes, bends, bent = sums
    place = columns.above, columns.shares, columns.starts, step
    for z, here in enumerate(slices):
        if here.deviation == 0.0:
            continue
        own = here.plane, here.table, s[z]
        add_slopes(*own, *place, prior.noise_across, across[z], slopes[z])
        if z + 1 == len(slices) or (after := slices[z + 1]).deviation == 0.0:
            continue
        both = *own, after.plane, after.table, s[z + 1]
        add_changes(*both, *place, prior.noise_between, between[z], changes[z])
        if z > 0 and (before := slices[z - 1]).deviation > 0.0:
            three = before, here, after
            planes, tables = tuple(t.plane for t in three), tuple(t.table for t in three)
            given = planes, tables, s[z - 1 : z + 2]
            add_bends(*given, *place, prior.noise_bends, bends[z], bent[z])
    return sums
