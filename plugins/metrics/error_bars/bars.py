"""The error bar of a figure: its value, corrected, and the parts of its uncertainty.

On the scale of a quantity, the twins' errors (truth minus prediction from the other twins) have the
variance ``between + within``. ``within`` is what differs from place to place in a twin: noise, and
the structure that happens to be there. It is estimated from how errors differ between the blocks of
a twin (analysis of variance with one random factor: Searle, Casella and McCulloch, Variance
Components, 1992, chapter 3), and averages out over a stack: ``within * V_twin / V_stack``.
``between`` belongs to a whole twin, its family of structures and its instrument, and stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.metrics.error_bars.regression import predicted_shift
from fib_plugins.metrics.error_bars.scales import Scale

FEWEST_TWINS = 8
"""For a regression with an interval."""


@dataclass(frozen=True)
class Case:
    """What the twins show of a figure.

    Attributes:
        truth: of each twin.
        base: of each twin, the estimate that the regression corrects: as measured.
        features: axes (twin, feature).
        stack_base: of the stack.
        stack_features: of the stack.
        within: variance, on the scale, of the error of a twin due to what differs from place to
            place in it.
        volumes: volume of a twin over that of the stack.
        sampling: variance, on the scale, due to the size of the stack; nan: unknown.
    """

    truth: np.ndarray
    base: np.ndarray
    features: np.ndarray
    stack_base: float
    stack_features: np.ndarray
    within: float = 0.0
    volumes: float = 1.0
    sampling: float = 0.0


@dataclass(frozen=True)
class Bar:
    """A corrected figure with limits; half-widths are in its unit.

    Attributes:
        corrected: the figure.
        volume_low: lower limit for the imaged volume.
        volume_high: upper limit.
        low: lower limit for the material.
        high: upper limit.
        segmentation: half-width due to errors that differ from place to place.
        structure_and_instrument: half-width due to what a whole twin has in common.
        sampling: half-width due to the size of the volume.
        left_out: each twin's figure as predicted from the others.
    """

    corrected: float
    volume_low: float
    volume_high: float
    low: float
    high: float
    segmentation: float
    structure_and_instrument: float
    sampling: float
    left_out: np.ndarray


def bar_of(case: Case, scale: Scale, confidence: float) -> Bar:
    """Return the error bar of a figure.

    Args:
        case: what is known; at least `FEWEST_TWINS` twins.
        scale: on which errors are regressed.
        confidence: probability that the limits hold the truth, 0 to 1.
    """
    from scipy.stats import t

    base, centre = scale.to(case.base), float(scale.to(case.stack_base))
    shift = predicted_shift(case.features, scale.to(case.truth) - base, case.stack_features)
    segmentation = case.within * case.volumes
    # What the correction itself may be wrong by does not average out either.
    between = max(shift.variance - case.within, 0.0) + shift.own_variance
    factor = float(t.ppf(0.5 + confidence / 2, len(base) - 2))
    middle = centre + shift.value

    def limits(variance: float) -> tuple[float, float]:
        half = factor * float(np.sqrt(variance))
        return float(scale.back(middle - half)), float(scale.back(middle + half))

    def half_width(variance: float) -> float:
        low, high = limits(variance)
        return (high - low) / 2

    sampling = case.sampling if np.isfinite(case.sampling) else 0.0
    return Bar(
        float(scale.back(middle)),
        *limits(segmentation + between),
        *limits(segmentation + between + sampling),
        half_width(segmentation),
        half_width(between),
        half_width(sampling) if np.isfinite(case.sampling) else float("nan"),
        scale.back(base + shift.left_out),
    )


def within_twins(errors: Sequence[np.ndarray]) -> float:
    """Return the variance of a twin's error due to what differs between its blocks.

    Args:
        errors: for each twin, by how much each of its blocks shifts the error of the twin (mean 0).
    """
    squares = sum(float(np.sum(each**2)) for each in errors)
    freedom = sum(each.size - 1 for each in errors)
    if not freedom:
        return 0.0
    # Of the mean over the blocks of a twin, which are taken as independent.
    return squares / freedom / errors[0].size
