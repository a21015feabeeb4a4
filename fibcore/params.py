"""Types of parameters that several plugins use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from fibcore.errors import FibError
from fibcore.materials import Material
from fibcore.packages import packages
from fibcore.registry import registry

PositiveNm = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]


def _three(value: Any) -> Any:
    if isinstance(value, (int, float)):
        return (value, value, value)
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        raise ValueError(f"give one number, or three for [z, y, x], not {value!r}")
    return value


VoxelSize = Annotated[
    tuple[PositiveNm, PositiveNm, PositiveNm],
    BeforeValidator(
        _three, json_schema_input_type=PositiveNm | tuple[PositiveNm, PositiveNm, PositiveNm]
    ),
]
"""Voxel size in nm: one number, or three for [z, y, x]."""

Count = Annotated[int, Field(ge=1)]

MOST_VOXELS = 2**50
"""A million times more than a large stack; sizes in bytes then always fit into 64 bits."""


def _possible(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    if math.prod(shape) > MOST_VOXELS:
        raise ValueError(
            f"a volume of {shape[0]} x {shape[1]} x {shape[2]} voxels exceeds any memory; give "
            f"fewer"
        )
    return shape


Shape = Annotated[
    tuple[Count, Count, Count],
    BeforeValidator(_three, json_schema_input_type=Count | tuple[Count, Count, Count]),
    AfterValidator(_possible),
]
"""Number of voxels: one for a cube, or three for [z, y, x]."""

EnergiesKev = Annotated[tuple[Annotated[float, Field(gt=0, le=50)], ...], Field(min_length=1)]
"""Beam energies in keV, one for each image channel."""


def _named(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return registry().material(value)
        except FibError as error:
            raise ValueError(str(error)) from error
    if isinstance(value, Mapping):
        found = packages().implementations("fib_define_material")
        made = (define(definition=value) for _, define in found)
        return next((material for material in made if material is not None), value)
    if isinstance(value, Material):
        return value
    raise ValueError("give a material's name or its {name, composition, density_g_cm3}")


MaterialParam = Annotated[
    Material, BeforeValidator(_named, json_schema_input_type=str | Material | dict[str, Any])
]
"""A material: a registered name, an element by symbol or name, or a definition in place."""
