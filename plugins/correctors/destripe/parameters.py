"""The parameters of `corrector/destripe`."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BaseModel, Field

Method = Literal["slopes", "variational", "column_median", "transmission"]


class DestripeParameters(BaseModel):
    """What is removed, and how."""

    method: Method = Field(
        default="slopes",
        description="slopes: robust slopes within and between slices; variational: least total "
        "variation (slow); column_median: medians over lines; transmission: the factor on the "
        "bright phase, for wide curtains that last for several slices",
    )
    strength: Literal["auto"] | Annotated[float, Field(ge=0, le=3)] = Field(
        default="auto",
        description="standard deviation of the curtains, as a fraction of that of the images; "
        "auto: found in the images; 0: nothing is removed",
    )
    length_px: float = Field(
        default=32.0,
        ge=4,
        le=10_000,
        description="distance along y over which curtains may change, pixels",
    )
    slant_deg: Literal["auto"] | Annotated[float, Field(ge=-30, le=30)] = Field(
        default="auto",
        description="angle between curtains and the y axis, positive: towards larger x further "
        "down, degrees; auto: found in the images, up to 6 degrees",
    )
    persistence_slices: Literal["auto"] | Annotated[float, Field(ge=0, le=10)] = Field(
        default="auto",
        description="number of slices over which the correlation of curtains falls to 1/e; 0: each "
        "face has its own; more than 0 takes more structure along y for curtains; auto: found in "
        "the images by transmission, 0 otherwise",
    )
    black_level: Literal["auto"] | float | None = Field(
        default="auto",
        description="grey value of no signal, where curtains are a fraction of the signal; none: "
        "they are equally strong in dark and bright areas; auto: found in the images",
    )

    @property
    def kept(self) -> float:
        """Correlation of curtains in neighbouring slices."""
        slices = self.persistence_slices
        return math.exp(-1.0 / slices) if slices and slices != "auto" else 0.0
