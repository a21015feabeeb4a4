"""Histogram matching: gives one stack the grey-value distribution of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.channels import are_same, channels_of, counted, in_order, info_of, selection, shown
from fibcore import Adapter, Context, FibError, Forecast, Images, Model, Trainable
from fibcore.channels import Channel
from fibcore.context import held_bytes
from fibcore.models import ModelInfo, Shape

BYTES_PER_PIXEL = {"u": 2, "f": 16}
"""Memory for each pixel of a slice: integers are looked up, floats interpolated."""
OUTSIDE = 0.01
"""Share of grey values beyond those of the source above which a warning is given."""


class MatchInfo(ModelInfo):
    """The info of a model of `adapter/histogram_match`."""

    kv: Annotated[list[float | None], Field(min_length=1)]
    detectors: list[str | None] = Field(default_factory=list)
    range: list[Annotated[list[float], Field(min_length=2, max_length=2)]]
    dtype: Literal["uint8", "uint16", "float32"]
    quantity: str

    @model_validator(mode="after")
    def _one_range_per_channel(self) -> Self:
        if len(self.range) != len(self.kv):
            raise ValueError(f"{len(self.range)} ranges for {len(self.kv)} channels")
        return self


class HistogramMatch(Trainable, Adapter):
    """Gives images the grey-value distribution of a target, by a monotone map of grey values.

    Quantile q of the source becomes quantile q of the target, channel by channel. This is the
    baseline of image translation: noise, blur and shine-through are unchanged, bright stays bright,
    and no edge moves. Results have the target's element type. Only histograms are kept in memory,
    at any number of slices.

    With `scope` ``stack`` the map is fixed in training, and a grey value is mapped to the same one
    everywhere. With ``slice`` each slice is given the target's distribution by itself: that removes
    brightness drift, but also real differences in solid fraction between slices.
    """

    name: ClassVar[str] = "histogram_match"
    info_type: ClassVar[type[MatchInfo]] = MatchInfo

    scope: Literal["stack", "slice"] = Field(
        default="stack",
        description="stack: one map, from the source as a whole to the target; slice: a map for "
        "each slice of the images to the target as a whole",
    )
    quantiles: int = Field(
        default=1024,
        ge=16,
        le=65536,
        description="number of quantiles that describe a distribution",
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse source and target with different channel counts; warn of different voltages."""
        if method != "fit":
            images = inputs.get("images")
            if images is not None:
                made = images
                if self.fitted:
                    self._check_channels(images.channels)
                    made = replace(images, dtype=self.model.info["dtype"])
                    if are_same(images.channels, channels_of(self.model.info)):
                        made = made.of_channels(channels_of(self.model.info))
                pixels = made.shape[1] * made.shape[2]
                each = BYTES_PER_PIXEL[np.dtype(images.dtype).kind]
                memory = held_bytes(made.nbytes) + each * pixels
                return Forecast(made, memory_bytes=memory)
            return super().forecast(method, inputs)
        source, target = inputs.get("source"), inputs.get("target")
        if source is None or target is None:
            return Forecast()
        info = {**info_of(source.channels), "dtype": target.dtype}
        model = Model(self.identifier(), self.model_dump(mode="json"), info=info)
        if len(source.kv) != len(target.kv):
            raise FibError(
                f"the source has {counted(source.channels)}, the target "
                f"{counted(target.channels)}; they are matched one by one: choose the same number "
                f'of each with "kv" and "detector" in the inputs'
            )
        if source.channels != target.channels and not are_same(source.channels, target.channels):
            text = (
                f"the source shows {shown(source.channels)}, the target "
                f"{shown(target.channels)}: channels are matched in this order, and shine-through "
                f"stays the source's"
            )
            return Forecast(warnings=(text,), model=model)
        return Forecast(model=model)

    def fit(self, source: Images, target: Images, context: Context | None = None) -> Self:
        """Learn the distribution of the target, and for scope ``stack`` that of the source.

        Args:
            source: images of the kind that will be transformed.
            target: images whose distribution they get; any size, from one slice.
            context: surroundings of the step.

        Raises:
            FibError: different channel counts, images that are constant or not finite.
        """
        from fib_plugins.image_statistics.grey_map import cumulative, matched, quantiles
        from fib_plugins.image_statistics.histogram import Histogram

        context = Context.of(context)
        self.forecast("fit", {"source": source.spec, "target": target.spec})
        target = in_order(target, source.channels, partial(context.empty, "channels-of-source"))
        found = []
        ranges = []
        for number in context.track(range(len(target.data)), "channels"):
            what = f"the target's {target.names[number]} images"
            of_target = quantiles(Histogram.of(target.data[number], what), self.quantiles)
            what = f"the source's {source.names[number]} images"
            of_source = Histogram.of(source.data[number], what)
            found.append((*matched(of_source, of_target), of_target))
            ranges.append(cumulative(of_source)[0][[0, -1]].tolist())
        knots, carried, quantile = (np.stack(arrays) for arrays in zip(*found, strict=True))
        self._model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            weights={"source": knots, "matched": carried, "target": quantile},
            info={
                **info_of(source.channels),
                "target_kv": list(target.kv),
                "range": ranges,
                "dtype": target.data.dtype.name,
                "quantity": target.quantity,
            },
        )
        return self

    def transform(self, images: Images, context: Context | None = None) -> Images:
        """Return the images with the target's grey values and element type.

        Raises:
            FibError: not fitted, another number of channels than in training, values that are not
                finite, or with scope ``slice`` a constant slice.
        """
        context = Context.of(context)
        info = self.model.info
        self._check_channels(images.channels)
        fitted = channels_of(info)
        images = in_order(images, fitted, partial(context.empty, "channels-of-training"))
        if images.channels != fitted:
            context.log.warning(
                "adapter/histogram_match was fitted on a source that shows %s; these images show "
                "%s",
                shown(fitted),
                shown(images.channels),
            )
        data = context.empty("images", images.data.shape, info["dtype"])
        outside = np.zeros(len(data), np.int64)
        for z in context.track(range(images.shape[0]), "slices matched"):
            for number, name in enumerate(images.names):
                plane = images.data[number, z]
                knots, carried = self._map(number, plane, f"slice {z} of the {name} images")
                low, high = info["range"][number]
                outside[number] += np.count_nonzero((plane < low) | (plane > high))
                data[number, z] = _carried(plane, knots, carried, data.dtype)
        for share, name in zip(outside / images.data[0].size, images.names, strict=True):
            if self.scope == "stack" and share > OUTSIDE:
                context.log.warning(
                    "%.0f %% of the %s images is darker or brighter than anything in the source "
                    "that adapter/histogram_match was fitted on, and is set to the target's "
                    "darkest or brightest value; fit on a source that looks like these images, or "
                    "set scope to 'slice'",
                    100 * share,
                    name,
                )
        return images.with_data(data, quantity=info["quantity"])

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the knots, of their mapped values, and of the quantiles."""
        shape = (len(self.model.info["kv"]), self.quantiles)
        return dict.fromkeys(("source", "matched", "target"), shape)

    def _check_channels(self, channels: tuple[Channel, ...]) -> None:
        fitted = channels_of(self.model.info)
        if len(channels) != len(fitted):
            raise FibError(
                f"the images have {counted(channels)}, but adapter/histogram_match was fitted on "
                f"{counted(fitted)}: choose the channels with {selection(fitted)}, or fit another "
                f"one"
            )

    def _map(self, number: int, plane: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the knots of the map for one slice; refuse values that are not finite."""
        weights = self.model.weights
        if self.scope == "stack":
            if plane.dtype.kind == "f" and not np.isfinite(plane).all():
                raise FibError(
                    f"{what} holds values that are not finite (NaN or infinite); replace them, "
                    f"e.g. by the mean grey value"
                )
            return weights["source"][number], weights["matched"][number]
        from fib_plugins.image_statistics.grey_map import matched
        from fib_plugins.image_statistics.histogram import Histogram

        return matched(Histogram.of(plane[np.newaxis], what), weights["target"][number])


def _carried(
    plane: np.ndarray, knots: np.ndarray, carried: np.ndarray, dtype: np.dtype
) -> np.ndarray:
    """Return a slice with each grey value mapped, in another element type."""
    if plane.dtype.kind == "u":
        table = np.interp(np.arange(np.iinfo(plane.dtype).max + 1), knots, carried)
        values = _as(table, dtype)
        return values[plane]
    return _as(np.interp(plane, knots, carried), dtype)


def _as(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "u":
        values = np.clip(np.rint(values), 0, np.iinfo(dtype).max)
    return values.astype(dtype)
