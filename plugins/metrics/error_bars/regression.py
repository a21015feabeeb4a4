"""What to add to a measured figure, learned from a few twins, and how uncertain that is.

The shift from measured to true is regressed on features by ridge regression (Hoerl and Kennard,
Technometrics 12, 55 (1970)). Its penalty runs up to infinity, where the mean shift of all twins is
left; it is chosen by leave-one-out residuals, for which no regression is repeated (Hastie,
Tibshirani and Friedman, The Elements of Statistical Learning, 2009, equation 7.64). Each twin is
then predicted by a regression on the others, which chooses its own penalty: the scatter of these
residuals is that of the prediction of a stack that no twin shows (jackknife: Barber, Candes, Ramdas
and Tibshirani, Ann. Statist. 49, 486 (2021), whose intervals take quantiles of the residuals in
place of their mean square).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = (np.inf, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1)
"""Penalties over the number of twins, for features with a standard deviation of 1."""
GAIN_NEEDED = 1.0
"""Standard errors by which another penalty has to be better than a larger one."""


@dataclass(frozen=True)
class Shift:
    """The shift of a stack.

    Attributes:
        value: what to add to the measured figure.
        variance: mean square of the twins' leave-one-out residuals.
        own_variance: variance of `value` itself, from regressions without each twin (jackknife:
            Efron and Stein, Ann. Statist. 9, 586 (1981)).
        left_out: shift of each twin as predicted from the others.
    """

    value: float
    variance: float
    own_variance: float
    left_out: np.ndarray


def predicted_shift(features: np.ndarray, shifts: np.ndarray, stack: np.ndarray) -> Shift:
    """Predict the shift of a stack.

    Args:
        features: of the twins, axes (twin, feature), finite.
        shifts: true minus measured of each twin.
        stack: features of the stack; those outside the range of the twins count as its end.
    """
    count = len(shifts)
    without = np.empty((count, 2))
    for twin in range(count):
        others = np.arange(count) != twin
        asked = np.stack([features[twin], stack])
        without[twin] = _predicted(features[others], shifts[others], asked)
    value = _predicted(features, shifts, stack[np.newaxis])[0]
    residuals = shifts - without[:, 0]
    spread = without[:, 1] - without[:, 1].mean()
    return Shift(
        float(value),
        float(np.mean(residuals**2)),
        float((count - 1) / count * np.sum(spread**2)),
        without[:, 0],
    )


def _predicted(features: np.ndarray, shifts: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the shifts of other features, axes (stack, feature)."""
    deviation = features.std(axis=0)
    scaled = (features - features.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    within = np.clip(asked, features.min(axis=0), features.max(axis=0))
    within = (within - features.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    mean, count = shifts.mean(), len(shifts)
    left, values, right = np.linalg.svd(scaled, full_matrices=False)
    along = left.T @ (shifts - mean)
    best: tuple[np.ndarray, np.ndarray] | None = None
    for penalty in PENALTIES:
        weights = values**2 / (values**2 + penalty * count) if np.isfinite(penalty) else 0 * values
        leverage = 1.0 / count + (left**2) @ weights
        squares = ((shifts - mean - left @ (weights * along)) / (1.0 - leverage)) ** 2
        if best is None or _is_better(squares, best[0]):
            best = squares, weights
    assert best is not None
    slopes = right.T @ (best[1] / np.where(values > 1e-9, values, 1.0) * along)
    return mean + within @ slopes


def _is_better(squares: np.ndarray, than: np.ndarray) -> bool:
    """Return whether squared residuals are smaller by more than the error of their difference."""
    gain = than - squares
    return float(gain.mean()) > GAIN_NEEDED * float(gain.std()) / np.sqrt(len(gain))
