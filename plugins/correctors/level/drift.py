"""What of a series of measured levels is drift, and what is the structure itself.

A level measured on a slice is the sum of the instrument's deviation and of the structure's, which
is random from place to place. The structure's share is known from the same slices: it appears with
the same variance in patterns across the field that drift cannot make (see `surfaces`). The drift is
then the best linear estimate (Wiener filter) with a prior whose variance and persistence have the
largest likelihood. Where no prior is more likely than none, the drift is zero: a clean stack stays
as it is. Gaussian processes: C. E. Rasmussen, C. K. I. Williams, Gaussian Processes for Machine
Learning (MIT Press 2006), eq. 2.23-2.30.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

SIGNIFICANT = 3.0
"""Gain in log likelihood that a drift needs to be believed."""
PERSISTENCE = (1.0, 3.0, 8.0, 20.0, 50.0)
"""Correlation lengths of drift that are tried, slices."""
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Standard deviations of drift that are tried, in those of the structure."""
SLOW = 60.0
"""Correlation length of shading, slices."""
SHADES, CHANGES = (0.5, 1.0, 2.0, 4.0, 8.0), (0.0, 0.25, 0.5, 1.0, 2.0)
"""Standard deviations of constant shading and of its change that are tried, likewise."""
BLOCK = 256
"""Likelihoods are those of blocks of so many slices."""
LONGEST = 100
"""Longest distance of slices that the structure is taken to be correlated over."""
JITTER = 1e-6


def structure_covariance(series: np.ndarray) -> np.ndarray:
    """Return the covariance of the structure's share at distances 0, 1, ... slices.

    Args:
        series: coefficients of patterns that hold structure alone, axes (slice, pattern).
    """
    depth, patterns = series.shape
    lasting = float(np.mean(series.mean(axis=0) ** 2))
    varying = series - series.mean(axis=0)
    reach = min(depth, max(4, depth // 3), LONGEST)
    found = np.zeros(depth)
    for lag in range(reach):
        products = float(np.sum(varying[: depth - lag] * varying[lag:]))
        found[lag] = products / (depth * patterns) * (1.0 - lag / reach)
    return found + lasting


def drift_of(values: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Return the drift in a series of levels, with mean zero.

    Args:
        values: level of each slice.
        structure: from `structure_covariance`.
    """
    lags = np.arange(len(values))
    deviation = np.sqrt(structure[0])
    priors = (
        (strength * deviation) ** 2 * np.exp(-lags / length)
        for length in PERSISTENCE
        for strength in STRENGTHS
    )
    drift = _filtered(values, structure, priors, unknown_mean=True)
    return drift - drift.mean()


def shading_of(values: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Return the shading in a series of coefficients; constant and slow."""
    lags = np.arange(len(values))
    deviation = np.sqrt(structure[0])
    priors = (
        (shade * deviation) ** 2 + (change * deviation) ** 2 * np.exp(-lags / SLOW)
        for shade in SHADES
        for change in CHANGES
    )
    return _filtered(values, structure, priors, unknown_mean=False)


def _filtered(
    values: np.ndarray, structure: np.ndarray, priors: Iterator[np.ndarray], unknown_mean: bool
) -> np.ndarray:
    from scipy.linalg import matmul_toeplitz, solve_toeplitz

    nothing = np.zeros(len(values))
    if structure[0] <= 0.0:
        structure = nothing.copy()
        structure[0] = 1e-12 * max(float(np.mean(values**2)), 1e-30)
    structure = structure.copy()
    structure[0] *= 1.0 + JITTER
    best = _likelihood(values, structure, unknown_mean) + SIGNIFICANT
    chosen = None
    for prior in priors:
        likelihood = _likelihood(values, structure + prior, unknown_mean)
        if likelihood > best:
            best, chosen = likelihood, prior
    if chosen is None:
        return nothing
    both = np.stack([values, np.ones(len(values))], axis=1)
    solved = solve_toeplitz(structure + chosen, both)
    weights = solved[:, 0]
    if unknown_mean:
        weights = weights - solved[:, 1] * (solved[:, 0].sum() / solved[:, 1].sum())
    return matmul_toeplitz(chosen, weights)


def _likelihood(values: np.ndarray, covariance: np.ndarray, unknown_mean: bool) -> float:
    """Return the logarithm of the likelihood of a series, without its constant part."""
    from scipy.linalg import LinAlgError, cholesky, solve_triangular, toeplitz

    total = 0.0
    for first in range(0, len(values), BLOCK):
        part = values[first : first + BLOCK]
        try:
            root = cholesky(toeplitz(covariance[: len(part)]), lower=True)
        except LinAlgError:
            return -np.inf
        both = solve_triangular(root, np.stack([part, np.ones(len(part))], axis=1), lower=True)
        white, ones = both.T
        total -= float(np.log(np.diag(root)).sum())
        if unknown_mean:
            white = white - ones * (white @ ones) / (ones @ ones)
            total -= 0.5 * float(np.log(ones @ ones))
        total -= 0.5 * float(white @ white)
    return total


def over_gaps(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Return a series with linear interpolation where slices are not good."""
    places = np.arange(len(values))
    return np.interp(places, places[good], values[good])
