"""Displacements of the slices of a stack: what was found, as a model and as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.correctors.streaming import corrections
from fibcore import Table
from fibcore.models import ModelInfo


class AlignInfo(ModelInfo):
    """The info of a model of `corrector/align`: displacements, one row per slice."""

    shape: Annotated[list[int], Field(min_length=3, max_length=3)]
    drift_px: list[Annotated[list[float], Field(min_length=2, max_length=2)]]
    step_error_px: list[Annotated[list[float | None], Field(min_length=2, max_length=2)]]
    coherence: list[float]
    bridged: list[int]

    @model_validator(mode="after")
    def _one_row_per_slice(self) -> Self:
        rows = (self.drift_px, self.step_error_px, self.coherence, self.bridged)
        if any(len(each) != self.shape[0] for each in rows):
            raise ValueError("the number of displacements is not that of the slices")
        return self


@dataclass(frozen=True)
class Displacements:
    """Displacements of the slices of a stack.

    Attributes:
        shifts: of the content of each slice (slice, (y, x)), pixels.
        coherence: agreement of each slice with its neighbours, 0 to 1.
        errors: standard error of the step from the neighbours (slice, (y, x)), pixels; nan where
            the slice was bridged.
        bridged: whether the slice resembles no other, and lies between its neighbours.
    """

    shifts: np.ndarray
    coherence: np.ndarray
    errors: np.ndarray
    bridged: np.ndarray

    @classmethod
    def of_single_slice(cls) -> Displacements:
        """Return those of a stack of one slice."""
        none = np.full((1, 2), np.nan)
        return cls(np.zeros((1, 2)), np.zeros(1), none, np.zeros(1, dtype=bool))

    @classmethod
    def of_info(cls, info: dict[str, Any]) -> Displacements:
        """Return those of a model."""
        return cls(
            np.array(info["drift_px"], dtype=float),
            np.array(info["coherence"], dtype=float),
            np.array(info["step_error_px"], dtype=float),
            np.array(info["bridged"], dtype=bool),
        )

    def info(self, shape: tuple[int, int, int]) -> dict[str, Any]:
        """Return the info of a model, for a stack of this shape (z, y, x)."""
        errors = [[e if np.isfinite(e) else None for e in row] for row in self.errors.tolist()]
        return {
            "shape": list(shape),
            "drift_px": self.shifts.tolist(),
            "step_error_px": errors,
            "coherence": self.coherence.tolist(),
            "bridged": self.bridged.astype(int).tolist(),
        }

    def table(self, shifts: np.ndarray, kept: np.ndarray) -> Table:
        """Return the table of corrections.

        Args:
            shifts: what slices are moved by (slice, (y, x)), pixels.
            kept: displacement that stays (slice, (y, x)), pixels.
        """
        columns: dict[str, np.ndarray] = {}
        for name, values in (("shift", shifts), ("kept", kept), ("step_error", self.errors)):
            columns |= {f"{name}_{axis}_px": values[:, i] for i, axis in enumerate("yx")}
        bridged = self.bridged.astype(np.int64)
        return corrections({**columns, "coherence": self.coherence, "bridged": bridged})
