"""The parameters of raw recording: place and thickness of slices, tilt, data bar, charging."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from fib_plugins.adapters.hidden_instrument.presets import RAW_PRESETS
from fib_plugins.adapters.instrument_base.parameters import (
    InstrumentParameters,
    PresetName,
    Presets,
)

Positive = Annotated[float, Field(gt=0)]


class RawParameters(InstrumentParameters):
    """What correctors remove; all are off by default.

    Lengths in nm are those of the image: y is not yet corrected for the tilt.
    """

    raw_presets: ClassVar[Presets] = RAW_PRESETS
    geometry: ClassVar[tuple[str, ...]] = (
        "slice_nm",
        "thickness_error",
        "thickness_spread",
        "repeated_slices",
        "lost_slices",
        "drift_nm",
        "jitter_nm",
        "jumps",
        "tilt_deg",
        "data_bar_pixels",
        "streaks_per_slice",
    )
    """Parameters of which one that is not its default makes the recording a raw one."""

    lengths: ClassVar[Mapping[str, int]] = {
        "drift_nm": 1,
        "jitter_nm": 1,
        "jump_nm": 1,
        "streak_length_nm": 1,
    }

    raw: bool = Field(
        default=False,
        description="record as a microscope stores a stack, before any correction: parameters "
        "from slice_nm to streak_length_nm, and those of curtains, get the raw values of the "
        "preset if they are not given",
    )
    slice_nm: Positive | None = Field(
        default=None,
        description="slice thickness that the milling is set to, nm: the voxel size of the result "
        "along z; default: that of the ideal images, which may have thinner slices",
    )
    thickness_error: float = Field(
        default=0.0,
        ge=-0.5,
        le=1,
        description="true mean thickness above slice_nm, as a fraction of it",
    )
    thickness_spread: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="standard deviation of the slice thickness, as a fraction of its mean",
    )
    repeated_slices: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="share of slices before which nothing was milled: the face before is recorded "
        "again, and the next slice is twice as thick",
    )
    lost_slices: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="share of slices during which the beam fails: they are black from some line on",
    )
    drift_nm: float = Field(
        default=0.0,
        ge=0,
        description="slow drift: distance between the extreme positions of the stack, along y and "
        "along x, nm",
    )
    jitter_nm: float = Field(
        default=0.0,
        ge=0,
        description="standard deviation of the displacement of single slices along y and x, nm",
    )
    jumps: int = Field(
        default=0, ge=0, le=100, description="number of sudden displacements in the stack"
    )
    jump_nm: Positive = Field(default=30.0, description="length of a jump, in any direction, nm")
    tilt_deg: float = Field(
        default=0.0,
        ge=0,
        le=75,
        description="angle between the electron beam and the normal of the face: y is shortened to "
        "its cosine; 38 where the two beams make an angle of 52 degrees",
    )
    untracked: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="tilted: share of the movement of the face in the image that the microscope "
        "does not compensate; the image moves up by thickness times the sine of the tilt",
    )
    data_bar_pixels: int = Field(
        default=0, ge=0, le=1000, description="height of the data bar below the images, pixels"
    )
    streaks_per_slice: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="mean number of charging streaks: lines that become bright or dark at a bright "
        "pixel, and recover along the scan (x)",
    )
    streak_strength: float = Field(
        default=0.1,
        ge=0,
        le=2,
        description="mean change of the signal at the start of a streak, as a fraction",
    )
    streak_length_nm: Positive = Field(
        default=300.0, description="distance over which a streak falls to half, nm"
    )

    @classmethod
    def preset_values(cls, preset: PresetName, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that a preset sets besides the parameters that are given."""
        values = super().preset_values(preset, given)
        if given.get("raw") is True:
            values |= cls.raw_presets[preset]
        return values

    @model_validator(mode="after")
    def _raw_values_come_from_a_preset(self) -> Self:
        if self.raw and not self.is_raw:
            raise ValueError(
                "raw takes its values from a preset, and there is none: set preset to typical or "
                "bad, or leave raw out and give single effects, e.g. drift_nm"
            )
        return self

    @property
    def is_raw(self) -> bool:
        """Whether any effect that correctors remove is on."""
        fields = type(self).model_fields
        return any(getattr(self, name) != fields[name].default for name in self.geometry)
