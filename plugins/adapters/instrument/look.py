"""How a stack looks, phase by phase: parameters of the instrument besides its own effects."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Level = Annotated[float, Field(ge=-1, le=2)]
Share = Annotated[float, Field(ge=0, le=1)]
Length = Annotated[float, Field(gt=0)]


class ChannelLook(BaseModel):
    """The look of a channel: levels without noise, as fractions of the full scale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    face: Level = Field(description="level of the milled face of the solid")
    grain: float = Field(
        default=0.0, ge=0, le=1, description="standard deviation of the face, without curtains"
    )
    grain_nm: Length = Field(
        default=20.0, description="distance over which the correlation of the grain falls to 1/e"
    )
    rest: Annotated[tuple[Level, ...], Field(min_length=2)] = Field(
        description="levels of what is not the face, in pores: quantiles at equally spaced shares "
        "from 0 to 1"
    )
    texture_nm: Length = Field(
        default=20.0,
        description="distance over which the correlation of fine texture in pores falls to 1/e",
    )
    shading_nm: Length = Field(
        default=200.0, description="the same of what changes slowly, such as solid below the face"
    )
    shading_share: Share = Field(
        default=0.5, description="part of the variance in pores that changes slowly"
    )
    rim_upper: float = Field(
        default=0.0,
        ge=-1,
        le=1,
        description="brightness added to the face at edges with a pore above them (smaller y)",
    )
    rim_lower: float = Field(default=0.0, ge=-1, le=1, description="the same at all other edges")
    rim_nm: Length = Field(default=20.0, description="distance over which rims fade to 1/e")
    face_curtains: float = Field(
        default=1.0, ge=0, le=10, description="stripes on the face, as a factor of `curtaining`"
    )
    rest_curtains: float = Field(default=1.0, ge=0, le=10, description="the same in pores")

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if any(a > b for a, b in zip(self.rest, self.rest[1:], strict=False)):
            raise ValueError("the levels of rest are quantiles: give them in ascending order")
        return self


class Look(BaseModel):
    """The look of a stack: of its channels, and what they have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: Annotated[tuple[ChannelLook, ...], Field(min_length=1)] = Field(
        description="one for each channel of the images"
    )
    correlation: Share = Field(
        default=0.0, description="correlation of the texture in pores between channels"
    )
    solid_share: Share | None = Field(
        default=None, description="share of the face in the stack that the look was estimated from"
    )
    uncertainty: Share | None = Field(
        default=None, description="half the 90 % range of this share, absolute"
    )
