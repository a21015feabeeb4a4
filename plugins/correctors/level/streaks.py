"""Streaks along the scan direction: offsets of rows, and of parts of rows.

The step from each row to the next is measured robustly, in blocks along the row. Summed up, and
without what changes slowly down the slice, steps are offsets of rows. What the offsets of the
neighbouring slices predict is structure. Of the rest, what different blocks of a row have in
common is an offset of the row: structure and noise differ from block to block. What neighbouring
blocks have in common beyond that is a streak that begins or ends within the row. Both are taken out
as far as they are there (Wiener filter): without streaks, nothing is.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.correctors.level.loops import row_steps

SLOW_ROWS = 2.0
"""Gaussian down the slice; what is smoother than that is left, rows."""
CLIPPED = 0.7
"""Differences of rows count up to this multiple of their robust standard deviation."""
ROUNDS = 4
SAMPLED_ROWS = 64
SIGNIFICANT = 3.0
"""Offsets count if their covariance is above this many standard errors."""
FADING = 0.7
"""Correlation of streaks in neighbouring blocks."""


def offsets_of(plane: np.ndarray, blocks: int) -> np.ndarray:
    """Return the offsets of rows of a slice, structure included: float32 (row, block).

    Args:
        plane: grey values, axes (y, x).
        blocks: from `sizes.blocks_of`.
    """
    from scipy.ndimage import gaussian_filter1d

    height = len(plane)
    rows = np.arange(0, height - 1, max(1, height // SAMPLED_ROWS))
    below, above = (plane[rows + i].astype(np.float32) for i in (1, 0))
    spread = 1.4826 * float(np.median(np.abs(below - above)))
    steps = np.empty((height - 1, blocks))
    row_steps(plane, blocks, CLIPPED * max(spread, 1e-30), ROUNDS, steps)
    offsets = np.vstack([np.zeros(blocks), np.cumsum(steps, axis=0)])
    offsets -= gaussian_filter1d(offsets, SLOW_ROWS, axis=0, mode="nearest")
    return (offsets - offsets.mean(axis=0)).astype(np.float32)


class Streaks:
    """Streaks of a channel.

    Args:
        offsets: from `offsets_of`, axes (slice, row, block).
        good: slices that can predict the structure of their neighbours.
    """

    def __init__(self, offsets: np.ndarray, good: np.ndarray) -> None:
        self.offsets = offsets
        self.good = good
        self.structure = self._structure() if offsets.shape[2] else 0.0

    def _neighbours(self, z: int) -> np.ndarray | None:
        places = np.flatnonzero(self.good)
        before, after = places[places < z], places[places > z]
        near = [int(part) for part in (*before[-1:], *after[:1])]
        return np.mean([self.offsets[other] for other in near], axis=0) if near else None

    def _structure(self) -> float:
        """Return the part of the neighbours' mean offsets that a slice has, 0 to 1."""
        products = squares = 0.0
        for z in np.flatnonzero(self.good).tolist():
            near = self._neighbours(z)
            if near is not None:
                products += float(np.vdot(self.offsets[z], near))
                squares += float(np.vdot(near, near))
        return float(np.clip(products / squares, 0.0, 1.0)) if squares > 0.0 else 0.0

    def of(self, z: int) -> np.ndarray | None:
        """Return the offsets of a slice that are streaks: float64 (row, block); None: none."""
        near = self._neighbours(z) if self.offsets.shape[2] else None
        if near is None:
            return None  # a single slice does not show what is structure
        return _in_common(np.asarray(self.offsets[z], np.float64) - self.structure * near)


def _in_common(offsets: np.ndarray) -> np.ndarray | None:
    """Return the part of offsets that is common to blocks of a row."""
    height, blocks = offsets.shape
    offsets = offsets - offsets.mean(axis=0)
    covariance = offsets.T @ offsets / height
    distance = np.abs(np.subtract.outer(np.arange(blocks), np.arange(blocks)))
    # offsets of neighbouring rows are correlated by the sum and the smoothing
    independent = height / SLOW_ROWS
    of_row, error = _mean_covariance(covariance, distance >= max(2, blocks // 2), independent)
    of_row = of_row if of_row > SIGNIFICANT * error else 0.0
    near, error = _mean_covariance(covariance, distance == 1, independent)
    beyond = near - of_row
    of_streaks = beyond / FADING if beyond > SIGNIFICANT * error else 0.0
    total = float(np.trace(covariance)) / blocks
    noise = max(total - of_row - of_streaks, 1e-3 * total)
    if of_row == 0.0 and of_streaks == 0.0:
        return None
    prior = of_row + of_streaks * FADING**distance
    weights = np.linalg.solve(prior + noise * np.eye(blocks), prior)
    return offsets @ weights


def _mean_covariance(
    covariance: np.ndarray, pairs: np.ndarray, independent: float
) -> tuple[float, float]:
    """Return the mean covariance of pairs of blocks, and its standard error without any."""
    variances = np.diag(covariance)
    found = float(covariance[pairs].mean())
    number = max(1, int(pairs.sum()) // 2)
    error = float(np.sqrt((np.outer(variances, variances)[pairs]).mean() / (independent * number)))
    return found, error
