"""Layered: films over a bulk, a structure whose images are known from theory and simulation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from fibcore.context import Context, held_bytes
from fibcore.kinds import Generator
from fibcore.params import MaterialParam, Shape, VoxelSize
from fibcore.plugin import Forecast
from fibcore.volumes import Labels

WHOLE = 1e-6
"""A thickness is a whole number of voxels up to this fraction of a voxel."""

Thickness = Annotated[float, Field(ge=0)]


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, (int, float)) else value


Thicknesses = Annotated[
    tuple[Thickness, ...],
    Field(min_length=1),
    BeforeValidator(_one_or_more, json_schema_input_type=Thickness | tuple[Thickness, ...]),
]
"""Thicknesses in nm: one number, or several."""


class Layered(Generator):
    """Films of given thickness over a bulk: flat layers, stacked along z.

    Layers are listed from slice 0, the face that is imaged first, downwards; the last one is the
    bulk, and takes the remaining slices. By default film number i is phase i and the bulk the phase
    after the last film (`layer_phases`); phase 0 is the pore filler. A single film is therefore
    pore filler over a solid: the virtual samples on which Sardhara et al., Mach. Learn.: Sci.
    Technol. 6 (2025) 025023, section 2.1.1, base their coefficients.

    Nothing is rounded: a film whose thickness is not a whole number of voxels is refused. Each
    slice in turn is the imaged face, so the images of one film of n slices show the bulk under n,
    n - 1, ... 1 and 0 slices of film: all its thicknesses at once.
    """

    name: ClassVar[str] = "layered"

    shape: Shape = Field(description="number of voxels: one for a cube, or [z, y, x]")
    voxel_size_nm: VoxelSize = Field(description="voxel size in nm: one number, or [z, y, x]")
    film_thickness_nm: Thicknesses = Field(
        description="thickness of the film, or of each film from the imaged face downwards, nm; "
        "whole voxels, 0 for no film"
    )
    layer_phases: tuple[Annotated[int, Field(ge=0, le=255)], ...] | None = Field(
        default=None,
        description="phase of each film and, last, of the bulk; default: 0, 1, 2, ...",
    )
    materials: tuple[MaterialParam, ...] = Field(
        default=("epoxy", "Au"),  # type: ignore[arg-type]  # names that validation looks up
        description="materials of phase 0 (pore filler), phase 1 and so on",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        step, films = self.voxel_size_nm[0], len(self.film_thickness_nm)
        for thickness in self.film_thickness_nm:
            voxels = thickness / step
            if abs(voxels - round(voxels)) > WHOLE:
                lower = np.floor(voxels) * step
                raise ValueError(
                    f"a film of {thickness:g} nm is {voxels:.4g} voxels of {step:g} nm along z; "
                    f"give {lower:g} or {lower + step:g} nm, or a voxel_size_nm that divides it"
                )
        taken = self._edges[-2]
        if taken >= self.shape[0]:
            raise ValueError(
                f"the films take {taken} slices and leave none of the {self.shape[0]} for the "
                f"bulk; give a shape of at least {taken + 1} slices, or thinner films"
            )
        if self.layer_phases is not None and len(self.layer_phases) != films + 1:
            raise ValueError(
                f"layer_phases names {len(self.layer_phases)} phases, but there are {films + 1} "
                f"layers: {films} film{'s' if films > 1 else ''} and the bulk; name one for each"
            )
        if max(self._phases) >= len(self.materials):
            raise ValueError(
                f"the layers need phases up to {max(self._phases)}, but materials names "
                f"{len(self.materials)}, for phases 0 to {len(self.materials) - 1}; name one more "
                f"for each missing phase, or set layer_phases"
            )
        return self

    @property
    def _edges(self) -> list[int]:
        """First slice of each layer, and the number of slices."""
        step = self.voxel_size_nm[0]
        counts = [round(thickness / step) for thickness in self.film_thickness_nm]
        return [0, *np.cumsum(counts).tolist(), self.shape[0]]

    @property
    def _phases(self) -> tuple[int, ...]:
        return self.layer_phases or tuple(range(len(self.film_thickness_nm) + 1))

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the shape, and the memory of the labels."""
        forecast = super().forecast(method, inputs)
        return replace(forecast, memory_bytes=held_bytes(math.prod(self.shape)))

    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return the layers, uint8 (z, y, x); nothing in them is random."""
        context = Context.of(context, seed)
        labels = context.empty("labels", self.shape, np.uint8)
        for phase, (start, stop) in zip(self._phases, pairwise(self._edges), strict=True):
            labels[start:stop] = phase
        return Labels(labels, self.voxel_size_nm, dict(enumerate(self.materials)))
