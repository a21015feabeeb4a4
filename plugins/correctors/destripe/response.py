"""Whether curtains are equally strong in dark and bright areas, or a fraction of the signal.

Curtains of a band of rows are known from other bands: the factor on them that fits the slopes of
dark pixels, over that of bright ones, is about 1 where curtains are equally strong. If it is less,
the scale on which bands share most of their offsets is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fib_plugins.correctors.destripe.columns import Columns, slope_of
from fib_plugins.correctors.destripe.levels import MOST, Levelled, Scale
from fib_plugins.correctors.destripe.strength import APART, WIDE, Sample

Voxel = tuple[float, float, float]

SLICES, PIXELS = 6, 512
"""Of each run, so many slices are used, and so many pixels along each edge."""
DARK, BRIGHT = 0.3, 0.7
"""Quantiles below and above which pixels are dark or bright."""
DISTANCES = (2.0, 1.0, 0.5, 0.25, 0.1)
"""Grey values of no signal that are tried: so far below dark pixels, in units of the distance
between dark and bright ones."""
WEAKER = 0.95
"""Curtains may be a fraction of the signal if their ratio is below this."""
CLEAR = 2.0
"""Least variance of curtains, as a multiple of that of structure that runs along y, for a scale
to be found."""
BETTER = 1.01
"""Factor by which the shared part of offsets has to increase on another scale."""


def find_black_level(
    runs: Sequence[Sequence[np.ndarray]],
    mean: float,
    slant_deg: float,
    length_px: float,
    kept: float,
    voxel_size_nm: Voxel,
) -> float | None:
    """Return the grey value of no signal; None if curtains are equally strong everywhere.

    Args:
        runs: runs of consecutive slices.
        mean: their mean grey value.
        slant_deg: angle of curtains.
        length_px: distance along y over which curtains may change.
        kept: correlation of curtains in neighbouring slices.
        voxel_size_nm: (z, y, x).
    """
    parts = [[plane[:PIXELS, :PIXELS] for plane in run[:SLICES]] for run in runs]
    values = np.concatenate([plane[::4, ::4].ravel() for run in parts for plane in run])
    dark, bright = (float(level) for level in np.quantile(values, (DARK, BRIGHT)))

    if bright - dark <= 0 or any(np.ptp(plane) == 0 for run in parts for plane in run):
        return None

    def sample(black: float | None) -> Sample:
        scale = Scale(black, mean)
        levelled = [[Levelled.of(plane, scale) for plane in run] for run in parts]
        return Sample(levelled, length_px, kept, voxel_size_nm)

    plain = sample(None)
    slope = slope_of(slant_deg, voxel_size_nm)
    if not plain.distinct(slant_deg, CLEAR):
        return None
    if _ratio(plain, (dark, bright), slope, slant_deg) >= WEAKER:
        return None
    best, most = None, BETTER * plain.shared(slant_deg)
    for distance in DISTANCES:
        black = dark - distance * (bright - dark)
        shared = sample(black).shared(slant_deg)
        if shared > most:
            best, most = black, shared
    return best


def _ratio(sample: Sample, limits: tuple[float, float], slope: float, slant_deg: float) -> float:
    """Return how strong curtains are in dark areas, in units of those in bright ones."""
    rows, width = sample.shape
    columns = Columns(rows, width, sample.band, slope, joined=False)
    fits = np.zeros((2, 2))
    for run, offsets in zip(sample.runs, sample.offsets(WIDE, slant_deg), strict=True):
        for one, own in zip(run, offsets, strict=True):
            classes = [(level - one.mean) / one.deviation for level in limits]
            for band in range(columns.bands):
                inside = np.flatnonzero(columns.above == band)
                others = [b for b in (band - APART, band + APART) if 0 <= b < columns.bands]
                if not others:
                    continue
                line = np.arange(width)[None, :] + columns.starts[inside, None]
                known = np.diff(sum(own[b][line] for b in others), axis=1)
                fits += _fits(one.levelled(inside), known, classes, sample.noise[0])
    (dark, dark_power), (bright, bright_power) = fits
    return float(dark * bright_power / max(bright * dark_power, 1e-12))


def _fits(
    grey: np.ndarray, known: np.ndarray, classes: Sequence[float], noise: float
) -> np.ndarray:
    """Return sums of slopes times known slopes and of their squares, axes (dark or bright, sum)."""
    grey = np.where(grey < MOST, grey, np.nan)
    slope, level = np.diff(grey, axis=1), 0.5 * (grey[:, 1:] + grey[:, :-1])
    weight = (1.0 + (slope / noise) ** 2) ** -2.0
    sums = []
    for chosen in (level < classes[0], level > classes[1]):
        w = np.where(chosen, weight, 0.0)
        sums.append((np.nansum(w * slope * known), np.nansum(w * known**2)))
    return np.array(sums)
