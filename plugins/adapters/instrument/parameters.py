"""The parameters of the instrument model and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from fib_plugins.adapters.instrument.look import Look
from fib_plugins.adapters.instrument.parameter_types import (
    USUAL_ESTIMATES,
    EstimateName,
    NotNegative,
    NumberOfElectrons,
    Positive,
    RemovedName,
)
from fib_plugins.adapters.instrument.presets import PRESETS
from fib_plugins.adapters.instrument_base.parameters import (
    InstrumentParameters,
    PresetName,
    Presets,
)
from fib_plugins.adapters.instrument_base.per_channel import PerChannel

BITS: dict[str, Literal[8, 16] | None] = {"uint8": 8, "uint16": 16, "float32": None}
"""The parameter `bits` by the element type of recorded images."""


class AcquisitionParameters(InstrumentParameters):
    """The effects of the instrument on ideal images; all are off by default.

    Standard deviations and levels without a unit in their name are fractions: of the slice
    thickness, of the signal, or of the full scale, see their descriptions.
    """

    presets: ClassVar[Presets] = PRESETS
    lengths: ClassVar[Mapping[str, int]] = {
        "drift_nm": 1,
        "edge_width_nm": 1,
        "charging_length_nm": 1,
        "charging_height_nm": 1,
        "curtain_width_nm": 1,
        "blur_fwhm_nm": 1,
    }
    per_channel: ClassVar[tuple[str, ...]] = (
        *InstrumentParameters.per_channel,
        "blur_fwhm_nm",
        "electrons_per_pixel",
        "gain",
        "offset",
        "read_noise",
    )
    effects: ClassVar[tuple[str, ...]] = (
        "thickness_variation",
        "drift_nm",
        "edge_brightening",
        "charging",
        "curtaining",
        "shading",
        "blur_fwhm_nm",
        "electrons_per_pixel",
        "exposure_range",
        "gain",
        "offset",
        "brightness_drift",
        "contrast_drift",
        "read_noise",
        "line_noise",
        "saturation",
        "gamma",
        "bits",
        "look",
    )

    thickness_variation: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="standard deviation of the slice thickness, as a fraction of it; errors do "
        "not add up from slice to slice",
    )
    drift_nm: float = Field(
        default=0.0,
        ge=0,
        description="standard deviation of the lateral position of slices along y and along x, nm",
    )
    drift_slices: float = Field(
        default=0.0,
        ge=0,
        le=200,
        description="number of slices over which the correlation of lateral positions falls to "
        "1/e; 0: independent slices, as alignment leaves them",
    )
    edge_brightening: float = Field(
        default=0.0,
        ge=0,
        le=2,
        description="added brightness on the bright side of an edge, as a fraction of its step",
    )
    edge_width_nm: Positive = Field(
        default=10.0, description="distance from the edge over which edge brightening fades, nm"
    )
    charging: float = Field(
        default=0.0,
        ge=-2,
        le=2,
        description="brightness of trails behind pixels brighter than the mean of their slice, as "
        "a fraction of the difference; negative: darkens",
    )
    charging_length_nm: Positive = Field(
        default=200.0, description="distance along the scan (x) over which charge drains, nm"
    )
    charging_height_nm: float = Field(
        default=20.0,
        ge=0,
        description="spread of charge across scan lines (y; standard deviation), nm; 0: streaks "
        "stay in their line",
    )
    curtaining: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="standard deviation of the stripes along the milling direction, as a fraction "
        "of the signal",
    )
    curtain_width_nm: Positive = Field(default=30.0, description="width of stripes (FWHM), nm")
    curtain_slices: float = Field(
        default=0.0,
        ge=0,
        le=50,
        description="number of slices over which the correlation of stripes falls to 1/e",
    )
    curtain_length_nm: Positive | None = Field(
        default=None,
        description="distance along stripes over which their correlation falls to 1/e, nm; none: "
        "they run through the whole slice",
    )
    shading: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="slow changes of the signal across the field: deviation, as a fraction",
    )
    milling_axis: Literal["y", "x"] = Field(
        default="y", description="axis of the images that stripes run along: that of the ion beam"
    )
    blur_fwhm_nm: PerChannel[NotNegative] = Field(
        default=(0.0,),
        description="diameter of the electron beam (FWHM of a Gaussian), nm; one number, or one "
        "for each channel",
    )
    electrons_per_pixel: PerChannel[NumberOfElectrons] | None = Field(
        default=None,
        description="electrons per pixel for counting noise, one number or one for each channel; "
        "none: no counting noise",
    )
    counting: Literal["binomial", "poisson"] = Field(
        default="binomial",
        description="binomial: electrons come back or do not, the signal is the share that does; "
        "poisson: an electron may be counted several times (secondary electrons)",
    )
    exposure_range: tuple[NotNegative, NotNegative] | None = Field(
        default=None,
        description="set gain and offset as an operator does, for each channel: the levels of the "
        "darkest and brightest percent of the ideal stack, as fractions of the full scale",
    )
    gain: PerChannel[Positive] = Field(
        default=(1.0,),
        description="factor on the signal; one number, or one for each channel",
    )
    offset: PerChannel[float] = Field(
        default=(0.0,),
        description="added after the gain, as a fraction of the full scale; one number, or one for "
        "each channel",
    )
    brightness_drift: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="standard deviation of the offset from slice to slice, as a fraction of the "
        "full scale",
    )
    contrast_drift: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="standard deviation of the gain from slice to slice, as a fraction of it",
    )
    grey_drift_slices: float = Field(
        default=0.0,
        ge=0,
        le=200,
        description="number of slices over which the correlation of brightness and contrast falls "
        "to 1/e; 0: independent slices",
    )
    read_noise: PerChannel[NotNegative] = Field(
        default=(0.0,),
        description="standard deviation of electronic noise in each pixel, as a fraction of the "
        "full scale; one number, or one for each channel",
    )
    line_noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="standard deviation of an offset of each scan line, as a fraction of the full "
        "scale",
    )
    saturation: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="level at which the detector saturates, as a fraction of the full scale; "
        "none: only at the full scale",
    )
    gamma: float = Field(
        default=1.0,
        gt=0,
        le=5,
        description="exponent of grey values, as fractions of the full scale; above 1 darkens",
    )
    bits: Literal[8, 16] | None = Field(
        default=None,
        description="grey levels of the result: uint8, uint16, or none for float32 on the grey "
        "scale of the input",
    )
    estimate: tuple[EstimateName, ...] = Field(
        default=USUAL_ESTIMATES,
        description="parameters that fit estimates from the target; all others stay as given. "
        "Add look for stacks with open pores",
    )
    look: Look | None = Field(
        default=None,
        description="grey values of face and pores, as fit finds them with estimate look: images "
        "then show these in place of those of the ideal images, and need labels",
    )
    face_phases: tuple[Annotated[int, Field(ge=0, le=255)], ...] | None = Field(
        default=None,
        min_length=1,
        description="phases of the labels whose milled face has the look of the face; none: all "
        "but 0. What lies in pores, such as binder, has that of the rest",
    )

    removed_effects: tuple[RemovedName, ...] = Field(
        default=(),
        description="effects that correctors have removed from the stack: random variants, which "
        "imitate it, have none of them",
    )

    @classmethod
    def preset_values(cls, preset: PresetName, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that a preset sets besides the parameters that are given."""
        values = super().preset_values(preset, given)
        if "gain" in given or "offset" in given:
            values.pop("exposure_range", None)  # the two set the same
        return values

    @model_validator(mode="after")
    def _exposure_makes_sense(self) -> Self:
        if self.exposure_range is not None:
            low, high = self.exposure_range
            if low >= high:
                raise ValueError(
                    f"exposure_range [{low:g}, {high:g}] is in the wrong order; give the darker "
                    f"level first, e.g. [0.15, 0.8]"
                )
            if any(gain != 1 for gain in self.gain) or any(self.offset):
                raise ValueError(
                    "exposure_range sets gain and offset; give either the range or gain and offset"
                )
        return self

    @model_validator(mode="after")
    def _look_fits(self) -> Self:
        if self.look is not None:
            for name in self.per_channel:
                if self.channels_of(name) not in (1, len(self.look.channels)):
                    raise ValueError(
                        f"look is given for {len(self.look.channels)} channels, {name} for "
                        f"{self.channels_of(name)}: give both for the same channels"
                    )
        return self
