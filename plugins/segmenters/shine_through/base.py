"""What segmenters share that compare a voxel with the slices after it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fib_plugins.segmenters.one_channel import OneChannel
from fib_plugins.segmenters.shine_through.despeckling import despeckle
from fib_plugins.segmenters.shine_through.grey_stack import GreyStack
from fibcore import Context, FibError, Images, Labels, MaterialParam, Segmenter, Table, keeps
from fibcore.context import held_bytes
from fibcore.plugin import Forecast

LEAST_SLICES = 4
LEAST_PIXELS = 16
"""Smaller stacks have no profiles along z, or no room for the windows within a slice."""


class ShineThroughSegmenter(OneChannel, Segmenter):
    """Segments one channel of two phases by grey values of each voxel and of the slices after it.

    Slice 0 is imaged first. Solid that shines through a pore comes nearer from slice to slice and
    becomes brighter; solid in the face keeps its brightness, and when it ends, the grey value drops
    from one slice to the next.
    """

    solid: Literal["bright", "dark"] = Field(
        default="bright", description="whether the solid is brighter or darker than deep pores"
    )
    smooth_px: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="standard deviation of the Gaussian blur of each slice, pixels; by default so "
        "wide that noise becomes 1/15 of the contrast, at most 3 pixels",
    )
    despeckle: bool = Field(
        default=True,
        description="whether each voxel gets the phase of the majority of its 3 x 3 x 3 "
        "neighbourhood in the end",
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "Au"),  # type: ignore[assignment]  # names that validation looks up
        description="materials of pore (phase 0) and solid (phase 1)",
    )

    bytes_per_pixel: ClassVar[int]
    """Memory for each pixel of a slice, threads and blocks apart."""

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse small stacks and channels that are not there; warn if one of several is used."""
        base, spec = super().forecast(method, inputs), inputs.get("images")
        if spec is None:
            return base
        _check_shape(spec.shape)
        warnings = self.warnings_of(spec.channels)
        depth, height, width = spec.shape
        memory = held_bytes(depth * height * width) + self.bytes_per_pixel * height * width
        memory += self._bytes_of_blocks(spec.shape)
        return Forecast(base.output, memory_bytes=memory, warnings=warnings)

    def _bytes_of_blocks(self, shape: tuple[int, int, int]) -> int:
        """Return the memory of threads and of arrays of the whole stack, beside the labels."""
        return 0

    @keeps(estimates=Table)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return 1 where the solid is, else 0; keeps what was estimated from the stack.

        The table `estimates` has one row: smooth_px (blur of each slice), noise_grey_value (after
        it), level_grey_value (Otsu's, after it), contrast_grey_value (between the classes of that
        level).

        Raises:
            FibError: constant or non-finite images, a stack of fewer than 4 slices or 16 x 16
                pixels, or no channel at `kv` and of `detector`.
        """
        context = Context.of(context)
        _check_shape(images.shape)
        number = self.fitting(images.channels)[0]
        stack = GreyStack.of(
            images.data[number],
            f"the {images.names[number]} images",
            dark=self.solid == "dark",
            smooth_px=self.smooth_px,
            threads=context.threads,
        )
        labels = context.empty("labels", images.shape, np.uint8)
        self._segment(stack, images.voxel_size_nm, labels, context)
        if self.despeckle:
            despeckle(labels)
        context.keep("estimates", Table.from_rows([stack.estimates()]))
        return Labels(labels, images.voxel_size_nm, dict(enumerate(self.materials)))

    @abstractmethod
    def _segment(
        self,
        stack: GreyStack,
        voxel_size_nm: tuple[float, float, float],
        labels: np.ndarray,
        context: Context,
    ) -> None:
        """Fill `labels`, axes (z, y, x), with 0 and 1."""


def _check_shape(shape: tuple[int, int, int]) -> None:
    depth, height, width = shape
    if depth < LEAST_SLICES or min(height, width) < LEAST_PIXELS:
        raise FibError(
            f"the stack has {depth} slices of {height} x {width} pixels, but grey values are "
            f"followed from slice to slice: at least {LEAST_SLICES} slices of {LEAST_PIXELS} x "
            f"{LEAST_PIXELS} pixels are needed; give more slices, or use segmenter/threshold"
        )
