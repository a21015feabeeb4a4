"""What a surrogate learns from: structures with Monte Carlo images, given or of its own making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from fib_plugins.simulators.surrogate.counting import (
    count_slices,
    count_slices_in_halves,
    variances_of,
)
from fib_plugins.simulators.surrogate.curriculum import FAMILIES, draw
from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fib_plugins.simulators.surrogate.planes import Planes, Surroundings
from fib_plugins.simulators.surrogate.saved import save_arrays, saved_arrays
from fib_plugins.simulators.surrogate.shapes import Box
from fib_plugins.simulators.surrogate.signals import are_secondary
from fibcore import Context, Labels

AROUND = {"lateral": "periodic", "below": "mirror"}
"""What is around teaching structures. The network sees it as labels, like the structure itself, so
that it can be applied with other surroundings."""
ARRAYS = ("structure", "slices", "yields", "depths_nm", "variances")


@dataclass(frozen=True)
class Lesson:
    """A structure and images of some of its slices.

    Attributes:
        family: its family.
        structure: number of the material of each voxel, uint8 in axes (z, y, x).
        slices: numbers of the imaged slices.
        yields: float32 in axes (channel, slice, y, x).
        depths_nm: mean depth of the counted electrons, likewise.
        variances: estimates of the variances of yields by counting, likewise; None: those of
            binomial counts.
    """

    family: str
    structure: np.ndarray
    slices: np.ndarray
    yields: np.ndarray
    depths_nm: np.ndarray
    variances: np.ndarray | None = None

    def planes(self, params: SurrogateParameters, geometry: Geometry) -> Planes:
        """Return the pyramids below its slices; a teaching structure repeats along y and x."""
        depth, height, width = self.structure.shape
        around = Surroundings(
            Labels(self.structure, params.voxel_size_nm), np.arange(256, dtype=np.uint8), **AROUND
        )
        media = around.cut((0, depth + geometry.depth - 1), (0, height), (0, width))
        count = len(params.materials)
        return Planes(geometry, torch.from_numpy(media), count, margins=False)


class Teacher:
    """Makes lessons: draws structures, and images them with few electrons.

    A lesson depends only on the parameters, the seed, its number and its family. It is saved in
    the scratch folder as soon as it is made.

    Args:
        params: the parameters of the surrogate.
        folder: folder of the saved lessons.
        context: surroundings of the step.
    """

    def __init__(self, params: SurrogateParameters, folder: Path, context: Context) -> None:
        self.params, self.context, self._folder = params, context, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._box = Box(params.teaching_shape, params.voxel_size_nm)

    def lesson(self, purpose: str, number: int, family: str, electrons: int, slices: int) -> Lesson:
        """Return a lesson, made or read.

        Args:
            purpose: ``teaching`` or ``examination``.
            number: its number.
            family: its family.
            electrons: electrons per pixel.
            slices: number of slices that are imaged.
        """
        path = self._folder / f"{purpose}-{number}-{family}.npz"
        arrays = saved_arrays(path, ARRAYS)
        if arrays is None:
            arrays = self._make(purpose, number, family, electrons, slices)
            save_arrays(path, **arrays)
        return Lesson(family, *(arrays[name] for name in ARRAYS))

    def _make(
        self, purpose: str, number: int, family: str, electrons: int, slices: int
    ) -> dict[str, np.ndarray]:
        params = self.params
        rng = self.context.rng_for("lesson", purpose, number, family)
        structure = draw(family, self._box, params.materials, rng)
        imaged = np.sort(rng.permutation(len(structure))[:slices])
        phases = dict(enumerate(params.materials))
        labels = Labels(structure, params.voxel_size_nm, phases)
        seed = int(rng.integers(2**63))
        around = Context(
            seed,
            device=self.context.device_asked,
            threads=self.context.threads,
            log=self.context.log,
        )
        params = params.model_copy(update=AROUND)
        found = np.unique(structure).tolist()
        halves = purpose == "examination" and params.counts_secondary
        count = count_slices_in_halves if halves else count_slices
        counts = count(params, labels, found, imaged.tolist(), electrons, around)
        variances = variances_of(counts, are_secondary(params.channels), electrons)
        arrays = (structure, imaged, counts.yields, counts.depths_nm, variances)
        return dict(zip(ARRAYS, arrays, strict=True))


BASE_WEIGHTS: Mapping[str, float] = {
    "waves": 8.0,
    "hierarchical": 3.0,
    "particles": 3.0,
    "films": 5.0,
    "plates": 3.0,
    "balls": 3.0,
    "cylinders": 2.0,
    "blocks": 3.0,
    "uniform": 1.0,
}
"""How often families are drawn at first: mostly structures like those of real samples."""

ACCURATE = 0.005
"""Errors of the yield below this do not make a family rarer."""


def families_of_round(
    number: int, errors: Mapping[str, float], rng: np.random.Generator
) -> list[str]:
    """Return the families of the lessons of a round, at random.

    Args:
        number: how many.
        errors: error of the yield of each family, as far as it is known; a family is drawn in
            proportion to it.
        rng: random generator.
    """
    typical = float(np.median(list(errors.values()))) if errors else 1.0
    weights = {
        family: base * max(errors.get(family, typical), ACCURATE)
        for family, base in BASE_WEIGHTS.items()
    }
    share = np.array(list(weights.values())) / sum(weights.values())
    # Stratified: each family comes as often as its weight, up to rounding.
    marks = (np.arange(number) + rng.random(number)) / number
    found = np.searchsorted(np.cumsum(share), marks).clip(0, len(share) - 1)
    return [list(weights)[i] for i in rng.permutation(found)]


assert BASE_WEIGHTS.keys() == FAMILIES.keys()
