"""Do translated images still show their labels?

An image translator learns looks, not truth: it may swap bright and dark, thicken what it finds too
thin, move edges or invent structure, and nothing in its losses tells. Whoever trains on such
images trains on wrong labels. This metric looks at every slice and says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from fibcore import Context, FibError, Forecast, Images, Labels, Metric, Segmenter, Table, keeps

if TYPE_CHECKING:
    from fib_plugins.image_comparison.contrast import PhaseSums


class LabelConsistency(Metric):
    """Whether translated images still show their labels: phases, edges, information.

    Row, over all channels:

    - ``contrast``: median over slices of the correlation of grey values with the brighter phase,
      -1 to 1; ``inverted_slices``: slices, of ``slices``, in which it is below -0.05: bright and
      dark are swapped.
    - ``edge_shift_pixels`` and ``edge_shift_p95_pixels``: median and 95th percentile over blocks
      of how far edges lie from those of the labels; ``mean_shift_y_pixels`` and
      ``mean_shift_x_pixels``: where all edges have moved, on average;
      ``edge_growth_pixels``: how far edges of the brighter phase have moved outwards, median over
      slices; ``inverted_edges_percent``: share of blocks whose edges go from bright to dark.
    - ``mutual_information_bits``: what a pixel's grey value says of its label;
      ``mutual_information_share``: of the labels' entropy, 0 to 1.
    - ``mds``, with a `segmenter`: mean Dice score of its prediction against the labels.

    With `before`, the images before the translation: the same for them, prefixed ``before_``, and
    ``information_ratio``: after over before. Without, shine-through and noise count as well.

    Kept, to be drawn: ``contrasts`` (of every slice) and ``slices`` (edges and information of the
    measured ones). What is beyond the limits is warned of; `problems` says it to a translator.
    """

    name: ClassVar[str] = "label_consistency"
    headline: ClassVar[tuple[str, ...]] = (
        "contrast", "inverted_slices", "edge_shift_pixels", "mutual_information_share",
        "information_ratio", "mds",
    )  # fmt: skip

    max_slices: int = Field(
        default=32,
        ge=1,
        description="Slices whose edges and information are measured at most: every n-th, evenly "
        "spread. The contrast is measured in all.",
    )
    search_pixels: int = Field(
        default=4, ge=2, le=16, description="Largest displacement of edges that is looked for."
    )
    block_pixels: int = Field(
        default=32, ge=8, description="Edge of the blocks that are displaced as a whole, in pixels."
    )
    dark_to_bright: tuple[int, ...] | None = Field(
        default=None,
        description="Phases from dark to bright, as the images ought to show them. Default: as in "
        "the images before the translation, without those by mean atomic number.",
    )
    max_inverted_slices: int = Field(
        default=0, ge=0, description="Limit: slices with swapped phases, beyond those before."
    )
    max_inverted_edges_percent: float = Field(
        default=10.0, ge=0, le=100, description="Limit: swapped edges, beyond those before, in %."
    )
    min_contrast: float = Field(
        default=0.1, ge=-1, le=1, description="Limit: median correlation of grey value and phase."
    )
    max_edge_shift_pixels: float = Field(
        default=0.5,
        gt=0,
        description="Limit: median displacement, mean displacement and growth of edges, each "
        "beyond that before, in pixels.",
    )
    min_information_ratio: float = Field(
        default=0.25,
        ge=0,
        description="Limit: mutual information over that before. Noise that a translator adds to "
        "images without any costs information, too, and is no loss of structure.",
    )
    max_mds_loss: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Limit: how much less the segmenter scores than before. Default: none, since "
        "images that look otherwise cost it some.",
    )

    @model_validator(mode="after")
    def _phases_are_named_once(self) -> Self:
        order = self.dark_to_bright
        if order is not None and (len(order) < 2 or len(set(order)) < len(order)):
            raise ValueError(
                f"dark_to_bright {list(order)}: name each phase once, at least two of them"
            )
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse images that do not lie on their labels; estimate the memory."""
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
                    f"the images have {len(images.kv)} channels, those before {len(other.kv)}; "
                    f'they are compared one by one: choose as many of each with "kv"'
                )
        if images is None:
            return super().forecast(method, inputs)
        if min(images.shape[1:]) < 4 * self.search_pixels + 4:
            raise FibError(
                f"slices have {images.shape[1]} x {images.shape[2]} pixels (y, x), too few to look "
                f"for displacements of {self.search_pixels}: set search_pixels to "
                f"{min(images.shape[1:]) // 4 - 1} at most, or take larger images"
            )
        threads = os.cpu_count() or 1
        return Forecast(memory_bytes=80 * images.shape[1] * images.shape[2] * threads)

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
            images: what was translated.
            labels: what they have to show.
            before: the images before the translation.
            segmenter: one that was trained on images like those before.
            context: surroundings of the step.

        Raises:
            FibError: shapes differ, labels of one phase, values that are not finite.
        """
        from fib_plugins.image_comparison.contrast import PhaseSums
        from fib_plugins.image_comparison.shown_labels import (
            Search,
            contrast_table,
            figures,
            look_at,
            slice_table,
        )

        context = Context.of(context)
        given = {"images": images, "before": before}
        stacks = {name: stack for name, stack in given.items() if stack is not None}
        specs = {name: stack.spec for name, stack in stacks.items()}
        self.forecast("measure", {**specs, "labels": labels.spec})
        sums = {
            name: [
                PhaseSums.of(channel, labels.data, f"the {kv} images of {name!r}", context.threads)
                for channel, kv in zip(stack.data, stack.names, strict=True)
            ]
            for name, stack in stacks.items()
        }
        orders = [self._order(labels, sums, number) for number in range(len(images.data))]
        search = Search(self.max_slices, self.search_pixels, self.block_pixels)
        found = look_at(stacks, labels, sums, orders, search, context)
        rows = {name: figures(channels) for name, channels in found.items()}
        if segmenter is not None:
            for name, stack in stacks.items():
                rows[name]["mds"] = _mds(segmenter, stack, labels, context)
        row: dict[str, Any] = dict(rows["images"])
        if "before" in rows:
            row |= {f"before_{name}": value for name, value in rows["before"].items()}
            whole = row["before_mutual_information_bits"]
            row["information_ratio"] = row["mutual_information_bits"] / whole if whole else None
        row["slices"] = len(labels.data)
        row["slices_measured"] = len(found["images"][0].slices)
        for problem in self.problems(row):
            context.log.warning("%s", problem)
        context.keep("contrasts", contrast_table(found, images.names))
        context.keep("slices", slice_table(found, images.names))
        return Table.from_rows([row])

    def problems(self, row: Mapping[str, Any]) -> list[str]:
        """Return in words what of the labels was not kept, by the limits; empty if all was.

        Args:
            row: as `measure` returned it. Where it has figures of the images before, only what is
                worse than there counts.
        """

        def beyond(name: str) -> float:
            return float(row[name]) - float(row.get(f"before_{name}", 0.0))

        ratio = row.get("information_ratio")
        lost = ratio is not None and ratio < self.min_information_ratio
        drift = np.hypot(beyond("mean_shift_y_pixels"), beyond("mean_shift_x_pixels"))
        shift = max(beyond("edge_shift_pixels"), float(drift))
        moved = shift > self.max_edge_shift_pixels
        gone = lost and moved  # edges of noise, with any sign
        found = []
        if beyond("inverted_slices") > self.max_inverted_slices:
            found.append(
                f"phases are inverted: in {row['inverted_slices']} of {row['slices']} slices what "
                f"ought to be bright is darker than what ought to be dark "
                f"(max_inverted_slices is {self.max_inverted_slices})"
            )
        elif beyond("inverted_edges_percent") > self.max_inverted_edges_percent and not gone:
            found.append(
                f"phases are inverted in places: {row['inverted_edges_percent']:.0f} % of the "
                f"edges go from bright to dark (max_inverted_edges_percent is "
                f"{self.max_inverted_edges_percent:g})"
            )
        elif not row["contrast"] >= self.min_contrast:
            found.append(
                f"phases can hardly be told apart: the correlation of grey value and phase is "
                f"{row['contrast']:.2f} (min_contrast is {self.min_contrast:g})"
            )
        if ratio is not None and lost:
            found.append(
                f"structure was lost: grey values tell {100 * ratio:.0f} % of what they told of "
                f"the labels before (min_information_ratio is {self.min_information_ratio:g})"
            )
        limit = f"(max_edge_shift_pixels is {self.max_edge_shift_pixels:g})"
        if moved:
            found.append(f"edges have moved: by {shift:.1f} pixels against the labels {limit}")
        growth = beyond("edge_growth_pixels")
        if abs(growth) > self.max_edge_shift_pixels and not gone:
            what = "thicker" if growth > 0 else "thinner"
            found.append(
                f"the brighter phase has become {what}: its edges have moved outwards by "
                f"{growth:+.1f} pixels {limit}"
            )
        if self.max_mds_loss is not None and "mds" in row and -beyond("mds") > self.max_mds_loss:
            found.append(
                f"a segmenter finds less than before: MDS {row['mds']:.3f} "
                f"(max_mds_loss is {self.max_mds_loss:g})"
            )
        return found

    def _order(
        self, labels: Labels, sums: Mapping[str, Sequence[PhaseSums]], number: int
    ) -> tuple[int, ...]:
        """Return the phases that occur from dark to bright, as a channel ought to show them."""
        from fib_plugins.image_comparison.contrast import by_atomic_number

        occurring = sorted(sums["images"][number].dark_to_bright())
        if len(occurring) < 2:
            raise FibError(
                f"the labels hold phase {occurring[0]} only, so images cannot be held against "
                f"them; give a structure with pores and solid"
            )
        if self.dark_to_bright is not None:
            missing = [phase for phase in occurring if phase not in self.dark_to_bright]
            if missing:
                raise FibError(
                    f"the labels hold phases {occurring}, dark_to_bright names "
                    f"{list(self.dark_to_bright)}: add {missing}"
                )
            return tuple(phase for phase in self.dark_to_bright if phase in occurring)
        if "before" in sums:
            return sums["before"][number].dark_to_bright()
        return by_atomic_number(labels.phases, occurring)


def _mds(segmenter: Segmenter, images: Images, labels: Labels, context: Context) -> float:
    """Return the mean Dice score of what a segmenter makes of images."""
    from fib_plugins.metrics.overlap import Overlap

    def report(what: str, done: float, total: float | None) -> None:
        context.progress(done, total, what)

    # A context of its own: what the segmenter keeps beside its labels is not this metric's.
    own = Context(
        context.seed,
        device=context.device,
        threads=context.threads,
        scratch=context.scratch / "segmenter",
        report=report,
        log=context.log,
    )
    return float(Overlap().measure(segmenter.predict(images, context=own), labels, own)["mds"][0])
