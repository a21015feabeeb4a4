"""How strong the curtains of a stack are, from sampled slices; nothing where none are visible.

Curtains run through, structure does not: bands of rows that do not touch have the same curtains
and different structure. The covariance of their offsets is the variance of curtains, without a bias
from structure that is shorter. Structure that is longer persists from slice to slice, while each
face has curtains of its own: only what is not shared with neighbouring slices counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fib_plugins.correctors.destripe.column_median import column_medians
from fib_plugins.correctors.destripe.columns import Columns, slope_of
from fib_plugins.correctors.destripe.levels import MOST, Levelled
from fib_plugins.correctors.destripe.window import Prior, fit_offsets

LEAST_BANDS, LEAST_ROWS = 5, 6
APART = 2
"""Distance of bands that are compared."""
WIDE = 0.3
"""Deviation of curtains that are looked for at first, in that of the images."""
TRIED = tuple(0.0125 * 2.0**i for i in range(7))
"""Deviations whose errors are compared."""
DECAY = 1.6
"""Variance of curtains over their covariance between bands: they change along y, and offsets that
are compared with are shrunk a little. Found on images with known curtains."""
JOINED = 2.2
"""Best deviation for offsets that vary from knot to knot, over that for bands on their own."""
ROW_STEPS = (4, 4, 2, 2)
FLAT, FLAT_OF_NORMAL = 0.3, 0.385
"""The quantile of absolute slopes that shows noise, and that of a normal number."""
SHARED = 4.0
"""So many slices have nearly the same structure and count as one."""
SIGNIFICANT = 1.0
"""Standard errors by which the error with curtains removed has to be below that without."""
DISTINCT = 0.1
"""Least variance of curtains, as a fraction of that of structure that runs along y: that is known
from the neighbouring slices, but not exactly."""
SLANTS_DEG = tuple(range(-6, 7))


def _noise(runs: Sequence[Sequence[Levelled]]) -> tuple[float, float, float]:
    """Return the deviations of slopes along x, differences and bends between slices."""
    changes: list[list[np.ndarray]] = [[], [], []]
    for run in runs:
        stack = np.stack([one.levelled()[::2] for one in run])
        stack[stack > MOST] = np.nan
        changes[0].append(np.diff(stack, axis=2)[:, :, ::3])
        changes[1].append(np.diff(stack[:, :, ::3], axis=0))
        sides = 0.5 * (stack[:-2, :, ::3] + stack[2:, :, ::3])
        changes[2].append(stack[1:-1, :, ::3] - sides if len(stack) > 2 else stack[:0])
    unit = [1.0 / one.deviation for run in runs for one in run if one.table.size]
    step = float(np.mean(unit)) if unit else 0.0
    across, between, bends = (_flat([np.abs(c).ravel() for c in each], step) for each in changes)
    return across, between, bends


def _flat(changes: Sequence[np.ndarray], step: float) -> float:
    """Return the deviation of changes without edges.

    Args:
        changes: absolute values.
        step: a grey level, over which integers are spread.
    """
    values = np.concatenate(changes)
    values = values[np.isfinite(values)]
    if not values.size:
        return 1.0
    if step:
        spread = np.random.default_rng(0).uniform(-0.5, 0.5, values.size)
        values = np.abs(values + step * spread)
    return max(float(np.quantile(values, FLAT)) / FLAT_OF_NORMAL, 1e-4)


class Sample:
    """Sampled slices of a channel.

    Attributes:
        noise: standard deviations of slopes along x, of differences between slices and of bends
            (see `Prior`), without edges; 1 where there are too few slices.
    """

    def __init__(
        self,
        runs: Sequence[Sequence[Levelled]],
        length_px: float,
        kept: float,
        voxel_size_nm: tuple[float, float, float],
    ) -> None:
        """Measure the noise.

        Args:
            runs: runs of consecutive slices, none constant, all of one shape.
            length_px: distance along y over which curtains may change.
            kept: correlation of curtains in neighbouring slices.
            voxel_size_nm: (z, y, x).
        """
        self.runs, self.kept, self.voxel = runs, kept, voxel_size_nm
        self.noise = _noise(runs)
        self.shape = runs[0][0].plane.shape
        self.band = max(min(length_px, self.shape[0] / LEAST_BANDS), LEAST_ROWS)

    def offsets(self, deviation: float, slant_deg: float) -> list[np.ndarray]:
        """Return the offsets of bands, axes (slice, band, column), of each run."""
        rows, width = self.shape
        slope = slope_of(slant_deg, self.voxel)
        columns = Columns(rows, width, self.band, slope, joined=False)
        prior = Prior(deviation, *self.noise, kept=self.kept)
        found = []
        for run in self.runs:
            s = fit_offsets(run, columns, prior, ROW_STEPS)[:, : columns.bands]
            found.append(s - s.mean(axis=2, keepdims=True))
        return found

    def slant(self) -> float:
        """Return the slant of curtains, degrees; 0 if none stands out."""
        seen = []
        for slant in SLANTS_DEG:
            offsets = self.offsets(WIDE, slant)
            seen.append(_own(offsets, offsets, self.kept).mean())
        best = int(np.argmax(seen))
        at = float(SLANTS_DEG[best])
        if 0 < best < len(seen) - 1:
            before, top, after = seen[best - 1 : best + 2]
            at += 0.5 * (before - after) / min(before - 2 * top + after, -1e-12)
        return float(at)

    def distinct(self, slant_deg: float, factor: float) -> bool:
        """Return whether curtains have more variance than structure along y, times a factor."""
        wide = self.offsets(WIDE, slant_deg)
        seen = float(_own(wide, wide, self.kept).mean())
        structure = float(np.mean([_covariances(s, s, 0).mean() for s in wide])) - seen
        return seen > factor * max(structure, 0.0)

    def shared(self, slant_deg: float) -> float:
        """Return the part of the variance of offsets that bands share."""
        wide = self.offsets(WIDE, slant_deg)
        power = float(np.mean([np.mean(s**2) for s in wide]))
        return float(_own(wide, wide, self.kept).mean()) / max(power, 1e-12)

    def deviation(self, slant_deg: float) -> float:
        """Return the deviation of curtains for which the least error is to be expected.

        The squared error of estimated offsets e of curtains s is e^2 - 2 e s + s^2. The mean of
        e s is the covariance of e with the offsets of other bands.
        """
        wide = self.offsets(WIDE, slant_deg)
        seen = float(_own(wide, wide, self.kept).mean())
        if not self.distinct(slant_deg, DISTINCT):
            return 0.0
        gains, sure = [], []
        for tried in TRIED:
            offsets = self.offsets(tried, slant_deg)
            power = np.concatenate([(s**2).mean(axis=(1, 2)) for s in offsets])
            gain = 2.0 * DECAY * _own(offsets, wide, self.kept) - power
            gains.append(float(gain.mean()))
            scatter = gain.std() if len(gain) > 1 else power.mean()
            sure.append(float(scatter / np.sqrt(max(len(gain) / SHARED, 1.0))))
        best = int(np.argmax(gains))
        if gains[best] <= SIGNIFICANT * sure[best]:
            return 0.0
        step = 0.0
        if 0 < best < len(gains) - 1:
            before, top, after = gains[best - 1 : best + 2]
            step = 0.5 * (before - after) / min(before - 2 * top + after, -1e-12)
        return float(JOINED * min(TRIED[best] * 2.0**step, np.sqrt(DECAY * seen)))

    def gain_of_medians(self, slant_deg: float, deviation: float | None) -> float:
        """Return the factor on column medians for the least error to be expected, 0 to 1.

        Args:
            slant_deg: angle of curtains.
            deviation: standard deviation of curtains; None finds what bands share.
        """
        rows, width = self.shape
        columns = Columns(rows, width, self.band, slope_of(slant_deg, self.voxel))
        found = []
        for run in self.runs:
            medians = [column_medians(one.filled(), columns) for one in run]
            found.append(np.stack([s - s.mean(axis=1, keepdims=True) for s in medians]))
        power = float(np.mean([np.mean(s**2) for s in found]))
        of_curtains = DECAY * _own(found, found, self.kept).mean()
        if deviation is not None:
            of_curtains = deviation**2
        return float(np.clip(of_curtains / max(power, 1e-12), 0.0, 1.0))


def _own(first: Sequence[np.ndarray], second: Sequence[np.ndarray], kept: float) -> np.ndarray:
    """Return the covariance of bands of a slice without what neighbouring slices share.

    Structure that runs along y changes gradually from slice to slice: its covariance at a distance
    of l slices is a - b l, so that a is found from l = 1 and 2. Curtains have v kept^l. If they
    are correlated, a - b l^2 is assumed, since v and a would hardly differ otherwise.
    """
    here = np.concatenate([_covariances(a, b, 0) for a, b in zip(first, second, strict=True)])
    if min(len(a) for a in first) < 3:
        return here
    one, two = (
        np.concatenate([_covariances(a, b, lag) for a, b in zip(first, second, strict=True)]).mean()
        for lag in (1, 2)
    )
    near, far = (4.0 / 3.0, 1.0 / 3.0) if kept else (2.0, 1.0)
    total, shared = here.mean(), near * one - far * two
    of_curtains = near * kept - far * kept**2
    own = (total - shared) / (1.0 - of_curtains)
    structure = max(total - own, 0.0)
    return here - structure


def _covariances(first: np.ndarray, second: np.ndarray, lag: int) -> np.ndarray:
    """Return the covariances of bands `APART`, of slices that are `lag` apart."""
    stop = len(first) - lag
    forth = (
        first[:stop, APART:] * second[lag:, :-APART],
        first[:stop, :-APART] * second[lag:, APART:],
    )
    back = (
        first[lag:, APART:] * second[:stop, :-APART],
        first[lag:, :-APART] * second[:stop, APART:],
    )
    return np.mean([product.mean(axis=(1, 2)) for product in (*forth, *back)], axis=0)
