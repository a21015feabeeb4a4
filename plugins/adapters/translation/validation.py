"""How good a translator is, by what it makes of slices that it was not trained on.

The losses of a GAN tell how evenly two networks fight, not how good either is. What counts is
measured as for any two stacks: how far the translations are from the target (`metric/domain_gap`),
and whether they still show what the source shows (`metric/label_consistency`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from fibcore import Context, FibError, Images, Labels
from fibcore.registry import registry

DISTANCES = (
    "scaled_grey_distance",
    "spectrum_distance",
    "patch_distance",
    "noise_distance",
)
"""Columns of `metric/domain_gap`; the validation score is their sum, 0 for equal stacks."""
SHARE = 4
"""At most one slice in so many is kept out of training."""


@dataclass(frozen=True)
class Judged:
    """What validation tells of translated slices.

    Attributes:
        distances: from the target, by name.
        kept: figures of `metric/label_consistency`.
        problems: what of the labels was not kept, in words; empty if all was.
    """

    distances: dict[str, float]
    kept: dict[str, float]
    problems: tuple[str, ...]

    @property
    def score(self) -> float:
        """Sum of the distances: 0 for equal stacks, lower is better."""
        return float(sum(self.distances.values()))


def held_out(depth: int, wanted: int) -> int:
    """Return how many of `depth` slices are kept out of training."""
    return min(wanted, depth // SHARE)


class Validation:
    """Judges translations of some slices of the source.

    Args:
        source: slices before translation.
        target: slices of the target, of any number.
        labels: what the source's slices show, if that is known; else Otsu's threshold tells
            bright from dark.
        context: surroundings of the step.
    """

    def __init__(
        self, source: Images, target: Images, labels: Labels | None, context: Context
    ) -> None:
        self.source, self.target, self.context = source, target, context
        self.labels = bright_and_dark(source, context) if labels is None else labels
        self.gap: Any = registry().plugin("metric/domain_gap")()
        self.before = self._distances(source)

    def judge(self, images: Images) -> Judged:
        """Judge translations of the source's slices."""
        kept, problems = label_keeping(images, self.labels, self.source, self.context)
        try:
            distances = self._distances(images)
        except FibError:  # a generator may collapse for a while
            distances = self.before
            problems = (*problems, "slices have the same grey value almost everywhere")
        return Judged(distances, kept, problems)

    def _distances(self, images: Images) -> dict[str, float]:
        table = self.gap.measure(images, self.target, context=_quiet(self.context))
        return {name: float(table[name][0]) for name in DISTANCES}


def label_keeping(
    images: Images, labels: Labels, before: Images, context: Context
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the figures of `metric/label_consistency`, and what is wrong in words."""
    metric: Any = registry().plugin("metric/label_consistency")()
    search = min(metric.search_pixels, max(2, min(images.shape[1:]) // 4 - 1))
    metric = metric.model_copy(update={"search_pixels": search})
    row = metric.measure(images, labels, before, context=_quiet(context)).rows()[0]
    figures = {name: value for name, value in row.items() if isinstance(value, (int, float))}
    return figures, tuple(metric.problems(row))


def bright_and_dark(images: Images, context: Context) -> Labels:
    """Return which voxels of the first channel Otsu's threshold calls bright."""
    segmenter: Any = registry().plugin("segmenter/threshold")()
    labels: Labels = segmenter.predict(images, _quiet(context))
    return labels


def some_slices(images: Images, slices: list[int]) -> Images:
    """Return a stack of these slices alone."""
    return images.with_data(images.data[:, slices])


def _quiet(context: Context) -> Context:
    """Return a context of the same seed that neither reports nor logs nor keeps."""
    silent = logging.getLogger("fib.silent")
    silent.propagate = False
    silent.addHandler(logging.NullHandler())
    return Context(context.seed, device="cpu", threads=context.threads, log=silent)
