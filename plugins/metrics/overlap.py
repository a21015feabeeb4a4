"""Agreement of a segmentation with the truth, voxel by voxel.

Equations 4 to 6 of Sardhara et al., Mach. Learn.: Sci. Technol. 6 (2025) 025023. Voxels are
counted as integers in a confusion matrix per slice: rows are the truth, columns the prediction. A
share of zero voxels counts as no error: a phase absent from both has a Dice score of 1, and if the
truth has no solid none is misplaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fibcore import Context, Forecast, LabelMetric, Labels, Table, keeps
from fibcore.roles import Abscissa, Curve


def confusion_of_slice(prediction: np.ndarray, truth: np.ndarray, phases: int) -> np.ndarray:
    """Return the number of pixels of each true phase (row) and predicted phase (column), int64.

    Args:
        prediction: phase numbers below `phases`, any shape.
        truth: the same.
        phases: number of rows and columns.
    """
    pairs = truth.reshape(-1).astype(np.intp) * phases + prediction.reshape(-1)
    return np.bincount(pairs, minlength=phases**2).reshape(phases, phases)


def misplaced_percent(confusion: np.ndarray) -> float:
    """Return MP (equation 4): the share of voxels that were given another phase, in %."""
    return 100.0 * _share(confusion.sum() - np.trace(confusion), confusion.sum())


def misplaced_solid_percent(confusion: np.ndarray) -> float:
    """Return the misplaced solid: the share of true solid that was given another phase, in %.

    MGP, "misplaced gold pixels", in equation 5.
    """
    solid = confusion[1:].sum()
    return 100.0 * _share(solid - np.trace(confusion[1:, 1:]), solid)


def dice(confusion: np.ndarray, phase: int) -> float:
    """Return the Dice score (equation 6) of a phase: 0 to 1; 1 if neither has the phase."""
    both = confusion[phase].sum() + confusion[:, phase].sum()
    return 1.0 - _share(both - 2 * confusion[phase, phase], both)


def mean_dice(confusion: np.ndarray, phases: Sequence[int]) -> float:
    """Return MDS: the mean Dice score of these phases."""
    return float(np.mean([dice(confusion, phase) for phase in phases]))


def as_two_phases(confusion: np.ndarray) -> np.ndarray:
    """Return the confusion matrix of solid (all phases from 1 up) and pore."""
    return np.array(
        [
            [confusion[0, 0], confusion[0, 1:].sum()],
            [confusion[1:, 0].sum(), confusion[1:, 1:].sum()],
        ]
    )


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else 0.0


BYTES_PER_PIXEL = 16
"""Memory for each pixel of a slice."""


class Overlap(LabelMetric):
    """Misplaced pixels and Dice scores against the truth.

    Row: ``mp_percent`` (misplaced pixels: voxels given another phase), ``mgp_percent`` (misplaced
    solid: solid voxels of the truth given another phase; MGP in the paper), ``mds`` (mean Dice
    score of pore, solid and any further phases that occur); then, with all phases from 1 up taken
    as solid: ``dice_pore``, ``dice_solid``, ``precision``, ``false_positive_rate`` (0 to 1),
    ``true_positives``, ``false_positives``, ``false_negatives``, ``true_negatives`` (voxels).

    Kept: ``per_slice`` (a network sees less at the ends of a stack) and ``per_phase``.
    """

    name: ClassVar[str] = "overlap"
    headline: ClassVar[tuple[str, ...]] = ("mp_percent", "mgp_percent", "mds")

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Reject a prediction and a truth of different shapes; return the memory of a slice."""
        forecast, spec = super().forecast(method, inputs), inputs.get("prediction")
        if spec is None:
            return forecast
        return replace(forecast, memory_bytes=BYTES_PER_PIXEL * spec.shape[1] * spec.shape[2])

    @keeps(per_slice=Table, per_phase=Table)
    def measure(self, prediction: Labels, truth: Labels, context: Context | None = None) -> Table:
        """Return one row of scores; keep ``per_slice`` and ``per_phase``.

        Raises:
            FibError: the truth has another shape.
        """
        context = Context.of(context)
        self.forecast("measure", {"prediction": prediction.spec, "truth": truth.spec})
        if not np.allclose(prediction.voxel_size_nm, truth.voxel_size_nm, rtol=1e-3):
            context.log.warning(
                "prediction and truth differ in voxel size: %s and %s nm (z, y, x); they are "
                "compared voxel by voxel",
                prediction.voxel_size_nm,
                truth.voxel_size_nm,
            )
        phases = 1 + max(1, int(prediction.data.max()), int(truth.data.max()))
        pairs = list(zip(prediction.data, truth.data, strict=True))
        whole = np.zeros((phases, phases), np.int64)
        slices = []
        for p, t in context.track(pairs, "slices"):
            confusion = confusion_of_slice(p, t, phases)
            whole += confusion
            slices.append(_SliceScores.of(confusion))
        occurring = [p for p in range(phases) if p < 2 or whole[p].any() or whole[:, p].any()]
        context.keep("per_slice", _per_slice(slices, occurring))
        context.keep("per_phase", _per_phase(whole, occurring, prediction, truth))
        two = as_two_phases(whole)
        (tn, fp), (fn, tp) = two.tolist()
        return Table.from_rows(
            [
                {
                    "mp_percent": misplaced_percent(whole),
                    "mgp_percent": misplaced_solid_percent(whole),
                    "mds": mean_dice(whole, occurring),
                    "dice_pore": dice(two, 0),
                    "dice_solid": dice(two, 1),
                    "precision": 1.0 - _share(fp, tp + fp),
                    "false_positive_rate": _share(fp, fp + tn),
                    "true_positives": tp,
                    "false_positives": fp,
                    "false_negatives": fn,
                    "true_negatives": tn,
                }
            ]
        )


@dataclass(frozen=True)
class _SliceScores:
    """Scores of a slice: misplaced voxels and solid in %, Dice score of every phase."""

    mp_percent: float
    mgp_percent: float
    dice: np.ndarray

    @classmethod
    def of(cls, confusion: np.ndarray) -> _SliceScores:
        scores = np.array([dice(confusion, phase) for phase in range(len(confusion))])
        return cls(misplaced_percent(confusion), misplaced_solid_percent(confusion), scores)


def _per_slice(slices: Sequence[_SliceScores], phases: Sequence[int]) -> Table:
    return Table(
        {
            "z": np.arange(len(slices)),
            "mp_percent": np.array([scores.mp_percent for scores in slices]),
            "mgp_percent": np.array([scores.mgp_percent for scores in slices]),
            "mds": np.array([np.mean(scores.dice[list(phases)]) for scores in slices]),
        },
        {"z": Abscissa(), "mp_percent": Curve(), "mgp_percent": Curve(), "mds": Curve()},
    )


def _per_phase(
    confusion: np.ndarray, phases: Sequence[int], prediction: Labels, truth: Labels
) -> Table:
    materials = {**prediction.phases, **truth.phases}
    rows: list[dict[str, Any]] = []
    for phase in phases:
        right = int(confusion[phase, phase])
        true, predicted = int(confusion[phase].sum()), int(confusion[:, phase].sum())
        rows.append(
            {
                "phase": phase,
                "material": materials[phase].name if phase in materials else "unknown",
                "true_voxels": true,
                "predicted_voxels": predicted,
                "dice": dice(confusion, phase),
                "precision": 1.0 - _share(predicted - right, predicted),
                "recall": 1.0 - _share(true - right, true),
            }
        )
    return Table.from_rows(rows)
