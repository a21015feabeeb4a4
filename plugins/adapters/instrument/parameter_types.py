"""Types of the parameters of the instrument model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

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


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float)) else value


NotNegative = Annotated[float, Field(ge=0)]
NumberOfElectrons = Annotated[int, Field(ge=1, le=1_000_000)]
Positive = Annotated[float, Field(gt=0)]

Electrons = Annotated[
    tuple[NumberOfElectrons, ...],
    Field(min_length=1),
    BeforeValidator(
        _several, json_schema_input_type=NumberOfElectrons | tuple[NumberOfElectrons, ...]
    ),
]
Amounts = Annotated[
    tuple[NotNegative, ...],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=NotNegative | tuple[NotNegative, ...]),
]
Gains = Annotated[
    tuple[Positive, ...],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=Positive | tuple[Positive, ...]),
]
Offsets = Annotated[
    tuple[float, ...],
    Field(min_length=1),
    BeforeValidator(_several, json_schema_input_type=float | tuple[float, ...]),
]
