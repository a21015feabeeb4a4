"""Splits displacements into jitter, jumps, and a slow part that may be inclined structure."""

from __future__ import annotations

import numpy as np

JUMP = 6.0
"""Steps further from the median than so many standard deviations of steps are jumps, ..."""
SMALLEST_JUMP_PX = 2.0
"""... if they are longer than this."""


def slow_part(shifts: np.ndarray, period: float) -> np.ndarray:
    """Return the slow part of displacements (slice, (y, x)); jumps are not part of it.

    A smoothing spline on even slices (Whittaker 1923; P. H. C. Eilers, Anal. Chem. 75 (2003)
    3631): it minimises sum (s - t)^2 + L sum (second differences of t)^2. A wave of so many slices
    keeps the share 1 / (1 + L (2 sin(pi / period))^4), which is half at the `period`; a straight
    line stays as it is.

    Args:
        shifts: displacements, pixels.
        period: in slices, above 2.
    """
    count = len(shifts)
    if count < 3:
        return np.zeros_like(shifts) + shifts.mean(axis=0)
    stiffness = (2.0 * np.sin(np.pi / period)) ** -4.0
    return _smoothed(without_jumps(shifts), stiffness)


def without_jumps(shifts: np.ndarray) -> np.ndarray:
    """Return displacements in which each jump is replaced by the median step."""
    steps = np.diff(shifts, axis=0)
    usual = np.median(steps, axis=0)
    spread = 1.4826 * np.median(np.abs(steps - usual), axis=0)
    far = np.abs(steps - usual) > np.maximum(JUMP * spread, SMALLEST_JUMP_PX)
    steps = np.where(far, usual, steps)
    return np.concatenate([shifts[:1], shifts[:1] + np.cumsum(steps, axis=0)])


def _smoothed(values: np.ndarray, stiffness: float) -> np.ndarray:
    from scipy.linalg import solveh_banded

    count = len(values)
    bands = np.zeros((3, count))  # lower form of 1 + L D' D, D the second differences
    bands[0] = 1.0
    for offset, share in enumerate((1.0, -2.0, 1.0)):
        bands[0, offset : count - 2 + offset] += stiffness * share * share
    bands[1, : count - 2] += stiffness * -2.0
    bands[1, 1 : count - 1] += stiffness * -2.0
    bands[2, : count - 2] += stiffness
    return np.asarray(solveh_banded(bands, values, lower=True))
