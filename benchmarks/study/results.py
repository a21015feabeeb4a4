"""Access to the tables of the runs by pipeline, step and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from fibcore import Labels, Table
from fibcore.pipeline import RunResult

from .cells import Cell

SCORES = {
    "reprojection": ("_reprojection", "unexplained_percent"),
    "disagreement with other methods": ("_disagreement", "disagreement_percent"),
    "disagreement of two networks": ("_ensemble", "disagreement_percent"),
    "two-point correlation": ("_isotropy", "e_tpcf"),
    "lineal path": ("_isotropy", "e_lpf"),
    "ligament diameter": ("_isotropy", "e_diameter"),
}
"""Scores that need no truth: the suffix of the steps that measure them, and the column."""


RANKED = ("adaptation", "ensemble", "segmenters")
"""Pipelines that apply several methods to one twin."""


@dataclass(frozen=True)
class Ranking:
    """A score that needs no truth, and the hidden error, of several methods.

    Attributes:
        scores: one for each method.
        errors: their MP in percent.
    """

    scores: np.ndarray
    errors: np.ndarray

    @property
    def correlation(self) -> float:
        """Spearman's rank correlation."""
        return float(stats.spearmanr(self.scores, self.errors).statistic)

    @property
    def lost(self) -> float:
        """Error of the method that the score prefers, over that of the best."""
        return float(self.errors[np.argmin(self.scores)] / self.errors.min())


def together(rankings: Sequence[Ranking]) -> Ranking:
    """Return the methods of several twins as one."""
    return Ranking(
        np.concatenate([ranking.scores for ranking in rankings]),
        np.concatenate([ranking.errors for ranking in rankings]),
    )


@dataclass(frozen=True)
class Study:
    """All finished runs.

    Attributes:
        runs: results by cell.
    """

    runs: Mapping[Cell, RunResult]

    def volume(self, cell: Cell) -> tuple[str, str]:
        """Return the shape of the training structure of a run, and its voxel size in nm."""
        gold = self._gold(cell)
        return " x ".join(map(str, gold.shape)), f"{gold.voxel_size_nm[0]:g}"

    def times_smaller(self, cell: Cell) -> float:
        """Return how many of these structures the paper's volume is."""
        return float(512**3 / np.prod(self._gold(cell).shape))

    def _gold(self, cell: Cell) -> Labels:
        gold = self.runs[cell]["gold"]
        assert isinstance(gold, Labels)
        return gold

    def row(self, cell: Cell, step: str) -> dict[str, Any]:
        """Return the first row of a step's table."""
        table = self.runs[cell][step]
        assert isinstance(table, Table)
        return table.rows()[0]

    def cells(self, pipeline: str, kv: int = 2, preset: str = "typical") -> list[Cell]:
        """Return the runs of a pipeline at one voltage and instrument, one for each seed."""
        wanted = (pipeline, kv, preset)
        return [cell for cell in self.runs if (cell.pipeline, cell.kv, cell.preset) == wanted]

    def values(self, cells: Sequence[Cell], step: str, column: str) -> list[float]:
        """Return a figure of each of these runs."""
        return [float(self.row(cell, step)[column]) for cell in cells]

    def seconds(self, cell: Cell, *steps: str) -> float:
        """Return the time that steps took when they were computed."""
        entries = self.runs[cell].entries
        return sum(float(entries[step].manifest["seconds"]) for step in steps)

    def hours(self) -> float:
        """Return the total time of all steps in hours, each counted once."""
        seconds = {
            entry.folder: float(entry.manifest["seconds"])
            for run in self.runs.values()
            for entry in run.entries.values()
        }
        return sum(seconds.values()) / 3600

    def methods(self, cell: Cell) -> list[str]:
        """Return the steps that segmented the twin, except for the oracle."""
        steps = [step.id for step in self.runs[cell].plan.steps if step.id.startswith("twin_by_")]
        judged = [step.removesuffix("_error") for step in steps if step.endswith("_error")]
        return [step for step in judged if step != "twin_by_oracle"]

    def rankings(self) -> dict[str, list[Ranking]]:
        """Return the rankings by score.

        There is one ranking for each run of `RANKED` that has the score, that is for each twin and
        set of methods applied to it.
        """
        found: dict[str, list[Ranking]] = {score: [] for score in SCORES}
        for cell in self.runs:
            if cell.pipeline not in RANKED:
                continue
            methods = self.methods(cell)
            steps = {step.id for step in self.runs[cell].plan.steps}
            for score, (suffix, column) in SCORES.items():
                if steps.issuperset(method + suffix for method in methods):
                    found[score].append(self.ranking(cell, suffix, column))
        return found

    def ranking(self, cell: Cell, suffix: str, column: str) -> Ranking:
        """Return a score and the hidden error of all methods of one run."""
        methods = self.methods(cell)
        return Ranking(
            np.array([self.row(cell, method + suffix)[column] for method in methods]),
            np.array([self.row(cell, method + "_error")["mp_percent"] for method in methods]),
        )


def ratio(values: ArrayLike, of: ArrayLike) -> float:
    """Return the mean ratio of figures of the same runs."""
    return float(np.mean(np.divide(values, of)))
