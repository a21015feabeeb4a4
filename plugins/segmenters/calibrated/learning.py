"""Choice of a calibration by stacks left out, and what it improves there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.segmenters.calibrated.calibration import (
    METHODS,
    Calibration,
    Method,
    Scaling,
    fitted,
)
from fib_plugins.segmenters.calibrated.reliability import (
    calibration_error,
    log_loss,
    reliability_table,
)
from fibcore import FibError, Table

FOLDS = 4
"""Number of parts of the stacks, each left out once."""

Part = tuple[np.ndarray, np.ndarray]
"""Probabilities of one stack, axes (phase, voxel), and the true classes."""


@dataclass(frozen=True)
class Learned:
    """A calibration and how it does on stacks left out.

    Attributes:
        method: the method.
        calibration: fitted to all stacks.
        row: figures.
        reliability: the reliability diagram.
    """

    method: Method
    calibration: Calibration
    row: dict[str, Any]
    reliability: Table


def learn(parts: Sequence[Part], method: str, names: Sequence[str]) -> Learned:
    """Return the calibration of a method, or of that with the least log loss.

    Args:
        parts: sampled voxels of each stack, at least two.
        method: one of `METHODS`, or ``best``.
        names: of the phases.

    Raises:
        FibError: all voxels are of one phase.
    """
    before, phase = _joined(parts)
    if len(np.unique(phase)) < 2:
        raise FibError(
            f"all voxels of the stacks are {names[int(phase[0])]}: probabilities can be calibrated "
            f"only on stacks with at least two phases"
        )
    methods = METHODS if method == "best" else [each for each in METHODS if each == method]
    after_each = {each: _left_out(parts, each) for each in methods}
    losses = {each: log_loss(np.concatenate(found, 1), phase) for each, found in after_each.items()}
    best = min(losses, key=lambda each: losses[each])
    found = after_each[best]
    after = np.concatenate(found, axis=1)
    calibration = fitted(best, before, phase)
    of_stacks = [
        100 * calibration_error(one, true) for one, (_, true) in zip(found, parts, strict=True)
    ]
    row = {
        "calibration": best,
        "temperature": calibration.temperature if isinstance(calibration, Scaling) else None,
        "error_before_percent": 100 * calibration_error(before, phase),
        "error_after_percent": 100 * calibration_error(after, phase),
        "stack_error_percent": float(np.median(of_stacks)),
        "largest_stack_error_percent": float(np.max(of_stacks)),
        "log_loss_before": log_loss(before, phase),
        "log_loss_after": losses[best],
        "changed_percent": 100 * float(np.mean(before.argmax(axis=0) != after.argmax(axis=0))),
        "stacks": len(parts),
        "voxels": len(phase),
    }
    return Learned(
        best, calibration, row, reliability_table({"before": before, "after": after}, phase, names)
    )


def _left_out(parts: Sequence[Part], method: Method) -> list[np.ndarray]:
    """Return the probabilities of each stack, calibrated without this stack."""
    folds = min(FOLDS, len(parts))
    found = {}
    for fold in range(folds):
        kept = [part for number, part in enumerate(parts) if number % folds != fold]
        calibration = fitted(method, *_joined(kept))
        for number in range(fold, len(parts), folds):
            found[number] = calibration.apply(parts[number][0])
    return [found[number] for number in range(len(parts))]


def _joined(parts: Sequence[Part]) -> Part:
    probabilities, phases = zip(*parts, strict=True)
    return np.concatenate(probabilities, axis=1), np.concatenate(phases)
