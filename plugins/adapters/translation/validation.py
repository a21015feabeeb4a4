"""Validation of a translator on slices that it was not trained on.

The losses of a GAN show the balance of two networks, not the quality of either. Quality is measured
as for any two stacks: by the distance of translations from the target, as in `metric/domain_gap`,
and by whether they keep the structure of the source, as in `metric/label_consistency`, both with
their default parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.image_comparison.label_keeping import LabelKeepingParameters
from fib_plugins.image_comparison.sampling import Sampling, SamplingParameters
from fib_plugins.image_comparison.shown_labels import look_at, summary
from fib_plugins.image_comparison.stack_statistics import StackStatistics
from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.image_statistics.levels import otsu_level
from fibcore import Context, FibError, Images, Labels

DISTANCES = (
    "scaled_grey_distance",
    "spectrum_distance",
    "patch_distance",
    "noise_distance",
)
"""The distances whose sum is the validation score, 0 for equal stacks."""
SHARE = 4
"""At most one in this many slices is kept out of training."""


@dataclass(frozen=True)
class Quality:
    """The quality of translated slices.

    Attributes:
        distances: from the target, by name.
        kept: figures of `metric/label_consistency`.
        problems: descriptions of labels that were not kept; empty if all were.
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
    """Measures the quality of translations of some slices of the source.

    Args:
        source: slices before translation.
        target: slices of the target, of any number.
        labels: of the source's slices, if known; else Otsu's threshold separates bright from dark.
        context: surroundings of the step.
    """

    def __init__(
        self, source: Images, target: Images, labels: Labels | None, context: Context
    ) -> None:
        self.source, self.context = source, context
        self.labels = bright_and_dark(source) if labels is None else labels
        self.sampling = Sampling.of(SamplingParameters(), [source.spec, target.spec], context)
        self.wanted = self._statistics(target)
        self.before = self._distances(source)

    def measure(self, images: Images) -> Quality:
        """Return the quality of translations of the source's slices."""
        kept, problems = label_keeping(images, self.labels, self.source, self.context)
        try:
            distances = self._distances(images)
        except FibError:  # a generator may collapse for a while
            distances = self.before
            problems = (*problems, "slices have the same grey value almost everywhere")
        return Quality(distances, kept, problems)

    def _distances(self, images: Images) -> dict[str, float]:
        found = self._statistics(images).distances(self.wanted)
        return {name: found[name] for name in DISTANCES}

    def _statistics(self, images: Images) -> StackStatistics:
        return StackStatistics.of(images, "validation images", self.sampling, self.context.threads)


def label_keeping(
    images: Images, labels: Labels, before: Images, context: Context
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return the figures of `metric/label_consistency`, and descriptions of problems.

    Args:
        images: the translation.
        labels: the labels that it has to keep.
        before: the images before the translation.
        context: seed and number of threads; progress is not reported.
    """
    params = LabelKeepingParameters()
    search = min(params.search_pixels, max(2, min(images.shape[1:]) // 4 - 1))
    params = LabelKeepingParameters(search_pixels=search)
    quiet = Context(context.seed, threads=context.threads)
    row = summary(look_at({"images": images, "before": before}, labels, params, quiet))
    figures = {name: value for name, value in row.items() if isinstance(value, (int, float))}
    return figures, tuple(params.problems(row))


def bright_and_dark(images: Images) -> Labels:
    """Return which voxels of the first channel are bright by Otsu's threshold."""
    channel = images.data[0]
    level = otsu_level(Histogram.of(channel, f"the {images.names[0]} images"))
    return Labels((channel > level).astype(np.uint8), images.voxel_size_nm)


def some_slices(images: Images, slices: list[int]) -> Images:
    """Return a stack of these slices alone."""
    return images.with_data(images.data[:, slices])
