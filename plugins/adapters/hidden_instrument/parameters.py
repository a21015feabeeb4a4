"""The parameters of the twin's instrument and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from fib_plugins.adapters.hidden_instrument.presets import PRESETS
from fib_plugins.adapters.hidden_instrument.raw_parameters import RawParameters
from fib_plugins.adapters.instrument_base.parameters import Presets
from fib_plugins.adapters.instrument_base.per_channel import PerChannel

Positive = Annotated[float, Field(gt=0)]


class TwinParameters(RawParameters):
    """The effects of the twin's instrument on ideal images; all are off by default.

    Shares and levels without a unit in their name are fractions: of the signal, or of the full
    scale of the detector, see their descriptions. All channels share all parameters.
    """

    presets: ClassVar[Presets] = PRESETS
    lengths: ClassVar[Mapping[str, int]] = {
        **RawParameters.lengths,
        "halo_length_nm": 1,
        "curtains_per_um": -1,
        "curtain_width_nm": 1,
        "curtain_reach_nm": 1,
        "probe_nm": 1,
        "defocus_nm": 1,
        "astigmatism_nm": 1,
        "defocus_step_nm": 1,
        "skirt_length_nm": 1,
        "bad_defocus_nm": 1,
    }
    per_channel: ClassVar[tuple[str, ...]] = (
        *RawParameters.per_channel,
        "halo",
        "detector_deg",
        "curtain_depth",
        "shadowing",
        "beam_electrons",
        "electron_spread",
        "amplifier_noise",
        "mean_level",
        "contrast_level",
    )
    effects: ClassVar[tuple[str, ...]] = (
        "halo",
        "curtains_per_um",
        "shadowing",
        "probe_nm",
        "defocus_nm",
        "focus_tilt_deg",
        "astigmatism_nm",
        "defocus_step_nm",
        "skirt_share",
        "flicker",
        "beam_electrons",
        "response_pixels",
        "amplifier_noise",
        "mean_level",
        "brightness_step",
        "contrast_step",
        "bad_slices",
        "s_curve",
    )

    halo: PerChannel[Annotated[float, Field(ge=0, le=3)]] = Field(
        default=(0.0,),
        description="brightness of edges that face the detector, as a fraction of their step; one "
        "number, or one for each channel",
    )
    halo_length_nm: Positive = Field(
        default=6.0, description="distance over which edges are rounded, nm"
    )
    detector_deg: PerChannel[Annotated[float, Field(ge=-360, le=360)]] = Field(
        default=(-70.0,),
        description="direction of the detector in the image: 0 is +x, 90 +y (down); one number, "
        "or one for each channel",
    )
    curtains_per_um: float = Field(
        default=0.0, ge=0, le=1000, description="curtains per micrometre of the width of a slice"
    )
    curtain_depth: PerChannel[Annotated[float, Field(ge=0, le=2)]] = Field(
        default=(0.05,),
        description="least darkening by a curtain (optical density, natural units), one number or "
        "one for each channel: secondary electrons show them more; that of each is Pareto "
        "distributed above it",
    )
    curtain_tail: float = Field(
        default=2.0,
        gt=1,
        le=20,
        description="exponent of the Pareto distribution: the smaller, the more curtains are deep",
    )
    curtain_width_nm: Positive = Field(
        default=8.0, description="half width of a curtain at half its depth, nm"
    )
    curtain_reach_nm: Positive = Field(
        default=500.0, description="distance down (+y) over which a curtain fades, nm"
    )
    curtain_slant_deg: float = Field(
        default=2.0,
        ge=-45,
        le=45,
        description="angle between curtains and the y axis, the same in all slices, degrees",
    )
    curtain_slices: int = Field(
        default=4, ge=1, le=200, description="mean number of slices that a curtain lasts"
    )
    shadowing: PerChannel[Annotated[float, Field(ge=0, le=0.7)]] = Field(
        default=(0.0,),
        description="fraction of the signal lost at the bottom of the face, in the trench; one "
        "number, or one for each channel",
    )
    shadow_slices: float = Field(
        default=150.0, gt=1, description="period of the change of the shadow, slices"
    )
    probe_nm: float = Field(
        default=0.0, ge=0, le=1000, description="diameter of the beam in focus (FWHM), nm"
    )
    convergence_mrad: Positive = Field(
        default=10.0,
        le=100,
        description="half angle of the beam, which sets the effect of defocus, mrad",
    )
    defocus_nm: float = Field(
        default=0.0, ge=-1e5, le=1e5, description="defocus in the middle of the face, nm"
    )
    focus_tilt_deg: float = Field(
        default=0.0,
        ge=-80,
        le=80,
        description="angle between the face and the plane that is in focus; defocus changes along "
        "y, degrees",
    )
    astigmatism_nm: float = Field(
        default=0.0, ge=0, le=1e5, description="distance between the two line foci, nm"
    )
    astigmatism_deg: float = Field(
        default=30.0, ge=-360, le=360, description="direction of one line focus from +x, degrees"
    )
    defocus_step_nm: float = Field(
        default=0.0,
        ge=0,
        le=1e4,
        description="random walk of the defocus: standard deviation of a step between slices, nm",
    )
    skirt_share: float = Field(
        default=0.0, ge=0, le=0.9, description="fraction of the beam in its exponential skirt"
    )
    skirt_length_nm: Positive = Field(
        default=8.0, description="distance from the axis over which the skirt falls to 1/e, nm"
    )
    flicker: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="random walk of the beam current during a slice: standard deviation from its "
        "first to its last line, as a fraction of the current",
    )
    beam_electrons: PerChannel[Positive] | None = Field(
        default=None,
        description="mean number of electrons per pixel that signal 1 is counted with, one number "
        "or one for each channel; none: no counting noise",
    )
    electron_spread: PerChannel[Annotated[float, Field(ge=0, le=10)]] = Field(
        default=(0.0,),
        description="variance of the detector's response to a single electron, over its square; "
        "one number, or one for each channel",
    )
    response_pixels: float = Field(
        default=0.0,
        ge=0,
        le=20,
        description="time constant of the detector, in dwell times of a pixel",
    )
    amplifier_noise: PerChannel[Annotated[float, Field(ge=0, le=0.5)]] = Field(
        default=(0.0,),
        description="standard deviation of amplifier noise, as a fraction of full scale; one "
        "number, or one for each channel",
    )
    mean_level: PerChannel[Annotated[float, Field(ge=0, le=1)]] | None = Field(
        default=None,
        description="level that the operator brings the mean of the ideal images to, as a "
        "fraction of full scale, one number or one for each channel; none: signals are levels",
    )
    contrast_level: PerChannel[Annotated[float, Field(gt=0, le=1)]] | None = Field(
        default=None,
        description="level that the operator brings their standard deviation to, one number or "
        "one for each channel; with mean_level",
    )
    brightness_step: float = Field(
        default=0.0,
        ge=0,
        le=0.2,
        description="random walk of the brightness: standard deviation of a step between slices, "
        "as a fraction of full scale",
    )
    contrast_step: float = Field(
        default=0.0,
        ge=0,
        le=0.2,
        description="random walk of the contrast: standard deviation of a step, relative",
    )
    readjust_slices: Positive = Field(
        default=30.0,
        ge=1,
        description="mean number of slices until the operator resets brightness, contrast and "
        "focus",
    )
    bad_slices: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of slices that are out of focus or dim, half of them each",
    )
    bad_defocus_nm: Positive = Field(default=600.0, description="mean defocus of bad slices, nm")
    bad_dimming: float = Field(
        default=0.3, ge=0, le=0.65, description="mean fraction of the signal that dim slices lose"
    )
    s_curve: float = Field(
        default=0.0,
        ge=0,
        le=20,
        description="steepness of the detector's logistic response; 0: linear",
    )
    bits: Literal[8, 16] | None = Field(
        default=8,
        description="grey levels of the result: uint8, uint16, or none for levels as float32",
    )

    @model_validator(mode="after")
    def _mean_and_contrast_belong_together(self) -> Self:
        if (self.mean_level is None) != (self.contrast_level is None):
            raise ValueError(
                "mean_level and contrast_level belong together: give both, or neither to keep "
                "signals unchanged"
            )
        return self
