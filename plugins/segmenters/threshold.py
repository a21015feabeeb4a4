"""Segmentation by one grey level: Otsu's, Yen's, beside the mode of the face, or a given one."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.image_statistics.levels import otsu_level, yen_level
from fib_plugins.milled_face.mode import Mode, blurred, blurred_histogram
from fib_plugins.segmenters.one_channel import OneChannel
from fibcore import Context, Images, Labels, MaterialParam, Segmenter, Table, keeps
from fibcore.context import held_bytes
from fibcore.plugin import Forecast
from fibcore.roles import Abscissa, Curve

BYTES_PER_PIXEL = 24
"""Memory for each pixel of a slice."""


class Threshold(OneChannel, Segmenter):
    """Segments by a threshold of grey values (Otsu, Yen, mode, manual), per stack or per slice.

    A voxel is bright if its grey value is above the level. In porous stacks shine-through makes any
    level a compromise: this is the baseline for other segmenters.

    **Method mode** is for open pores. The milled face of the solid is flat, so that after a blur of
    each slice (`blur_px`) it forms a narrow mode in the histogram, and what lies in pores a broad
    remainder, part of it hardly darker. The level lies `sigmas` standard deviations of this mode
    below its maximum. The deviation is measured on the flank away from the pores, since the other
    one is widened by edges and by solid just below the face. Of several modes the brightest is
    taken, or the darkest for dark solid. Curtains widen the mode: remove them first. Pores brighter
    than the face are taken for solid.
    """

    name: ClassVar[str] = "threshold"

    method: Literal["otsu", "yen", "mode", "manual"] = Field(
        default="otsu",
        description="otsu: least variance within the two classes; yen: largest entropic "
        "correlation; mode: beside the narrow mode of the solid's milled face; manual: the given "
        "level",
    )
    sigmas: float = Field(
        default=3.0,
        gt=0,
        le=20,
        description="method mode: distance of the level from the mode, in standard deviations of "
        "the mode",
    )
    blur_px: float = Field(
        default=1.0,
        ge=0,
        le=20,
        description="method mode: standard deviation of the Gaussian blur of each slice, which "
        "narrows the mode, pixels; more for noisy images",
    )
    level: float | None = Field(
        default=None, description="method manual: the level, in grey values of the images"
    )
    scope: Literal["stack", "slice"] = Field(
        default="stack",
        description="one level for the stack, or one for each slice (follows brightness drift, "
        "but is biased where a slice holds much more solid than its neighbours)",
    )
    solid: Literal["bright", "dark"] = Field(
        default="bright", description="which side of the level is the solid"
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "Au"),  # type: ignore[assignment]  # names that validation looks up
        description="materials of pore (phase 0) and solid (phase 1)",
    )

    @model_validator(mode="after")
    def _level_belongs_to_manual(self) -> Self:
        if (self.method == "manual") != (self.level is not None):
            raise ValueError(
                f"method {self.method!r} with level {self.level}: give a level in grey values "
                f"with method 'manual', and only there"
            )
        return self

    def forecast(self, method: str, inputs: Any) -> Forecast:
        """Refuse a voltage that the images do not have; warn if only one of several is used."""
        base = super().forecast(method, inputs)
        spec = inputs.get("images")
        if spec is None:
            return base
        warnings = self.warnings_of(spec.channels)
        depth, height, width = spec.shape
        memory = held_bytes(depth * height * width) + BYTES_PER_PIXEL * height * width
        return Forecast(base.output, memory_bytes=memory, warnings=warnings)

    @keeps(levels=Table)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return 1 where the solid is, else 0; keeps the levels that were used.

        The table `levels` has the columns first_slice, last_slice, level_grey_value.

        Raises:
            FibError: constant or non-finite images, or no channel at `kv` and of `detector`.
        """
        context = Context.of(context)
        number = self.fitting(images.channels)[0]
        channel, name = images.data[number], images.names[number]
        depth = len(channel)
        parts = [(z, z + 1) for z in range(depth)] if self.scope == "slice" else [(0, depth)]
        solid = context.empty("labels", images.shape, np.uint8)
        rows = []
        for start, stop in parts:
            where = f"slice {start} of the" if self.scope == "slice" else "the"
            level = self._level_of(channel[start:stop], f"{where} {name} images", context)
            rows.append({"first_slice": start, "last_slice": stop - 1, "level_grey_value": level})
            for z in range(start, stop):
                plane = channel[z]
                if self.method == "mode":
                    plane = blurred(plane, self.blur_px)
                bright = plane > level
                solid[z] = bright if self.solid == "bright" else ~bright
                context.progress(z + 1, depth, "slices cut")
        roles = {"first_slice": Abscissa(), "level_grey_value": Curve()}
        context.keep("levels", Table.from_rows(rows, roles))
        return Labels(solid, images.voxel_size_nm, dict(enumerate(self.materials)))

    def _level_of(self, slices: np.ndarray, what: str, context: Context) -> float:
        if self.method == "mode":
            return self._beside_mode(slices, what, context)
        histogram = Histogram.of(slices, what)
        if self.level is not None:
            return self.level
        return otsu_level(histogram) if self.method == "otsu" else yen_level(histogram)

    def _beside_mode(self, slices: np.ndarray, what: str, context: Context) -> float:
        mode = Mode.of(blurred_histogram(slices, self.blur_px, what), self.solid, what)
        if mode.doubtful:
            context.log.warning(
                "the mode of the solid in %s is wide (standard deviation %.3g, that of all grey "
                "values %.3g): the level is uncertain; remove curtains and drift of brightness "
                "first, or use a wider blur_px",
                what,
                mode.deviation,
                mode.spread,
            )
        away = self.sigmas * mode.deviation
        return mode.level - away if self.solid == "bright" else mode.level + away
