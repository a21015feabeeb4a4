"""Twins: stacks of known truth, drawn, segmented and measured one by one."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from fib_plugins.metrics.anisotropy import Anisotropy
from fib_plugins.metrics.error_bars.features import doubt, excess, separation
from fib_plugins.metrics.error_bars.fingerprint import of_plugins, of_volumes
from fib_plugins.metrics.error_bars.measured import (
    Part,
    Structure,
    Twin,
    measured_structure,
)
from fib_plugins.metrics.error_bars.quantities import SCORES
from fib_plugins.metrics.error_bars.sampling import STACK_BLOCKS
from fib_plugins.metrics.error_bars.stack_parts import cut, part_starts
from fib_plugins.metrics.overlap import Overlap
from fib_plugins.metrics.reprojection import Reprojection
from fib_plugins.structure_statistics.summary import statistics_of
from fibcore import Context, Images, Labels, Segmenter, Simulator, Source

TWIN_BLOCKS = 2
"""Blocks of a twin along each axis."""
PURPOSE = "twins"
"""Purpose of the pairs of a source: no training has seen them."""

ANISOTROPY = ("e_tpcf", "e_lpf", "e_diameter")
"""Figures of `metric/anisotropy` that are compared with the truth on twins."""
REPROJECTION = "unexplained_percent"
"""That of `metric/reprojection`."""
QUIET = logging.Logger("fib.twins", logging.ERROR)
"""What warns of single twins is known: it is part of the error bars."""

T = TypeVar("T", Twin, Part, Structure)


@dataclass(frozen=True)
class Workshop:
    """Makes and measures twins; what is finished is kept in the scratch folder of the step.

    Attributes:
        world: source of the twins.
        segmenter: segments them, and keeps probabilities if it can.
        simulator: images segmentations again for `metric/reprojection`; none: it is left out.
        distances_nm: of curves.
        context: surroundings of the step.
    """

    world: Source
    segmenter: Segmenter
    simulator: Simulator | None
    distances_nm: np.ndarray
    context: Context

    @cached_property
    def _name(self) -> str:
        plugins = self.world, self.segmenter, self.simulator
        return of_plugins(*plugins, self.distances_nm, self.context.seed)

    def twin(self, number: int) -> Twin:
        """Return a twin."""
        return self._kept(f"twin-{number}", Twin.read, partial(self._twin, number))

    def parts(self, images: Images, prediction: Labels, shape: tuple[int, ...]) -> Iterator[Part]:
        """Yield parts of the stack with this shape, segmented by themselves."""
        name = of_volumes(prediction, images)
        for number, start in enumerate(part_starts(prediction.shape, shape)):
            shown, known = cut(images, start, shape), cut(prediction, start, shape)
            make = partial(self._part, shown, known)
            yield self._kept(f"part-{number}-{name}", Part.read, make)

    def stack(self, prediction: Labels) -> Structure:
        """Return the structure of the stack as it was segmented."""
        name = f"stack-{of_volumes(prediction)}"
        return self._kept(name, Structure.read, partial(self._stack, prediction))

    def _kept(self, name: str, read: Callable[[Path], T], make: Callable[[Context], T]) -> T:
        folder = self.context.scratch / f"measured-{self._name}"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.json"
        if not path.exists():
            work = self.context.scratch / "in-work"
            shutil.rmtree(work, ignore_errors=True)
            inner = Context(
                self.context.seed,
                device=self.context.device_asked,
                threads=self.context.threads,
                scratch=work,
                log=QUIET,
            )
            make(inner).write(path)
            self.context.device_used = inner.device_used
            shutil.rmtree(work, ignore_errors=True)
        return read(path)

    def _twin(self, number: int, inner: Context) -> Twin:
        images, truth = self.world.pair(PURPOSE, number, inner)
        found, probability = self._segmented(images, inner)
        scores = Overlap().measure(found, truth, inner).rows()[0]
        pair = {"truth": truth, "measured": found}
        return Twin(
            self._structure(truth, TWIN_BLOCKS),
            self._structure(found, TWIN_BLOCKS),
            {score.column: float(scores[score.column]) for score in SCORES},
            {name: statistics_of(labels, inner.threads) for name, labels in pair.items()},
            separation(images, found),
            doubt(probability),
            excess(probability, float(np.mean(found.data > 0))),
            self._indicators(images, found, inner),
        )

    def _part(self, images: Images, known: Labels, inner: Context) -> Part:
        found, probability = self._segmented(images, inner)
        differing = float(np.mean(found.data != known.data))
        return Part(
            doubt(probability),
            excess(probability, float(np.mean(found.data > 0))),
            differing,
            self._indicators(images, found, inner),
        )

    def _stack(self, prediction: Labels, inner: Context) -> Structure:
        return self._structure(prediction, STACK_BLOCKS)

    def _segmented(self, images: Images, inner: Context) -> tuple[Labels, Images | None]:
        inner.kept.clear()
        labels = self.segmenter.predict(images, context=inner)
        return labels, inner.kept.get("probability")

    def _structure(self, labels: Labels, blocks: int) -> Structure:
        return measured_structure(labels, blocks, self.distances_nm, self.context.threads)

    def _indicators(self, images: Images, labels: Labels, inner: Context) -> Mapping[str, float]:
        """Return figures that other metrics measure without a truth; nan where they cannot."""
        found = dict.fromkeys(ANISOTROPY, float("nan"))
        if labels.data.any() and not labels.data.all():
            (row,) = Anisotropy().measure(labels, context=inner).rows()
            found = {name: float(row[name]) for name in ANISOTROPY}
        if self.simulator is not None:
            again = self.simulator.simulate(labels, context=inner)
            (row,) = Reprojection().measure(images, again, context=inner).rows()
            found |= {REPROJECTION: float(row[REPROJECTION])}
        return found
