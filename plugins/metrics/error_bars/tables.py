"""The tables of error bars: rows of quantities and scores, twins, curves, indicators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.metrics.error_bars.bars import Bar, Case, bar_of, within_twins
from fib_plugins.metrics.error_bars.evidence import Evidence
from fib_plugins.metrics.error_bars.measured import CURVES
from fib_plugins.metrics.error_bars.quantities import QUANTITIES, SCORES, Quantity, Score
from fib_plugins.metrics.error_bars.sampling import sampling_variance
from fib_plugins.metrics.error_bars.scales import LOGIT
from fibcore import Table
from fibcore.roles import Abscissa, Curve, Figure, Key, Role

MAIN_ROLES: Mapping[str, Role] = {
    "quantity": Key(),
    "corrected": Figure(limits=("low", "high")),
}
BEYOND = 0.25
"""By so much of the range of the twins a figure may lie outside it."""


@dataclass(frozen=True)
class Row:
    """A quantity or score with its error bar.

    Attributes:
        name: name in tables.
        unit: unit in tables.
        value: as measured on the prediction; of a score, what the twins lead to expect.
        bar: the error bar.
        truth: of each twin.
        found: of each twin, as measured; of a score, as expected from the other twins.
        outside: whether the twins hardly show such a value.
        measured: whether the value is measured (of a score it is expected).
    """

    name: str
    unit: str
    value: float
    bar: Bar
    truth: np.ndarray
    found: np.ndarray
    outside: bool
    measured: bool


def quantity_row(quantity: Quantity, evidence: Evidence, confidence: float) -> Row:
    """Return the error bar of a figure of the structure."""
    truth = np.array([twin.truth.figures[quantity.name] for twin in evidence.twins])
    found = np.array([twin.found.figures[quantity.name] for twin in evidence.twins])
    errors = [
        twin.truth.blocks.deviations(quantity) - twin.found.blocks.deviations(quantity)
        for twin in evidence.twins
    ]
    value = evidence.stack.figures[quantity.name]
    case = Case(
        truth,
        found,
        evidence.features,
        value,
        evidence.stack_features,
        within_twins(errors),
        evidence.volumes,
        sampling_variance(evidence.stack.blocks, quantity),
    )
    bar = bar_of(case, quantity.scale, confidence)
    outside = is_outside(quantity.scale.to(value), quantity.scale.to(found))
    return Row(quantity.name, quantity.unit, value, bar, truth, found, outside, measured=True)


def score_row(score: Score, evidence: Evidence, confidence: float) -> Row:
    """Return the expected score of the segmentation.

    Its errors are regressed as shares, on their logit, from the expected share (`doubt`), or, of
    a segmenter without probabilities, from the share of voxels at edges.
    """
    errors = np.array([score.error(twin.scores[score.column]) for twin in evidence.twins])
    base, stack = evidence.expected_errors
    case = Case(errors, base, evidence.features, stack, evidence.stack_features)
    bar = _of_errors(bar_of(case, LOGIT, confidence), score)
    truth = np.array([score.of_error(error) for error in errors])
    outside = is_outside(LOGIT.to(stack), LOGIT.to(base))
    return Row(
        score.name, score.unit, bar.corrected, bar, truth, bar.left_out, outside, measured=False
    )


def _of_errors(bar: Bar, score: Score) -> Bar:
    """Return the error bar of a score, given that of its errors."""
    ends = [score.of_error(each) for each in (bar.volume_low, bar.volume_high)]
    low, high = min(ends), max(ends)
    return Bar(
        score.of_error(bar.corrected),
        low,
        high,
        low,
        high,
        score.whole * bar.segmentation,
        score.whole * bar.structure_and_instrument,
        0.0,
        np.array([score.of_error(each) for each in bar.left_out]),
    )


def is_outside(value: Any, of_twins: np.ndarray) -> bool:
    """Return whether a value lies well outside those of the twins."""
    low, high = of_twins.min(), of_twins.max()
    margin = BEYOND * (high - low)
    return not low - margin <= float(value) <= high + margin


def main_table(rows: list[Row]) -> Table:
    """Return the table with one row for each quantity and score."""
    found: list[dict[str, Any]] = [
        {
            "quantity": row.name,
            "unit": row.unit,
            "value": row.value,
            "corrected": row.bar.corrected,
            "low": row.bar.low,
            "high": row.bar.high,
            "volume_low": row.bar.volume_low,
            "volume_high": row.bar.volume_high,
            "bias": row.value - row.bar.corrected,
            "segmentation": row.bar.segmentation,
            "structure_and_instrument": row.bar.structure_and_instrument,
            "sampling": row.bar.sampling,
            "outside_twins": row.outside,
        }
        for row in rows
    ]
    return Table.from_rows(found, MAIN_ROLES)


def twins_table(rows: list[Row], evidence: Evidence) -> Table:
    """Return truth and measurement of every twin: quantities, scores, further statistics."""
    found: list[dict[str, Any]] = []
    for number, twin in zip(evidence.numbers, evidence.twins, strict=True):
        place = evidence.numbers.index(number)
        own = {row.name: row for row in rows}
        for name, row in own.items():
            found.append(
                {
                    "twin": number,
                    "quantity": name,
                    "truth": float(row.truth[place]),
                    "measured": float(row.found[place]),
                    "corrected": float(row.bar.left_out[place]),
                }
            )
        true, measured = twin.statistics["truth"], twin.statistics["measured"]
        for name in true:
            if name not in own:
                found.append(
                    {
                        "twin": number,
                        "quantity": name,
                        "truth": true[name],
                        "measured": measured[name],
                        "corrected": float("nan"),
                    }
                )
    return Table.from_rows(found)


def curves_table(distances_nm: np.ndarray, evidence: Evidence, confidence: float) -> Table:
    """Return the curves of the prediction, corrected, with limits for the imaged volume."""
    columns: dict[str, np.ndarray] = {"distance_nm": distances_nm}
    roles: dict[str, Role] = {"distance_nm": Abscissa(drawn_from=3)}
    for name in CURVES:
        measured = evidence.stack.curves[name]
        bars = [
            bar_of(
                Case(
                    np.array([twin.truth.curves[name][place] for twin in evidence.twins]),
                    np.array([twin.found.curves[name][place] for twin in evidence.twins]),
                    evidence.features,
                    float(measured[place]),
                    evidence.stack_features,
                ),
                LOGIT,
                confidence,
            )
            for place in range(len(distances_nm))
        ]
        lines: Mapping[str, Any] = {
            "": measured,
            "_corrected": [bar.corrected for bar in bars],
            "_low": [bar.volume_low for bar in bars],
            "_high": [bar.volume_high for bar in bars],
        }
        for end, values in lines.items():
            columns[name + end] = np.array(values)
            of = end.removeprefix("_") or "measured"
            roles[name + end] = Curve(name, of=of, dashed=of in ("low", "high"))
    return Table(columns, roles)


def indicators_table(rows: list[Row], evidence: Evidence) -> Table:
    """Return what may distinguish good segmentations from bad ones, and its worth on twins."""
    from scipy.stats import rankdata

    (misplaced,) = (row for row in rows if row.name == SCORES[0].name)
    of_twins = {"expected_mp": misplaced.bar.left_out} | evidence.indicators_of_twins
    of_stack = {"expected_mp": misplaced.value} | evidence.indicators_of_stack
    found: list[dict[str, Any]] = []
    for name, values in of_twins.items():
        known = np.isfinite(values)
        correlation = float("nan")
        if known.sum() > 2 and np.ptp(values[known]) > 0 and np.ptp(misplaced.truth[known]) > 0:
            ranks = rankdata(values[known]), rankdata(misplaced.truth[known])
            correlation = float(np.corrcoef(*ranks)[0, 1])
        found.append(
            {
                "indicator": name,
                "rank_correlation_with_mp": correlation,
                "value": of_stack[name],
                "least_of_twins": float(np.min(values[known])) if known.any() else float("nan"),
                "most_of_twins": float(np.max(values[known])) if known.any() else float("nan"),
            }
        )
    return Table.from_rows(found)


def all_rows(evidence: Evidence, confidence: float) -> list[Row]:
    """Return the error bars of all quantities and scores."""
    return [quantity_row(quantity, evidence, confidence) for quantity in QUANTITIES] + [
        score_row(score, evidence, confidence) for score in SCORES
    ]
