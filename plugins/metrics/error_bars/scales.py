"""Scales on which errors are alike for small and large values: logarithms, logits of shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

SMALLEST_SHARE = 1e-4
"""Shares nearer than this to 0 or 1 count as this near: their logit would be infinite."""


@dataclass(frozen=True)
class Scale:
    """A monotonic function of a quantity.

    Attributes:
        to: the function.
        back: its inverse.
        slope: its derivative, as a function of the quantity.
    """

    to: Callable[[ArrayLike], np.ndarray]
    back: Callable[[ArrayLike], np.ndarray]
    slope: Callable[[ArrayLike], np.ndarray]


def _log(values: ArrayLike) -> np.ndarray:
    return np.log(np.maximum(np.asarray(values, float), 1e-300))


def _clipped(shares: ArrayLike) -> np.ndarray:
    return np.clip(np.asarray(shares, float), SMALLEST_SHARE, 1.0 - SMALLEST_SHARE)


def _logit(shares: ArrayLike) -> np.ndarray:
    clipped = _clipped(shares)
    return np.log(clipped / (1.0 - clipped))


def _share(logits: ArrayLike) -> np.ndarray:
    shares = 1.0 / (1.0 + np.exp(-np.asarray(logits, float)))
    # Nothing is known within the smallest share of 0 and 1: limits there include them.
    rounded = np.where(shares >= 1.0 - SMALLEST_SHARE, 1.0, shares)
    return np.where(shares <= SMALLEST_SHARE, 0.0, rounded)


LOG = Scale(
    _log,
    lambda values: np.exp(np.asarray(values, float)),
    lambda values: 1.0 / np.maximum(np.asarray(values, float), 1e-300),
)
"""Natural logarithm, for lengths and surfaces: errors are ratios."""
LOGIT = Scale(
    _logit,
    _share,
    lambda shares: 1.0 / (_clipped(shares) * (1.0 - _clipped(shares))),
)
"""log(p / (1 - p)), for shares from 0 to 1: limits stay within 0 and 1."""
