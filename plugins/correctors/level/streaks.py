"""Streaks along the scan direction: offsets of rows, and of parts of rows.

The step from each row to the next is measured robustly, in blocks along the row. Summed up, and
without what changes slowly down the slice, steps are offsets of rows. What the offsets of the
neighbouring slices predict is structure. Of the rest, what different blocks of a row have in
common is an offset of the row: structure and noise differ from block to block. What neighbouring
blocks have in common beyond that is a streak that begins or ends within the row. Both are taken out
as far as they are there (Wiener filter): without streaks, nothing is.

Single streaks, such as those of charging, begin somewhere and last to the end of the row. They are
found one by one: where the blocks from one on are together far from those of other rows.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.correctors.level.loops import row_steps

WIDE_ROWS, SLOW_ROWS = 16.0, 2.0
"""Gaussians down the slice; what is smoother than the second is left, rows."""
SUDDEN, ROUNDS_OF_SUDDEN = 5.0, 3
"""A streak is found if the blocks it covers are together this many standard deviations off."""
MOST_OF_ONE = 3.0
"""Standard deviations that a single block counts at most: an edge of the structure fills one."""
LASTING = 0.9
"""Correlation of neighbouring blocks within such a streak."""
CLIPPED = 1.2
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
    height = len(plane)
    rows = np.arange(0, height - 1, max(1, height // SAMPLED_ROWS))
    below, above = (plane[rows + i].astype(np.float32) for i in (1, 0))
    spread = 1.4826 * float(np.median(np.abs(below - above)))
    steps = np.empty((height - 1, blocks))
    row_steps(plane, blocks, CLIPPED * max(spread, 1e-30), ROUNDS, steps)
    offsets = np.vstack([np.zeros(blocks), np.cumsum(steps, axis=0)])
    offsets -= _slow(offsets, WIDE_ROWS)
    return (offsets - offsets.mean(axis=0)).astype(np.float32)


def _slow(values: np.ndarray, rows: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return gaussian_filter1d(values, rows, axis=0, mode="nearest")


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
        """Return the offsets of the good slices before and after, axes (slice, row, block)."""
        places = np.flatnonzero(self.good)
        before, after = places[places < z], places[places > z]
        near = [int(part) for part in (*before[-1:], *after[:1])]
        return np.stack([self.offsets[other] for other in near]) if near else None

    def _structure(self) -> float:
        """Return the part of the neighbours' mean offsets that a slice has, 0 to 1."""
        products = squares = 0.0
        for z in np.flatnonzero(self.good).tolist():
            near = self._neighbours(z)
            if near is not None:
                mean = near.mean(axis=0)
                quick = mean - _slow(mean, SLOW_ROWS)
                own = self.offsets[z] - _slow(self.offsets[z], SLOW_ROWS)
                products += float(np.vdot(own, quick))
                squares += float(np.vdot(quick, quick))
        return float(np.clip(products / squares, 0.0, 1.0)) if squares > 0.0 else 0.0

    def of(self, z: int) -> np.ndarray | None:
        """Return the offsets of a slice that are streaks: float64 (row, block); None: none."""
        near = self._neighbours(z) if self.offsets.shape[2] else None
        if near is None:
            return None  # a single slice does not show what is structure
        own = np.asarray(self.offsets[z], np.float64)
        # a streak of a neighbour must not appear here: what lies between them is structure
        common = own - self.structure * near.mean(axis=0)
        usual = np.abs(common - _slow(common, SLOW_ROWS))
        spread = 1.4826 * np.median(usual, axis=0)
        between = np.clip(own, near.min(axis=0), near.max(axis=0))
        sudden, single = _single(own - between, spread)
        common = _in_common(np.where(sudden, 0.0, common - _slow_between(common, sudden)))
        if common is None:
            return single if sudden.any() else None
        return np.where(sudden, single, common)


def _single(offsets: np.ndarray, spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which blocks belong to single streaks, and the offsets of those; 0 elsewhere.

    Args:
        offsets: without structure, axes (row, block).
        spread: usual standard deviation of each block.
    """
    sudden = np.zeros(offsets.shape, bool)
    found = offsets - _slow(offsets, SLOW_ROWS)
    for _ in range(ROUNDS_OF_SUDDEN):
        more = _sudden(found, spread) | sudden
        if np.array_equal(more, sudden):
            break
        sudden = more
        found = offsets - _slow_between(offsets, sudden)
    return sudden, _lasting(found, sudden, spread)


def _sudden(offsets: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return which blocks of rows belong to single streaks that last to the end of the row."""
    blocks = offsets.shape[1]
    score = np.clip(offsets / np.maximum(spread, 1e-30), -MOST_OF_ONE, MOST_OF_ONE)
    number = np.arange(blocks, 0, -1)
    together = np.abs(np.cumsum(score[:, ::-1], axis=1)[:, ::-1]) / np.sqrt(number)
    first = np.argmax(together, axis=1)
    far = together.max(axis=1) > SUDDEN
    return far[:, np.newaxis] & (np.arange(blocks) >= first[:, np.newaxis])


def _slow_between(offsets: np.ndarray, sudden: np.ndarray) -> np.ndarray:
    """Return what changes slowly down the slice, from blocks that hold no single streaks."""
    weight = np.where(sudden, 1e-6, 1.0)
    return _slow(offsets * weight, SLOW_ROWS) / _slow(weight, SLOW_ROWS)


def _lasting(offsets: np.ndarray, sudden: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Return the offsets of single streaks, as far as they exceed noise."""
    noise = np.diag(spread**2)
    found = np.zeros(offsets.shape)
    for row in np.flatnonzero(sudden.any(axis=1)).tolist():
        covered = np.flatnonzero(sudden[row])
        values = offsets[row, covered]
        distance = np.abs(np.subtract.outer(covered, covered))
        prior = float(np.mean(values**2)) * LASTING**distance
        own = noise[np.ix_(covered, covered)]
        found[row, covered] = prior @ np.linalg.solve(prior + own + 1e-12 * prior, values)
    return found


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
