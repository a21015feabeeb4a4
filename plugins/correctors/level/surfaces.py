"""Smooth surfaces across the field: Legendre polynomials, fitted to dark and to bright pixels.

The lowest terms hold brightness and shading. Terms of higher degree hold structure alone, with the
same variance as the lower ones if the structure is random on their scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

DEGREE, SHADING_DEGREE = 4, 2
TILE_PX, FEWEST_TILES, MOST_TILES = 28, 6, 16
RIDGE = 0.01
"""Weight of the prior that terms are zero, in those of all pixels of the field."""
TERMS = tuple((i, total - i) for total in range(DEGREE + 1) for i in range(total + 1))
"""Degrees (y, x) of the terms."""
SHADING = tuple(k for k, term in enumerate(TERMS) if 0 < sum(term) <= SHADING_DEGREE)
STRUCTURE = tuple(k for k, term in enumerate(TERMS) if sum(term) > SHADING_DEGREE)


def legendre(degree: int, places: np.ndarray) -> np.ndarray:
    """Return a Legendre polynomial with mean square 1 between -1 and 1."""
    from numpy.polynomial.legendre import Legendre

    return Legendre.basis(degree)(places) * np.sqrt(2 * degree + 1)


def places_of(size: int) -> np.ndarray:
    """Return the centres of pixels between -1 and 1."""
    return (np.arange(size) + 0.5) / size * 2.0 - 1.0


@cache
def terms_along(size: int, axis: int) -> np.ndarray:
    """Return the factor of each shading term along y (axis 0) or x (1): float32 (term, pixel)."""
    places = places_of(size)
    factors = np.stack([legendre(TERMS[k][axis], places) for k in SHADING]).astype(np.float32)
    factors.flags.writeable = False
    return factors


def tiles_of(shape: tuple[int, int]) -> tuple[int, int]:
    """Return the number of tiles along (y, x) of a field."""
    rows, columns = (int(np.clip(size // TILE_PX, FEWEST_TILES, MOST_TILES)) for size in shape)
    return rows, columns


@dataclass(frozen=True)
class Surfaces:
    """Coefficients of the surfaces of dark and bright pixels: float64 (slice, class, term)."""

    coefficients: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, sums: np.ndarray, good: np.ndarray) -> Surfaces:
        """Fit surfaces to the mean differences of tiles from the level of their class.

        Pixels are brighter where there is more solid around them, below an open pore for instance.
        The slope of that is taken from the tiles of each slice, and its effect removed, so that a
        change of the solid fraction along z is not taken for drift.

        Args:
            counts: pixels, axes (slice, class, tile row, tile column).
            sums: sums of differences, in the same axes.
            good: which slices count for the slope.
        """
        depth, rows, columns = len(counts), *counts.shape[2:]
        counts = counts.reshape(depth, 2, -1)
        sums = sums.reshape(depth, 2, -1)
        bright = counts[:, 1] / np.maximum(counts.sum(axis=1), 1.0)
        usual = float(counts[good, 1].sum() / counts[good].sum())
        values = np.stack(
            [np.outer(legendre(i, places_of(rows)), legendre(j, places_of(columns))).ravel()
             for i, j in TERMS],
            axis=1,
        )  # fmt: skip
        pixels = counts.sum(axis=(1, 2))[:, np.newaxis] / values.shape[0]
        found = np.empty((depth, 2, len(TERMS)))
        for kind in range(2):
            weights, total = counts[:, kind], sums[:, kind]
            slope = _slope(weights[good], total[good], bright[good])
            total = (total - slope * weights * (bright - usual)) / pixels
            weights = weights / pixels
            normal = np.einsum("zt,ti,tj->zij", weights, values, values)
            normal += RIDGE * np.eye(len(TERMS))
            found[:, kind] = np.linalg.solve(normal, (total @ values)[..., np.newaxis])[..., 0]
        return cls(found)


def _slope(weights: np.ndarray, sums: np.ndarray, bright: np.ndarray) -> float:
    """Return how the mean difference changes with the share of bright pixels, within slices."""
    all_weights = np.maximum(weights.sum(axis=1, keepdims=True), 1.0)
    means = sums / np.maximum(weights, 1.0)
    of_means = (weights * means).sum(axis=1, keepdims=True) / all_weights
    of_bright = (weights * bright).sum(axis=1, keepdims=True) / all_weights
    spread = float((weights * (bright - of_bright) ** 2).sum())
    if spread <= 0.0:
        return 0.0
    return float((weights * (bright - of_bright) * (means - of_means)).sum()) / spread
