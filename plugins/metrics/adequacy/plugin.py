"""Whether a stack could be one of the stacks of the virtual world that segmenters learn from.

What a segmenter is worth on a virtual stack is known; what it is worth on the measured one can be
concluded from that only if the measured stack looks like the virtual ones. This is a two-sample
test with a classifier (Lopez-Paz and Oquab, Int. Conf. on Learning Representations 2017), with one
difference: the stacks of a virtual world differ from each other, too, in structure and instrument,
and a classifier can separate each of them from the rest. So the question is not whether it can
separate the measured one, but whether this is more unusual than virtual stacks among themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.channels import are_same, counted, selection, shown
from fib_plugins.metrics.adequacy.patches import DEPTHS, MORE, blocks, common_shape
from fib_plugins.threads import bytes_in_threads
from fibcore import (
    Context,
    FibError,
    Forecast,
    Images,
    Metric,
    Source,
    Table,
    VolumeSpec,
    keeps,
)
from fibcore.roles import Flag

if TYPE_CHECKING:
    from fib_plugins.metrics.adequacy.measured import Measured
    from fib_plugins.metrics.adequacy.unusual import Looks

VOXEL_SIZE_TOLERANCE = 0.05
BYTES_PER_PIXEL = 48
"""Memory of a thread for each pixel of a slice: its spectrum, or its noise."""
SHOWN, LISTED = 8, 32
"""Number of patches in ``montage``, and in ``patches``."""


class Adequacy(Metric):
    """Whether a stack looks like the stacks of a virtual world, and where it does not.

    Patches of the stack and of `stacks` virtual stacks are described by features: grey values,
    noise, spectrum, stripes, sharpness, correlation over distances, shapes of what is bright,
    relation to the slices below, and between channels. Grey values are compared as they are.
    Row:

    - ``adequate``: whether ``p_value`` is above `significance`.
    - ``unusual``: how unusual the stack is among all, 1 for a typical virtual stack. In each group
      of features the mean over the patches of a stack has a Mahalanobis distance from those of all
      other stacks, and a linear classifier separates its single patches from theirs by so many
      standard deviations. Each is divided by its median over the stacks; the mean square of the
      distances counts as much as that of the separation.
    - ``p_value``: the share of the stacks, the measured one among them, that are at least as
      unusual as it. The measured stack of an adequate world is the most unusual one as often as any
      other is: ``adequate`` is false for a share of at most `significance` of such stacks.
    - ``auc``: area under the ROC curve of a classifier for single patches, tested on blocks and
      virtual stacks that it was not trained on: 0.5 if they look alike, 1 if all differ.
      ``band_low`` and ``band_high``: between them are 90 % of the areas found for virtual stacks in
      place of the measured one. Areas near 1 do not differ any more, so they do not decide.
    - ``differs_most``: the group of features with the largest distance over its median.
    - ``grey_distance``, ``scaled_grey_distance``, ``spectrum_distance``, ``patch_distance``,
      ``noise_distance``: as `metric/domain_gap` measures them, median over virtual stacks.

    Kept: ``differences``, for each group of features how unusual the stack is and the p value of
    this group alone; ``gap``, the distances beside those of virtual stacks from each other;
    ``patches``, those that look least like the world, with the probability that the classifier
    gives; ``montage``, some of them (left) beside the virtual ones most like them (right).

    A stack that passes may still differ in what the features do not see, or in what a single
    stack cannot show: the fewer patches, the less is noticed. A world that is too wide contains
    every stack.
    """

    name: ClassVar[str] = "adequacy"
    headline: ClassVar[tuple[str, ...]] = ("adequate", "p_value", "auc", "differs_most")

    stacks: int = Field(default=24, ge=4, le=1000, description="number of virtual stacks")
    significance: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share of the stacks of an adequate world that are taken for another one",
    )
    patches: int = Field(
        default=256, ge=32, le=10_000, description="number of patches from each virtual stack"
    )
    patch_pixels: int = Field(default=32, ge=12, le=256, description="edge of a patch in pixels")

    @model_validator(mode="after")
    def _enough_stacks(self) -> Self:
        if self.significance * (self.stacks + 1) < 1 - 1e-9:
            raise ValueError(
                f"{self.stacks} stacks cannot give a p value of {self.significance:g}: give stacks "
                f"{int(np.ceil(1 / self.significance - 1e-9)) - 1} or more, or a larger "
                f"significance"
            )
        return self

    # -- before a run --------------------------------------------------------------------------

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse worlds of other voxels or channels, and slices too small for the patches."""
        images, world = inputs.get("images"), inputs.get("world")
        if images is None or world is None:
            return Forecast()
        pair = world.forecast(world.main_method, {})
        if pair.output is None:
            return Forecast(memory_bytes=pair.memory_bytes)
        warnings = self._check(images, pair.output)
        depths = min(len(DEPTHS), images.shape[0])
        patch = len(images.kv) * self.patch_pixels**2
        held = self.stacks * self.patches * patch * np.dtype(pair.output.dtype).itemsize
        work = 4 * 12 * MORE * self.patches * patch * depths
        pixels = max(spec.shape[1] * spec.shape[2] for spec in (images, pair.output))
        threads = bytes_in_threads(BYTES_PER_PIXEL * pixels)
        memory = max(pair.memory_bytes, work, threads) + 2 * held
        return Forecast(memory_bytes=memory, warnings=warnings)

    def _check(self, images: VolumeSpec, virtual: VolumeSpec) -> tuple[str, ...]:
        """Refuse what cannot be compared; return warnings."""
        if len(images.kv) != len(virtual.kv):
            raise FibError(
                f"the images have {counted(images.channels)}, the stacks of the world "
                f"{counted(virtual.channels)}: choose the images' channels with "
                f"{selection(virtual.channels)}, or give the world's simulator those of the images"
            )
        if not np.allclose(
            images.voxel_size_nm, virtual.voxel_size_nm, rtol=VOXEL_SIZE_TOLERANCE, atol=0
        ):
            raise FibError(
                f"voxels of the images are {list(images.voxel_size_nm)} nm, those of the world "
                f"{list(virtual.voxel_size_nm)} nm (z, y, x): give the world's structures the "
                f"voxel size of the images, or resample the images"
            )
        blocks(common_shape(images.shape, virtual.shape)[1:], self.patch_pixels)
        same = images.channels == virtual.channels or are_same(images.channels, virtual.channels)
        if same:
            return ()
        return (
            f"the images show {shown(images.channels)}, the stacks of the world "
            f"{shown(virtual.channels)}: channels are compared in this order",
        )

    # -- work ----------------------------------------------------------------------------------

    @keeps(differences=Table, gap=Table, patches=Table, montage=Images)
    def measure(self, images: Images, world: Source, context: Context | None = None) -> Table:
        """Return one row; keep differences by group, distances, patches that differ, pictures.

        Tables:

        - ``differences``: group (of features), unusual (distance over that of a typical virtual
          stack), p_value.
        - ``gap``: distance (its name), stack (median over virtual stacks), world and world_high
          (median and 95 % quantile of virtual stacks from each other).
        - ``patches``: z, y, x (first voxel), probability, the least alike first.

        Args:
            images: the stack. It may be larger or smaller than the virtual ones, which are cut to
                its size.
            world: source of virtual stacks; pairs ``adequacy`` of it are used.
            context: surroundings of the step.

        Raises:
            FibError: other voxel sizes or numbers of channels, slices too small for patches,
                images that are constant or not finite.
        """
        from fib_plugins.metrics.adequacy.gap import Gap
        from fib_plugins.metrics.adequacy.measured import Measured
        from fib_plugins.metrics.adequacy.unusual import Looks, p_value

        context = Context.of(context)
        virtual = world.pair("adequacy", 0, context)[0]
        for warning in self._check(images.spec, virtual.spec):
            context.log.warning("%s", warning)
        found = Measured(images, virtual.spec, self.patches, self.patch_pixels, context)
        gap = Gap(found.images, found.virtual_spec, context)
        gap.add(found.images)
        for number in context.track(range(self.stacks), "virtual stacks measured"):
            if number > 0:
                virtual = world.pair("adequacy", number, context)[0]
            gap.add(found.add(virtual))
        looks = Looks.of(found.features, found.halves, found.groups)
        distances, unusual = looks.distances(), looks.unusual()
        separated = [
            looks.separated(stack)
            for stack in context.track(range(1 + self.stacks), "stacks separated from others")
        ]
        areas, probability = np.array([area for area, _ in separated]), separated[0][1]
        low, high = np.quantile(areas[1:], (0.05, 0.95))
        p = p_value(unusual[0], unusual[1:])
        most = looks.group_names[int(np.argmax(distances[0]))]
        row: dict[str, Any] = {
            "adequate": p > self.significance,
            "p_value": p,
            "unusual": float(unusual[0]),
            "auc": float(areas[0]),
            "band_low": float(low),
            "band_high": float(high),
            "differs_most": most,
            **gap.of_stack(),
            "stacks": self.stacks,
        }
        context.keep(
            "differences",
            Table.from_rows(
                {"group": name, "unusual": float(own[0]), "p_value": p_value(own[0], own[1:])}
                for name, own in zip(looks.group_names, distances.T, strict=True)
            ),
        )
        context.keep("gap", gap.table())
        self._keep_patches(found, looks, probability, context)
        if not row["adequate"]:
            context.log.warning(
                "the stack does not look like the virtual world (p = %.2g): it differs most in %s, "
                "where it is %.1f times as far from the others as a typical virtual stack. What "
                "segmenters are worth on virtual stacks does not show what they are worth on it",
                p,
                most,
                distances[0].max(),
            )
        return Table.from_rows([row], {"adequate": Flag()})

    def _keep_patches(
        self, found: Measured, looks: Looks, probability: np.ndarray, context: Context
    ) -> None:
        """Keep which patches of the stack look least like the world, and pictures of some."""
        from fib_plugins.metrics.adequacy.montage import least_alike, montage

        first = found.drawn
        reach = first.grey.shape[2]
        numbers = least_alike(probability, first.corners, self.patch_pixels, reach, LISTED)
        z, y, x = first.corners[numbers].T
        columns = {"z": z, "y": y, "x": x, "probability": probability[numbers]}
        context.keep("patches", Table(columns))
        few = numbers[:SHOWN]
        pictures = montage(
            found.images,
            first.grey[few, :, 0],
            looks.patches[0][few],
            np.concatenate(found.planes),
            np.concatenate(looks.patches[1:]),
        )
        context.keep("montage", pictures)
