"""Labels drawn by hand on some slices, placed in the stack that they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.unlabelled import UNLABELLED
from fibcore import Context, FibError, Forecast, Images, Labels, Segmenter, VolumeSpec

NO_LABELS = "there are no labels: give those of some slices as the input labels"
SliceNumber = Annotated[int, Field(ge=0)]


class ByHand(Segmenter):
    """Places labels of some slices in a stack; all other voxels are unlabelled (255).

    `segmenter/tuned`, `segmenter/random_forest` and `segmenter/unet` learn from such labels. Labels
    of all slices need no placing: load them with 255 where there is none.
    """

    name: ClassVar[str] = "by_hand"

    slices: Annotated[tuple[SliceNumber, ...], Field(min_length=1)] = Field(
        description="numbers of the slices of the stack, from 0, that the labels show, in the "
        "order of the labels"
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        twice = sorted({z for z in self.slices if self.slices.count(z) > 1})
        if twice:
            raise ValueError(f"slice {twice[0]} is named more than once: name each slice once")
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return labels of the shape of the images; refuse slices that do not fit.

        Raises:
            FibError: slices of another size, another number of them, or none with such a number.
        """
        images, labels = inputs.get("images"), inputs.get("labels")
        if images is None:
            return Forecast()
        depth = images.shape[0]
        if max(self.slices) >= depth:
            raise FibError(
                f"slices names slice {max(self.slices)}, the stack has {depth}: use numbers from 0 "
                f"to {depth - 1}, of the stack as it is after corrections"
            )
        phases: Mapping[int, str] = {}
        if "labels" not in inputs:
            raise FibError(NO_LABELS)
        if labels is not None:
            self._check(images, labels)
            phases = labels.phases
        return Forecast(VolumeSpec(Labels, images.shape, images.voxel_size_nm, phases=phases))

    def _check(self, images: VolumeSpec, labels: VolumeSpec) -> None:
        number, *size = labels.shape
        if number != len(self.slices):
            raise FibError(
                f"there are labels of {number} slices, and slices names {len(self.slices)}: name "
                f"the slice of the stack that each of them shows"
            )
        if tuple(size) != images.shape[1:]:
            raise FibError(
                f"slices of the labels have {size[0]} x {size[1]} pixels, those of the images "
                f"{images.shape[1]} x {images.shape[2]} (y, x): draw labels on the stack as it is "
                f"given here, or load the same region of both"
            )

    def predict(
        self, images: Images, context: Context | None = None, *, labels: Labels | None = None
    ) -> Labels:
        """Return labels of the stack.

        Args:
            images: the stack.
            context: surroundings of the step.
            labels: phases of some of its slices, 255 for voxels without a label, axes (z, y, x).

        Raises:
            FibError: no labels, slices of another size, another number of them, or none with such a
                number.
        """
        context = Context.of(context)
        if labels is None:
            raise FibError(NO_LABELS)
        self.forecast("predict", {"images": images.spec, "labels": labels.spec})
        data = context.empty("labels", images.shape, np.uint8)
        data[:] = UNLABELLED
        for z, plane in zip(self.slices, labels.data, strict=True):
            data[z] = plane
        return replace(labels, data=data, voxel_size_nm=images.voxel_size_nm)
