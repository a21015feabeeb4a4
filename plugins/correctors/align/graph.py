"""Positions of slices from the displacements of many pairs: robust least squares."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 8
"""Rounds of reweighting."""
OUTLIER = 3.0
"""Deviations of a pair, in those of its baseline, from which its weight falls (Huber)."""


@dataclass(frozen=True)
class Pairs:
    """Displacements of pairs of slices.

    Attributes:
        first: number of the earlier slice of each pair.
        second: number of the later one.
        shift: displacement (pair, (y, x)).
        information: inverse variance of it (pair, (y, x)).
    """

    first: np.ndarray
    second: np.ndarray
    shift: np.ndarray
    information: np.ndarray

    def positions(self, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the position of each slice, and the standard error of its step.

        The position of the first slice of what hangs together is that of `start`. Deviations are
        compared within pairs of one baseline. Slices without pairs stay, with an error of nan.

        Args:
            start: positions (slice, (y, x)), approximately.
        """
        found, errors = start.copy(), np.full(start.shape, np.nan)
        for axis in range(start.shape[1]):
            found[:, axis], errors[:, axis] = self._along(axis, start[:, axis])
        return found, errors

    def _along(self, axis: int, start: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        weights = self.information[:, axis].copy()
        by = self.second - self.first
        position = start
        scatter = 1.0
        for _ in range(ROUNDS):
            position = self._solved(weights, self.shift[:, axis], start)
            left = self.shift[:, axis] - (position[self.second] - position[self.first])
            scaled = np.abs(left) * np.sqrt(self.information[:, axis])
            squares = []
            for distance in np.unique(by):
                own = (by == distance) & (self.information[:, axis] > 0)
                if not own.any():
                    continue
                usual = max(1.4826 * float(np.median(scaled[own])), 1e-3)
                factor = np.minimum(1.0, OUTLIER * usual / np.maximum(scaled[own], 1e-12))
                weights[own] = self.information[own, axis] * factor
                squares.append(usual)
            scatter = max([1.0, *squares])
        touching = np.zeros(len(start))
        np.add.at(touching, self.first, weights)
        np.add.at(touching, self.second, weights)
        errors = np.full(len(start), np.nan)
        some = touching > 0
        errors[some] = scatter * np.sqrt(2.0 / touching[some])
        return position, errors

    def _solved(self, weights: np.ndarray, shift: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Return the positions of least weighted squares, by a banded Cholesky decomposition."""
        from scipy.linalg import solveh_banded

        count = len(start)
        reach = int((self.second - self.first).max(initial=1))
        bands, right = np.zeros((reach + 1, count)), np.zeros(count)  # lower form
        np.add.at(bands[0], self.first, weights)
        np.add.at(bands[0], self.second, weights)
        np.add.at(bands, (self.second - self.first, self.first), -weights)
        difference = shift - (start[self.second] - start[self.first])
        np.add.at(right, self.second, weights * difference)
        np.add.at(right, self.first, -weights * difference)
        scale = float(bands[0].max(initial=0.0)) or 1.0
        held = np.ones(count, dtype=bool)
        held[self.second[weights > 0]] = False  # the first slice of what hangs together
        bands[0, held] += scale
        bands[0] += 1e-9 * scale
        return start + np.asarray(solveh_banded(bands, right, lower=True))
