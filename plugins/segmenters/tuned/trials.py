"""The scores of all candidates, fold by fold, and their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fib_plugins.segmenters.tuned.folds import Fold
from fib_plugins.segmenters.tuned.scores import Scores, total
from fibcore import Table
from fibcore.roles import Key

Trial = tuple[str, int]
"""A candidate and its number of training steps; 0 if it takes none."""
Trials = Mapping[Trial, Sequence[Scores]]
"""The scores of each trial on each fold, in the order of the candidates."""


def record(candidate: str, fold: int, steps: int, scores: Scores) -> dict[str, Any]:
    """Return the scores of a trial on a fold as plain values, for a checkpoint."""
    confusion = scores.confusion.tolist()
    own = {"candidate": candidate, "fold": fold, "steps": steps}
    return {**own, "loss": scores.loss, "confusion": confusion}


def trials_of(records: Sequence[Mapping[str, Any]]) -> Trials:
    """Return the trials of some records, in the order of folds."""
    trials: dict[Trial, list[Scores]] = {}
    for row in records:
        scores = Scores(row["loss"], np.array(row["confusion"]))
        trials.setdefault((row["candidate"], row["steps"]), []).append(scores)
    return trials


def best_of(trials: Trials) -> Trial:
    """Return the trial with the lowest mean loss; of equal ones the first."""

    def loss(trial: Trial) -> float:
        whole = total(trials[trial])
        return whole.loss / whole.voxels

    return min(trials, key=loss)


def candidates_table(trials: Trials, chosen: Trial) -> Table:
    """Return a row for each trial."""
    rows = [
        {
            "candidate": trial[0],
            "steps": trial[1],
            **total(parts).row(),
            "chosen": trial == chosen,
        }
        for trial, parts in trials.items()
    ]
    return Table.from_rows(rows, {"candidate": Key(), "steps": Key()})


def left_out_table(folds: Sequence[Fold], parts: Sequence[Scores]) -> Table:
    """Return a row for each fold, with the scores of one trial."""
    rows = [{**f.place, **scores.row()} for f, scores in zip(folds, parts, strict=True)]
    return Table.from_rows(rows)
