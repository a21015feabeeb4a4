"""Types of the parameters of the instrument model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

EstimateName = Literal[
    "output",
    "blur",
    "levels",
    "noise",
    "line_noise",
    "curtaining",
    "brightness",
    "drift",
    "look",
]

USUAL_ESTIMATES: tuple[EstimateName, ...] = (
    "output",
    "blur",
    "levels",
    "noise",
    "line_noise",
    "curtaining",
    "brightness",
    "drift",
)
"""All but the look, which makes labels necessary."""

RemovedName = Literal[
    "charging", "curtaining", "shading", "brightness_drift", "contrast_drift", "line_noise"
]


NotNegative = Annotated[float, Field(ge=0)]
NumberOfElectrons = Annotated[int, Field(ge=1, le=1_000_000)]
Positive = Annotated[float, Field(gt=0)]
