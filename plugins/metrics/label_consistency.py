"""Consistency of translated images with their labels.

An image translator learns a look, not the structure: it may swap bright and dark, thicken thin
structures, move edges or invent structure, and its losses do not show it. Training on such images
is training on wrong labels. This metric checks every slice and warns.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from fib_plugins.channels import counted, in_order
from fib_plugins.image_comparison.label_keeping import BYTES_PER_PIXEL, LabelKeepingParameters
from fib_plugins.threads import bytes_in_threads
from fibcore import Context, FibError, Forecast, Images, Labels, Metric, Segmenter, Table, keeps


class LabelConsistency(LabelKeepingParameters, Metric):
    """Whether translated images still show their labels: phases, edges, information.

    Row, over all channels:

    - ``contrast``: median over slices of the correlation of grey values with the brighter phase,
      -1 to 1; ``inverted_slices``: slices, of ``slices``, in which it is below -0.05: bright and
      dark are swapped.
    - ``edge_shift_pixels`` and ``edge_shift_p95_pixels``: median and 95th percentile over blocks
      of the distance of edges from those of the labels; ``mean_shift_y_pixels`` and
      ``mean_shift_x_pixels``: the mean displacement of all edges;
      ``edge_growth_pixels``: how far edges of the brighter phase have moved outwards, median over
      slices; ``inverted_edges_percent``: share of blocks whose edges go from bright to dark.
    - ``mutual_information_bits``: mutual information of a pixel's grey value and its label;
      ``mutual_information_share``: of the labels' entropy, 0 to 1.
    - ``mds``, with a `segmenter`: mean Dice score of its prediction against the labels.

    With `before`, the images before the translation: the same for them, prefixed ``before_``, and
    ``information_ratio``: after over before. Without, shine-through and noise count as well.

    Kept, for plots: ``contrasts`` (of every slice) and ``slices`` (edges and information of the
    measured ones). A warning lists what is beyond the limits.
    """

    name: ClassVar[str] = "label_consistency"
    headline: ClassVar[tuple[str, ...]] = (
        "contrast", "inverted_slices", "edge_shift_pixels", "mutual_information_share",
        "information_ratio", "mds",
    )  # fmt: skip

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse images with another shape than their labels; estimate the memory."""
        images = inputs.get("images")
        for name in ("labels", "before"):
            other = inputs.get(name)
            if images is None or other is None:
                continue
            if other.shape != images.shape:
                raise FibError(
                    f"images have shape {images.shape}, {name} {other.shape} (z, y, x): they must "
                    f"show the same volume; cut both alike, or give the labels that were imaged"
                )
            if name == "before" and len(other.kv) != len(images.kv):
                raise FibError(
                    f"the images have {counted(images.channels)}, those before "
                    f"{counted(other.channels)}; they are compared one by one: choose the same "
                    f'number of each with "kv" and "detector"'
                )
        if images is None:
            return super().forecast(method, inputs)
        if min(images.shape[1:]) < 4 * self.search_pixels + 4:
            raise FibError(
                f"slices have {images.shape[1]} x {images.shape[2]} pixels (y, x), too few to "
                f"search displacements of {self.search_pixels}: set search_pixels to "
                f"{min(images.shape[1:]) // 4 - 1} at most, or take larger images"
            )
        pixels = images.shape[1] * images.shape[2]
        return Forecast(memory_bytes=bytes_in_threads(BYTES_PER_PIXEL * pixels))

    @keeps(contrasts=Table, slices=Table)
    def measure(
        self,
        images: Images,
        labels: Labels,
        before: Images | None = None,
        segmenter: Segmenter | None = None,
        context: Context | None = None,
    ) -> Table:
        """Return one row of figures; keep contrasts and edges slice by slice.

        Args:
            images: the translated images.
            labels: the labels that they should show.
            before: the images before the translation.
            segmenter: one that was trained on images like those before.
            context: surroundings of the step.

        Raises:
            FibError: shapes differ, labels of one phase, values that are not finite.
        """
        from fib_plugins.image_comparison.shown_labels import (
            contrast_table,
            look_at,
            slice_table,
            summary,
        )

        context = Context.of(context)
        given = {"images": images, "before": before}
        stacks = {
            name: in_order(stack, images.channels, partial(context.empty, f"{name}-in-order"))
            for name, stack in given.items()
            if stack is not None
        }
        specs = {name: stack.spec for name, stack in stacks.items()}
        self.forecast("measure", {**specs, "labels": labels.spec})
        found = look_at(stacks, labels, self, context)
        scores: dict[str, float] = {}
        if segmenter is not None:
            scores = {
                name: _mds(segmenter, stack, labels, context) for name, stack in stacks.items()
            }
        row = summary(found, scores)
        for problem in self.problems(row):
            context.log.warning("%s", problem)
        context.keep("contrasts", contrast_table(found, images.names))
        context.keep("slices", slice_table(found, images.names))
        return Table.from_rows([row])


def _mds(segmenter: Segmenter, images: Images, labels: Labels, context: Context) -> float:
    """Return the mean Dice score of a segmenter's prediction for images."""
    from fib_plugins.metrics.overlap import Overlap

    def report(what: str, done: float, total: float | None) -> None:
        context.progress(done, total, what)

    # A separate context: the other results of the segmenter are not kept by this metric.
    own = Context(
        context.seed,
        device=context.device,
        threads=context.threads,
        scratch=context.scratch / "segmenter",
        report=report,
        log=context.log,
    )
    return float(Overlap().measure(segmenter.predict(images, context=own), labels, own)["mds"][0])
