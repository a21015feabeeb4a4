"""Charging streaks: lines that change suddenly at a bright pixel, and recover along the scan."""

from __future__ import annotations

import numpy as np

MOST_LINES = 3
DARK = 0.3
"""Share of streaks that darken."""


def with_streaks(
    signal: np.ndarray,
    number: float,
    strength: float,
    length_px: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the signal with streaks, axes (y, x); x is the scan direction.

    Each begins at a pixel drawn with a probability proportional to the signal, in one to three
    lines, and multiplies what follows by 1 + s / (1 + d / length) at distance d. Its strength s is
    exponentially distributed about `strength`, three in ten are negative.

    Args:
        signal: of the beam, without noise.
        number: mean number of streaks.
        strength: mean change at the start, as a fraction of the signal.
        length_px: distance over which it falls to half, pixels.
        rng: where draws come from.
    """
    height, width = signal.shape
    count = int(rng.poisson(number))
    if count == 0:
        return signal
    chance = np.cumsum(np.maximum(signal, 0.0).ravel(), dtype=np.float64)
    changed = signal.copy()
    for _ in range(count):
        place, sign = rng.random(2)
        lines = int(rng.integers(1, MOST_LINES + 1))
        amount = strength * rng.exponential() * (-1.0 if sign < DARK else 1.0)
        first = np.searchsorted(chance, place * chance[-1], "right")
        y, x = divmod(min(int(first), height * width - 1), width)
        fading = 1.0 + np.arange(width - x) / length_px
        factor = np.maximum(1.0 + amount / fading, 0.0)
        changed[y : y + lines, x:] *= factor.astype(np.float32)
    return changed
