"""Candidates: structures of a family that are tried, and what is found of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fib_plugins.generators.resembling.families import FAMILIES
from fib_plugins.generators.resembling.observed import Observed, is_length, transformed
from fib_plugins.structure_statistics.summary import block_statistics
from fibcore import Context, FibError, Labels

LARGEST = 6.0
"""Deviations in units of their standard deviation count at most so much."""
PRIOR = "ligament_diameter_nm"
"""The statistic by which sizes are matched in the end."""
QUIET = logging.Logger("fib.candidates", logging.ERROR)


@dataclass(frozen=True)
class Place:
    """Where a candidate is: family, variant, and shares of the ranges of its parameters."""

    family: str
    variant: str
    shares: tuple[float, ...]

    @property
    def group(self) -> tuple[str, str]:
        """Family and variant."""
        return self.family, self.variant


@dataclass(frozen=True)
class Candidate:
    """A structure that was made and measured.

    Attributes:
        place: its family and parameters.
        size_nm: its size.
        statistics: transformed statistics.
    """

    place: Place
    size_nm: float
    statistics: Mapping[str, float]

    @property
    def log_relative(self) -> float:
        """Logarithm of the ligament diameter over the size."""
        return self.statistics[PRIOR] - math.log(self.size_nm)


class Trial:
    """Makes and measures candidates like the observed structure.

    Args:
        target: the observed structure.
        context: seed, threads.
    """

    def __init__(self, target: Observed, context: Context) -> None:
        self._target, self._context = target, context
        self._made = 0

    def __call__(self, place: Place, size_nm: float) -> Candidate:
        """Return a candidate.

        Raises:
            FibError: the generator cannot make it.
        """
        found = transformed(block_statistics(self._labels(place, size_nm), self._context.threads))
        if math.isnan(found[PRIOR]):
            raise FibError("the structure has one phase only")
        return Candidate(place, size_nm, found)

    def first_size(self, place: Place) -> float:
        """Return the size at which the specific surface is about the observed one.

        A smaller structure is made at the estimated size, and scaled.

        Raises:
            FibError: the generator cannot make it.
        """
        from fib_plugins.structure_statistics.surface import specific_surface

        target = self._target
        size = FAMILIES[place.family].first_size(target.fraction, target.surface, place.variant)
        for _ in range(2):
            labels = self._labels(place, size, edge=0.6)
            surface = specific_surface(labels.data, labels.voxel_size_nm, self._context.threads)
            if surface <= 0:
                raise FibError("the structure has one phase only")
            size *= min(max(surface / target.surface, 0.3), 3.0)
        return size

    def _labels(self, place: Place, size_nm: float, edge: float = 1.0) -> Labels:
        """Return the structure in a box with edges of this share of the target's."""
        target = self._target
        number, self._made = self._made, self._made + 1
        shape = [max(2, round(edge * n)) for n in target.shape]
        box: dict[str, Any] = {"shape": shape, "voxel_size_nm": target.voxel_size_nm}
        generator = FAMILIES[place.family].generator(
            place.variant, place.shares, size_nm, target.fraction, box
        )
        seed = int(self._context.rng_for("candidate", number).integers(2**63))
        inner = Context(
            seed,
            threads=self._context.threads,
            scratch=self._context.scratch / "candidate",
            log=QUIET,
        )
        return generator.generate(inner)


@dataclass(frozen=True)
class Yardstick:
    """Measures how far candidates are from the target.

    Attributes:
        target: the observed structure.
        scatter: name -> standard deviation of a statistic from box to box.
    """

    target: Observed
    scatter: Mapping[str, float]

    def deviations(self, candidate: Candidate) -> dict[str, float]:
        """Return deviations over their standard deviation, with the size matched analytically.

        Structures are scale-free: all lengths of the candidate are multiplied by the factor that
        brings them nearest to those of the target.
        """
        spreads = {name: self.spread(name) for name in candidate.statistics}
        found = {
            name: candidate.statistics[name] - value
            for name, value in self.target.values.items()
            if name != "solid_fraction" and math.isfinite(candidate.statistics[name] - value)
        }
        lengths = [name for name in found if is_length(name)]
        weights = np.array([spreads[name] ** -2 for name in lengths])
        signs = np.array([-1 if name.endswith("_per_um") else 1 for name in lengths])
        shift = float(weights @ (signs * [found[name] for name in lengths]) / weights.sum())
        for name, sign in zip(lengths, signs, strict=True):
            found[name] -= float(sign) * shift
        return {
            name: max(-LARGEST, min(LARGEST, value / spreads[name]))
            for name, value in found.items()
        }

    def spread(self, name: str) -> float:
        """Return the standard deviation expected between candidate and target.

        It holds the scatter of one box and of the mean over the blocks of the labels, and what
        twins and tolerance leave.
        """
        box = self.scatter.get(name, 0.0) * math.sqrt(1 + 1 / self.target.blocks)
        return math.hypot(box, self.target.deviations[name])

    def distance(self, candidate: Candidate) -> float:
        """Return the root mean square of the deviations: about 1 for the same structure."""
        values = list(self.deviations(candidate).values())
        return math.sqrt(float(np.mean(np.square(values))))


def scatter_of(groups: list[list[Candidate]]) -> dict[str, float]:
    """Return the standard deviation of each statistic, from replicates of one or more places."""
    names = groups[0][0].statistics
    found = {}
    for name in names:
        total, freedom = 0.0, 0
        for group in groups:
            values = np.array([each.statistics[name] for each in group])
            values = values[np.isfinite(values)]
            if len(values) > 1:
                total += float(((values - values.mean()) ** 2).sum())
                freedom += len(values) - 1
        found[name] = math.sqrt(total / freedom) if freedom else 0.0
    return found


def moved(place: Place, shares: np.ndarray) -> Place:
    """Return a place at other shares, reflected into 0 to 1."""
    inside = np.abs((np.asarray(shares) + 1) % 2 - 1)
    return replace(place, shares=tuple(float(share) for share in inside))
