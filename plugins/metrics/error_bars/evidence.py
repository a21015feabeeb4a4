"""All that twins and stack show, as the regressions take it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fib_plugins.metrics.error_bars.bars import FEWEST_TWINS
from fib_plugins.metrics.error_bars.features import all_of
from fib_plugins.metrics.error_bars.measured import Part, Structure, Twin
from fib_plugins.metrics.error_bars.quantities import QUANTITIES
from fibcore import FibError


@dataclass(frozen=True)
class Evidence:
    """Measurements of twins and of the stack.

    Attributes:
        numbers: of the twins.
        twins: their measurements; truth and segmentation have two phases.
        stack: the structure of the stack as segmented.
        separation: of the stack; see `features.separation`.
        parts: parts of the stack, segmented like twins.
    """

    numbers: list[int]
    twins: list[Twin]
    stack: Structure
    separation: float
    parts: list[Part]

    @classmethod
    def of(
        cls, twins: list[Twin], stack: Structure, separation: float, parts: list[Part]
    ) -> Evidence:
        """Return the evidence of the twins that have two phases.

        Raises:
            FibError: the stack, or too many of the twins, have one phase only.
        """
        if not _has_figures(stack):
            what = "solid" if stack.figures["solid_fraction"] == 1 else "pore"
            raise FibError(
                f"the prediction is all {what}: it has no figures that could get error bars. "
                f"Check the segmenter, and the images that it was given"
            )
        usable = [
            number
            for number, twin in enumerate(twins)
            if _has_figures(twin.truth) and _has_figures(twin.found)
        ]
        if len(usable) < FEWEST_TWINS:
            raise FibError(
                f"only {len(usable)} of {len(twins)} twins have solid and pore, both true and as "
                f"segmented; error bars need {FEWEST_TWINS}. Look at the pairs of the world: "
                f"its images may not resemble those that the segmenter was trained on"
            )
        return cls(usable, [twins[number] for number in usable], stack, separation, parts)

    @cached_property
    def has_doubt(self) -> bool:
        """Whether the segmenter gives probabilities."""
        doubts = [twin.doubt for twin in self.twins] + [part.doubt for part in self.parts]
        return bool(np.isfinite(doubts).all())

    @cached_property
    def stack_doubt(self) -> float:
        """Mean over the parts of the stack."""
        return float(np.mean([part.doubt for part in self.parts]))

    @cached_property
    def features(self) -> np.ndarray:
        """Features of the twins, axes (twin, feature)."""
        return np.stack(
            [
                self._features(twin.found, twin.separation, (twin.doubt, twin.excess))
                for twin in self.twins
            ]
        )

    @cached_property
    def stack_features(self) -> np.ndarray:
        """Features of the stack."""
        excess = float(np.mean([part.excess for part in self.parts]))
        return self._features(self.stack, self.separation, (self.stack_doubt, excess))

    def _features(
        self, found: Structure, separation: float, unsure: tuple[float, float]
    ) -> np.ndarray:
        s2 = found.curves["s2_solid"]
        return all_of(found.figures, s2, separation, unsure if self.has_doubt else None)

    @property
    def volumes(self) -> float:
        """Volume of a twin over that of the stack."""
        return math.prod(self.twins[0].truth.blocks.shape) / math.prod(self.stack.blocks.shape)

    @property
    def expected_errors(self) -> tuple[np.ndarray, float]:
        """Share of wrong voxels as first guessed, of twins and stack: doubt, or that at edges."""
        if self.has_doubt:
            return np.array([twin.doubt for twin in self.twins]), self.stack_doubt
        edges = np.array([twin.found.figures["specific_surface"] for twin in self.twins])
        # Only ratios matter: the regression finds the mean.
        scale = 0.05 / edges.mean()
        return scale * edges, scale * self.stack.figures["specific_surface"]

    @cached_property
    def indicators_of_twins(self) -> dict[str, np.ndarray]:
        """Name -> values of the twins."""
        found = {name: np.array([t.indicators[name] for t in self.twins]) for name in self._names}
        own = {"separation": np.array([twin.separation for twin in self.twins])}
        if self.has_doubt:
            own["doubt"] = np.array([twin.doubt for twin in self.twins])
        return own | found

    @cached_property
    def indicators_of_stack(self) -> dict[str, float]:
        """Name -> value of the stack, or mean over its parts."""
        found = {
            name: float(np.mean([part.indicators[name] for part in self.parts]))
            for name in self._names
        }
        return {"separation": self.separation, "doubt": self.stack_doubt} | found

    @property
    def _names(self) -> list[str]:
        return list(self.twins[0].indicators)


def _has_figures(structure: Structure) -> bool:
    figures = structure.figures
    return all(math.isfinite(figures[quantity.name]) for quantity in QUANTITIES) and (
        figures["specific_surface"] > 0
    )
