"""Cuts the field: data bar, filled edges, regions that show nothing, or a region by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.correctors.crop.boxes import (
    Box,
    ascending,
    box_of_region,
    box_of_shifts,
    intersection,
)
from fib_plugins.correctors.labels import check_labels
from fib_plugins.correctors.streaming import corrections
from fibcore import (
    Context,
    Corrector,
    FibError,
    Forecast,
    Images,
    Labels,
    Model,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.models import ModelInfo, Shape

FOUND_BYTES = 48 * 2**20
"""Memory of the sampled slices, in bands."""

Part = tuple[int | None, int | None]
Pair = Annotated[list[int], Field(min_length=2, max_length=2)]


class CropInfo(ModelInfo):
    """The info of a model of `corrector/crop`."""

    box: Annotated[list[Pair], Field(min_length=3, max_length=3)]
    shape: Annotated[list[int], Field(min_length=3, max_length=3)]

    @model_validator(mode="after")
    def _within(self) -> Self:
        if not ascending(self.box) or any(
            part[1] > size for part, size in zip(self.box, self.shape, strict=True)
        ):
            raise ValueError("the box does not lie within the shape")
        return self


class Crop(Trainable, Corrector):
    """Cuts the field: data bar, edges filled after shifts, regions that show nothing.

    What is left is the part that belongs to all of these:

    1. `region`, given by hand, such as the face without trench and fiducials;
    2. of what `find` names, what is found in the images. ``data_bar``: rows with writing at the
       bottom or the top that are the same in all slices (of a single slice: that are mostly flat).
       Writing that changes from slice to slice, such as a number, does not matter. ``constant``:
       rows and columns at the edges that stay the same, such as a black trench, and borders of a
       single value, which are filled in where slices are shifted;
    3. with the input `shifts` (the corrections of a corrector that shifts slices), the field that
       all slices share: rows and columns that were filled at the edges are cut off.

    Fiducials and deposits that change with each slice are not found: give the `region`. A data bar
    is found before slices are aligned, since aligning moves it.

    Edges are compared with the middle of the field, in up to 24 slices spread over the stack. A
    pixel is still in a slice if it differs from its median over the slices by at most 0.3 times
    the mean of such differences in the middle. A row is cut off if at least 70 % of its pixels are
    still, and the share of the others is at most 0.35 of that in the middle. Nothing is found in a
    stack that hardly changes at all.

    The result is a view: no voxel is copied. The table has, for each slice, the first row and
    column that is kept and the one after the last, in those of the given stack, and whether the
    slice is kept.
    """

    name: ClassVar[str] = "crop"
    works_unfitted: ClassVar[bool] = True
    info_type: ClassVar[type[CropInfo]] = CropInfo

    region: dict[Literal["z", "y", "x"], Part] = Field(
        default={},
        description="part to keep, in voxels: axis -> [start, stop], stop not included; negative "
        'numbers count from the end, null is the end, e.g. {"y": [20, -60]}; default: all',
    )
    find: tuple[Literal["data_bar", "constant"], ...] = Field(
        default=("data_bar", "constant"),
        description="what is found in the images and cut off: data_bar, constant; [] for nothing",
    )
    margin_px: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description="pixels that are cut off in addition where an edge was found or filled",
    )

    @model_validator(mode="after")
    def _region_is_not_empty(self) -> Self:
        for axis, (start, stop) in self.region.items():
            both = start is not None and stop is not None
            if both and (start < 0) == (stop < 0) and start >= stop:  # type: ignore[operator]
                raise ValueError(
                    f"region {axis}: [{start}, {stop}] is empty; give [start, stop] in voxels with "
                    f"start < stop"
                )
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse regions outside the stack; the size of the result is known if it is not found."""
        spec, labels = inputs.get("images"), inputs.get("labels")
        check_labels(spec, labels)
        if spec is None:
            return Forecast()
        by_hand = self._by_hand(spec)
        finds = bool(self.find) and not self.fitted
        memory = self._memory(spec) if finds else 0
        if method == "fit":
            return Forecast(memory_bytes=memory)
        if self._is_known(inputs):
            box = self._fitted_box(spec) if self.fitted else by_hand
            output = replace(spec, shape=_shape(box))
            kept = {"labels": replace(labels, shape=_shape(box))} if labels is not None else {}
            return Forecast(output, kept, memory)
        return Forecast(memory_bytes=memory)

    def _is_known(self, inputs: Mapping[str, Any]) -> bool:
        if "shifts" in inputs or (self.fitted and self.model.forecast):
            return False
        return self.fitted or not self.find

    @staticmethod
    def _memory(spec: VolumeSpec) -> int:
        pixels = spec.shape[1] * spec.shape[2]
        return min(FOUND_BYTES, 24 * 16 * pixels) + 16 * pixels

    def _by_hand(self, spec: VolumeSpec) -> Box:
        return box_of_region(self.region, spec.shape)

    def _fitted_box(self, spec: VolumeSpec) -> Box:
        info = self.model.info
        if list(spec.shape) != list(info["shape"]):
            raise FibError(
                f"the field was found in a stack of shape {tuple(info['shape'])}, this one has "
                f"{spec.shape} (z, y, x): apply it to images and labels of the same stack, or fit "
                f"another one"
            )
        z, y, x = (tuple(part) for part in info["box"])
        return (z, y, x)

    def fit(
        self, images: Images, shifts: Table | None = None, context: Context | None = None
    ) -> Self:
        """Find the field in a stack; return the plugin, which then cuts others in the same way.

        Args:
            images: the stack.
            shifts: has shift_y_px and shift_x_px of each slice.
            context: surroundings of the step.

        Raises:
            FibError: see `correct`.
        """
        context = Context.of(context)
        box = self._found(images, shifts, context)
        info = {"box": [list(part) for part in box], "shape": list(images.shape)}
        self._model = Model(self.identifier(), self.model_dump(mode="json"), info=info)
        return self

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return no shapes: the model is a box."""
        return {}

    @keeps(labels=Labels, corrections=Table)
    def correct(
        self,
        images: Images,
        shifts: Table | None = None,
        labels: Labels | None = None,
        context: Context | None = None,
    ) -> Images:
        """Return the part of the stack that is kept, as a view.

        Keeps the same part of the `labels`, if given, and ``corrections``: y_start_px, y_stop_px,
        x_start_px, x_stop_px (stop not included) and kept (0 or 1), in voxels of the given stack.

        Args:
            images: any number of slices and channels.
            shifts: has shift_y_px and shift_x_px of each slice, pixels by which it was moved.
            labels: labels of the same voxels.
            context: surroundings of the step.

        Raises:
            FibError: a region outside the stack, shifts of another number of slices or larger than
                the field, labels of another shape, nothing left.
        """
        context = Context.of(context)
        check_labels(images.spec, None if labels is None else labels.spec)
        if self.fitted:
            boxes = [self._fitted_box(images.spec)]
            if shifts is not None:
                boxes.append(box_of_shifts(shifts, images.shape))
            box = intersection(boxes)
        else:
            box = self._found(images, shifts, context)
        view = tuple(slice(*part) for part in box)
        depth = images.shape[0]
        kept = (np.arange(depth) >= box[0][0]) & (np.arange(depth) < box[0][1])
        columns = {
            f"{axis}_{end}_px": np.full(depth, edge)
            for axis, part in zip("yx", box[1:], strict=True)
            for end, edge in zip(("start", "stop"), part, strict=True)
        }
        context.keep("corrections", corrections({**columns, "kept": kept.astype(np.int64)}))
        if labels is not None:
            context.keep("labels", labels.with_data(labels.data[view]))
        return images.with_data(images.data[(slice(None), *view)])

    def _found(self, images: Images, shifts: Table | None, context: Context) -> Box:
        from fib_plugins.correctors.crop.field import KeptField

        kept = KeptField(images, self._by_hand(images.spec), self.margin_px, context)
        if shifts is not None:
            kept.cut_shifts(shifts)
        if self.find:
            kept.cut_found(self.find)
        return kept.box()


def _shape(box: Box) -> tuple[int, int, int]:
    z, y, x = (stop - start for start, stop in box)
    return (z, y, x)
