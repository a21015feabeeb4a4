"""How probabilities and shares agree: reliability diagram, calibration error, log loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fibcore import Table
from fibcore.roles import Abscissa, Curve, Key

BINS = 20
"""Number of bins of probability, equally wide."""


def calibration_error(probability: np.ndarray, phase: np.ndarray) -> float:
    """Return the expected calibration error, 0 to 1, mean over phases.

    In each bin of probability the mean probability differs from the share of the voxels that are of
    the phase; the sizes of these differences are averaged over voxels (Naeini, Cooper and
    Hauskrecht, AAAI Conf. on Artificial Intelligence 2015).

    Args:
        probability: axes (phase, voxel).
        phase: number of the true class of each voxel.
    """
    errors = []
    for number in range(len(probability)):
        count, predicted, observed = _bins(probability[number], phase == number)
        errors.append(float(np.abs(predicted - observed).sum() / count.sum()))
    return float(np.mean(errors))


def log_loss(probability: np.ndarray, phase: np.ndarray) -> float:
    """Return the mean negative logarithm of the probability of the true phase."""
    right = probability[phase, np.arange(len(phase))].astype(np.float64)
    return float(-np.log(np.maximum(right, 1e-12)).mean())


def reliability_table(
    probabilities: Mapping[str, np.ndarray], phase: np.ndarray, names: Sequence[str]
) -> Table:
    """Return the reliability diagram of each phase; of two phases that of the last one.

    Columns: phase (its material), probabilities (``before``, ``after``), predicted (mean
    probability of a bin), observed (share of its voxels that are of the phase), expected (the same
    as predicted, for the diagonal), voxels.

    Args:
        probabilities: ``before`` and ``after`` -> axes (phase, voxel).
        phase: number of the true class of each voxel.
        names: of the phases.
    """
    rows: list[dict[str, Any]] = []
    for number in range(len(names)) if len(names) > 2 else (1,):
        for name, probability in probabilities.items():
            count, predicted, observed = _bins(probability[number], phase == number)
            for n, sure, share in zip(count, predicted, observed, strict=True):
                if n:
                    rows.append(
                        {
                            "phase": names[number],
                            "probabilities": name,
                            "predicted": float(sure / n),
                            "observed": float(share / n),
                            "expected": float(sure / n),
                            "voxels": int(n),
                        }
                    )
    roles = {
        "phase": Key(),
        "probabilities": Key(),
        "predicted": Abscissa(caption="predicted probability", drawn_from=2),
        "observed": Curve("share", of="observed"),
        "expected": Curve("share", of="expected", dashed=True),
    }
    return Table.from_rows(rows, roles)


def _bins(probability: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return number of voxels, sum of probabilities, and number of true ones in each bin."""
    where = np.minimum((probability * BINS).astype(np.intp), BINS - 1)
    count = np.bincount(where, minlength=BINS)
    predicted = np.bincount(where, probability.astype(np.float64), minlength=BINS)
    observed = np.bincount(where, true.astype(np.float64), minlength=BINS)
    return count, predicted, observed
