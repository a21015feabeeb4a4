"""Error bars: the figures of a segmentation, corrected, with intervals that hold the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from fib_plugins.metrics.curves import common_distances
from fib_plugins.metrics.error_bars.bars import FEWEST_TWINS
from fib_plugins.metrics.error_bars.inputs import check_inputs, memory_bytes, pair_of
from fibcore import (
    Context,
    FibError,
    Forecast,
    Images,
    Labels,
    Metric,
    Segmenter,
    Simulator,
    Source,
    Table,
    keeps,
)

if TYPE_CHECKING:
    from fib_plugins.metrics.error_bars.evidence import Evidence

DIFFERING = 0.05
"""Share of voxels above which a prediction seems to be that of another segmenter, if more are not
expected to be wrong."""


class ErrorBars(Metric):
    """Corrects the figures of a segmentation and gives them intervals, from virtual twins.

    Twins are drawn from the `world` that the segmenter was trained on, stacks that no training has
    seen. There the truth is known. They are segmented by the same segmenter, and each figure is
    measured on truth and segmentation. What the segmenter does wrong is removed from the figures of
    the prediction, and the interval holds what is left. It is as good as the world: a stack that
    the world does not resemble has errors that no twin shows.

    One row each for solid fraction, specific surface in 1/nm, ligament and pore diameter in nm and
    connectivity (share of the solid in its largest component), defined as in `metric/morphology`;
    and for the scores of `metric/overlap`, which cannot be measured without a truth: mp, mgp (in %)
    and mds. Columns:

    - ``value``: measured on the prediction; of a score, what the twins lead to expect.
    - ``corrected``: the value minus its ``bias``.
    - ``low``, ``high``: limits for the material: `confidence` is the probability that they hold the
      figure of an infinitely large volume of it.
    - ``volume_low``, ``volume_high``: limits for the truth of the imaged volume.
    - Half-widths of the parts, whose squares add up, nearly: ``segmentation``, errors that
      differ from place to place and average out over a large volume;
      ``structure_and_instrument``, those that a whole stack has in common, and the error of the
      correction; ``sampling``, due to the size of the volume (nan: too small to estimate).
    - ``outside_twins``: whether the twins hardly show such a value; the bar is then a guess.

    Kept: ``twins`` (truth, measured, and corrected from the other twins, of every twin and
    quantity, with the statistics that describe a structure), ``curves`` (two-point correlation and
    lineal paths, mean over x, y and z, corrected, with limits for the imaged volume), and
    ``indicators``: what may distinguish good segmentations from bad ones without a truth, its rank
    correlation with mp over the twins, its value on parts of the stack of the twins' shape.
    Correlations near 0, or of the wrong sign, mean that it is worth nothing here.

    Twins that are finished are not made again when an interrupted step is resumed.
    """

    name: ClassVar[str] = "error_bars"
    result_version: ClassVar[int] = 2
    headline: ClassVar[tuple[str, ...]] = ("value", "corrected", "low", "high")

    twins: int = Field(
        default=24,
        ge=FEWEST_TWINS,
        le=1000,
        description="number of twins; with fewer the intervals are wider, and less certain",
    )
    confidence: float = Field(
        default=0.9, ge=0.5, le=0.99, description="probability that an interval holds the truth"
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse inputs that do not belong together; return the memory."""
        check_inputs(inputs)
        warnings = []
        prediction, pair = inputs.get("prediction"), pair_of(inputs)
        if prediction is not None and pair is not None:
            smaller = np.array(prediction.shape) < np.array(pair.shape)
            if smaller.any():
                warnings.append(
                    f"twins have {pair.shape} voxels (z, y, x), the prediction {prediction.shape}: "
                    f"smaller twins would represent it better"
                )
        return Forecast(memory_bytes=memory_bytes(inputs), warnings=tuple(warnings))

    @keeps(twins=Table, curves=Table, indicators=Table)
    def measure(
        self,
        prediction: Labels,
        images: Images,
        segmenter: Segmenter,
        world: Source,
        context: Context | None = None,
        *,
        simulator: Simulator | None = None,
    ) -> Table:
        """Return one row for each quantity; keep ``twins``, ``curves`` and ``indicators``.

        Args:
            prediction: the segmentation of the stack.
            images: the images that were segmented.
            segmenter: has made the prediction; it segments the twins, too.
            world: source of twins, with the voxel size and channels of the stack.
            context: surroundings of the step.
            simulator: images segmentations again, for the indicator ``unexplained_percent`` of
                `metric/reprojection`; none: it is left out.

        Raises:
            FibError: shapes, voxel sizes or channels that do not fit, a prediction of one phase,
                fewer than 8 twins with two phases.
        """
        from fib_plugins.metrics.error_bars.evidence import Evidence
        from fib_plugins.metrics.error_bars.features import separation
        from fib_plugins.metrics.error_bars.stack_parts import part_shape
        from fib_plugins.metrics.error_bars.tables import (
            all_rows,
            curves_table,
            indicators_table,
            main_table,
            twins_table,
        )
        from fib_plugins.metrics.error_bars.twins import Workshop

        context = Context.of(context)
        given: dict[str, Any] = {"prediction": prediction.spec, "images": images.spec}
        self.forecast("measure", {**given, "segmenter": segmenter, "world": world})
        pair = pair_of({"world": world})
        if pair is None:
            raise FibError(
                f"the shape of the pairs of {world.identifier()} is unknown: its forecast has to "
                f"return it"
            )
        shape = part_shape(prediction.shape, pair.shape)
        distances = _distances(prediction, shape)
        shop = Workshop(world, with_probability(segmenter), simulator, distances, context)
        steps = self.twins + 2
        twins = []
        for number in range(self.twins):
            twins.append(shop.twin(number))
            context.progress(number + 1, steps, "twins segmented and measured")
        parts = list(shop.parts(images, prediction, shape))
        context.progress(self.twins + 1, steps, "parts of the stack segmented")
        stack = shop.stack(prediction)
        context.progress(steps, steps, "stack measured")
        evidence = Evidence.of(twins, stack, separation(images, prediction), parts)
        rows = all_rows(evidence, self.confidence)
        context.keep("twins", twins_table(rows, evidence))
        context.keep("curves", curves_table(distances, evidence, self.confidence))
        context.keep("indicators", indicators_table(rows, evidence))
        expected = next(row.value for row in rows if row.name == "mp") / 100.0
        self._warn(evidence, [row.name for row in rows if row.outside], expected, context)
        return main_table(rows)

    def _warn(
        self, evidence: Evidence, outside: list[str], expected: float, context: Context
    ) -> None:
        unusable = self.twins - len(evidence.twins)
        if unusable:
            context.log.warning(
                "%d of %d twins are left out: they, or their segmentations, have one phase only",
                unusable,
                self.twins,
            )
        if outside:
            context.log.warning(
                "the twins hardly show values like those of the stack (%s): its error bars are a "
                "guess. Widen the ranges of the world, or fit them to the stack",
                ", ".join(outside),
            )
        differing = float(np.mean([part.differing for part in evidence.parts]))
        if differing > max(DIFFERING, expected):
            context.log.warning(
                "the segmenter, applied to parts of the images, differs from the prediction in "
                "%.1f %% of the voxels: error bars are those of the segmenter that was given",
                100 * differing,
            )


def with_probability(segmenter: Segmenter) -> Segmenter:
    """Return the segmenter, which keeps its probabilities if it can."""
    if getattr(segmenter, "save_probability", None) is False:
        return segmenter.model_copy(update={"save_probability": True})
    return segmenter


def _distances(prediction: Labels, shape: tuple[int, ...]) -> np.ndarray:
    """Return distances of curves that fit into stack and twins, in nm."""
    longest = min(n * size for n, size in zip(shape, prediction.voxel_size_nm, strict=True)) / 2
    distances = common_distances(prediction)
    return distances[: max(2, int(np.searchsorted(distances, longest * (1 + 1e-9), "right")))]
