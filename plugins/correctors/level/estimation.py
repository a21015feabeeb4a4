"""Estimates brightness and contrast of slices, and the shading of the field, of one channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.level import drift
from fib_plugins.correctors.level.loops import levelled, tile_sums
from fib_plugins.correctors.level.sizes import SAMPLED
from fib_plugins.correctors.level.surfaces import (
    SHADING,
    STRUCTURE,
    Surfaces,
    terms_along,
    tiles_of,
)
from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.image_statistics.levels import otsu_level
from fib_plugins.threads import in_threads
from fibcore import Context
from fibcore.threads import one_blas_thread

ROUNDS = 8
"""Pixels are sorted into dark and bright ones again after each round."""
BLACK = 0.005
"""Quantile of the grey values that is the level of no signal."""
CLIPPED = 0.75
"""Differences from the level of a class count up to this multiple of the contrast."""
FEWEST_SLICES = 4
"""Fewer steady slices do not show what varies from slice to slice."""


@dataclass(frozen=True)
class ChannelLevels:
    """What slices of a channel differ by.

    Attributes:
        middle: grey value about which contrast is changed: between the dark and the bright level.
        black: grey value of no signal.
        span: contrast, bright minus dark level.
        brightness: added to each slice, grey values.
        contrast: factor on the grey values of each slice about `middle`.
        shading: coefficients of its terms, relative, axes (slice, term).
    """

    middle: float
    black: float
    span: float
    brightness: np.ndarray
    contrast: np.ndarray
    shading: np.ndarray

    def scale(self, z: int) -> np.ndarray:
        """Return the numbers of a slice that `loops.levelled` takes."""
        return np.array([self.middle, self.brightness[z], self.contrast[z], self.black, self.span])

    def applied(self, plane: np.ndarray, z: int, multiplicative: bool) -> np.ndarray:
        """Return slice `z`, or a reduced copy of it, levelled: float32 (y, x)."""
        out = np.empty(plane.shape, np.float32)
        rows = np.ascontiguousarray(terms_along(plane.shape[0], 0).T * self.shading[z])
        columns = terms_along(plane.shape[1], 1)
        levelled(plane, self.scale(z), rows, columns, multiplicative, out)
        return out


@dataclass(frozen=True)
class Wanted:
    """What is estimated.

    Attributes:
        brightness: brightness and contrast of slices.
        shading: ``multiplicative``, ``additive`` or ``none``.
    """

    brightness: bool
    shading: str


@one_blas_thread
def channel_levels(
    reduced: np.ndarray, steady: np.ndarray, wanted: Wanted, what: str, context: Context
) -> ChannelLevels:
    """Estimate what the slices of a channel differ by.

    Args:
        reduced: reduced slices, axes (z, y, x).
        steady: slices to estimate from; others get what fits them to their neighbours.
        wanted: what is estimated.
        what: name of the channel in messages.
        context: threads and progress.

    Raises:
        FibError: the images are constant.
    """
    depth = len(reduced)
    usable = np.flatnonzero(steady)
    sampled = usable[np.unique(np.linspace(0, len(usable) - 1, SAMPLED).round().astype(int))]
    sample = np.asarray(reduced[sampled])
    threshold = otsu_level(Histogram.of(sample, f"the {what} images"))
    is_bright = sample > threshold
    dark, bright = float(np.median(sample[~is_bright])), float(np.median(sample[is_bright]))
    span = max(bright - dark, 1e-30)
    levels = np.array([threshold, dark, bright, CLIPPED * span])
    found = ChannelLevels(
        middle=(dark + bright) / 2.0,
        black=float(np.quantile(sample, BLACK)),
        span=span,
        brightness=np.zeros(depth),
        contrast=np.ones(depth),
        shading=np.zeros((depth, len(SHADING))),
    )
    if not wanted.brightness and wanted.shading == "none":
        return found
    multiplicative = wanted.shading != "additive"
    tiles = tiles_of(reduced.shape[1:])

    for _ in context.track(range(ROUNDS), f"rounds of estimates, {what}"):
        counts, sums = np.zeros((2, depth, 2, *tiles))
        current = found

        def count(
            z: int,
            counts: np.ndarray = counts,
            sums: np.ndarray = sums,
            current: ChannelLevels = current,
        ) -> None:
            plane = current.applied(np.asarray(reduced[z]), z, multiplicative)
            tile_sums(plane, levels, counts[z], sums[z])

        in_threads(count, range(depth), context.threads)
        found = _refined(found, Surfaces.of(counts, sums, steady), steady, wanted)
    return found


def _refined(
    current: ChannelLevels, surfaces: Surfaces, steady: np.ndarray, wanted: Wanted
) -> ChannelLevels:
    """Return levels that also remove what is left of surfaces after the current ones."""
    dark, bright = surfaces.coefficients[:, 0], surfaces.coefficients[:, 1]
    brightness, contrast, shading = current.brightness, current.contrast, current.shading
    if wanted.brightness and steady.sum() >= FEWEST_SLICES:
        middle, spread = (dark + bright) / 2.0, (bright - dark) / current.span
        brightness = _series(current.brightness + middle[:, 0] * contrast, middle, steady)
        logarithm = _series(np.log(contrast) + spread[:, 0], spread, steady)
        contrast = np.exp(np.clip(logarithm, -3.0, 3.0))
    if wanted.shading != "none":
        if wanted.shading == "multiplicative":
            left = bright / max(current.middle + current.span / 2.0 - current.black, 1e-30)
        else:
            left = (dark + bright) / 2.0 / current.span
        structure = _structure(left, steady)
        values = shading + left[:, SHADING]
        shading = np.stack(
            [drift.shading_of(drift.over_gaps(each, steady), structure) for each in values.T],
            axis=1,
        )
        shading = np.clip(shading, -0.2, 0.2)
    return ChannelLevels(current.middle, current.black, current.span, brightness, contrast, shading)


def _series(values: np.ndarray, terms: np.ndarray, steady: np.ndarray) -> np.ndarray:
    """Return the drift in a series of levels, whose structure is known from other terms.

    A slice that is not steady gets the level that makes it fit to its neighbours.
    """
    structure = _structure(terms, steady)
    bridged = drift.over_gaps(values, steady)
    found = drift.drift_of(bridged, structure)
    return np.where(steady, found, found + values - bridged)


def _structure(terms: np.ndarray, steady: np.ndarray) -> np.ndarray:
    """Return the covariance of the structure's share along z, from terms of higher degree."""
    bridged = [drift.over_gaps(terms[:, k], steady) for k in STRUCTURE]
    return drift.structure_covariance(np.stack(bridged, axis=1))
