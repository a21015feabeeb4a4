"""Base of the leveled-wave generators: parameters, checks, and the cut of one field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fib_plugins.generators.level import cut_bytes, keep_below, keep_smallest
from fib_plugins.generators.ligament_diameter import expected_level
from fib_plugins.generators.plane_waves import isotropic_waves, lattice_vectors, periodic_waves
from fib_plugins.generators.wave_field import WaveField, memory_bytes
from fibcore.context import Context, held_bytes
from fibcore.kinds import Generator
from fibcore.params import MaterialParam, Shape, VoxelSize
from fibcore.plugin import Forecast
from fibcore.volumes import Labels

FEWEST_VOXELS = 3.0
"""Ligaments of fewer voxels than this are so coarse that a forecast warns."""
FEWEST_WAVELENGTHS = 3.0
"""Boxes smaller than this are too small to have the mean properties of the structure."""

Stretch = Annotated[float, Field(ge=0.1, le=10)]


class WaveStructure(Generator):
    """Base of the structures that are cut from sums of plane waves.

    The field has mean 0 and variance 1; the solid is where it is *below* the level.
    """

    shape: Shape = Field(description="number of voxels: one for a cube, or [z, y, x]")
    voxel_size_nm: VoxelSize = Field(description="voxel size in nm: one number, or [z, y, x]")
    level: Literal["exact", "expected"] = Field(
        default="exact",
        description="exact: the level is a quantile of this field, so that the solid fraction is "
        "exact to one voxel; expected: it is that of an infinite field, so that the solid fraction "
        "scatters about the given one, more so in smaller boxes",
    )
    periodic: bool = Field(
        default=False, description="whether the structure repeats with the box along every axis"
    )
    anisotropy: tuple[Stretch, Stretch, Stretch] = Field(
        default=(1.0, 1.0, 1.0),
        description="factors [z, y, x] by which the structure is stretched along the axes; "
        "ligament and wave sizes are those before stretching",
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "Au"),  # type: ignore[assignment]  # names that validation looks up
        description="materials of pore (phase 0) and solid (phase 1)",
    )

    def _all_solid(self, context: Context) -> np.ndarray:
        labels = context.empty("labels", self.shape, np.uint8)
        labels[:] = 1
        return labels

    def _labels(self, labels: np.ndarray) -> Labels:
        return Labels(labels, self.voxel_size_nm, dict(enumerate(self.materials)))

    def _carve(
        self,
        labels: np.ndarray,
        wave_number: float,
        solid_fraction: float,
        waves: int,
        rng: np.random.Generator,
        context: Context,
    ) -> None:
        """Keep only the solid of `labels` where a new field is below its level."""
        if self.periodic:
            drawn = periodic_waves(waves, wave_number, self._box_nm, self.anisotropy, rng)
        else:
            drawn = isotropic_waves(waves, wave_number, self.anisotropy, rng)
        field = WaveField(drawn, self.shape, self.voxel_size_nm, context)
        if self.level == "exact":
            keep_smallest(field.slab, labels, solid_fraction, context)
        else:
            keep_below(field.slab, labels, expected_level(solid_fraction), context)

    @property
    def _box_nm(self) -> tuple[float, float, float]:
        z, y, x = (n * size for n, size in zip(self.shape, self.voxel_size_nm, strict=True))
        return (z, y, x)

    def _with_sizes(self, forecast: Forecast, levels: Sequence[tuple[float, float]]) -> Forecast:
        """Return a forecast with the memory and the warnings of its levels.

        Args:
            forecast: the forecast without them.
            levels: wave number (rad/nm) and mean ligament diameter (nm) of each.

        Raises:
            FibError: too few waves fit a periodic box.
        """
        fields, warnings = [], list(forecast.warnings)
        for wave_number, diameter_nm in levels:
            if self.periodic:
                lattice_vectors(wave_number, self._box_nm, self.anisotropy)
            z, y, x = (wave_number / stretch for stretch in self.anisotropy)
            fields.append(memory_bytes(self.shape, self.voxel_size_nm, (z, y, x)))
            warnings += self._warnings(2 * np.pi / wave_number, diameter_nm)
        volume = math.prod(self.shape)
        memory = max(fields) + held_bytes(volume) + cut_bytes(self.shape)
        return replace(forecast, memory_bytes=memory, warnings=tuple(warnings))

    def _warnings(self, wavelength_nm: float, diameter_nm: float) -> list[str]:
        """Return warnings of ligaments too thin for the voxels, or too large for the box."""
        found = []
        sizes = zip(self.voxel_size_nm, self.anisotropy, strict=True)
        voxels = diameter_nm / max(size / stretch for size, stretch in sizes)
        if voxels < FEWEST_VOXELS:
            found.append(
                f"ligaments of {diameter_nm:.3g} nm are only {voxels:.2g} voxels thick; "
                f"use a smaller voxel_size_nm to resolve their shape"
            )
        edges = zip(self._box_nm, self.anisotropy, strict=True)
        across = min(edge / stretch for edge, stretch in edges) / wavelength_nm
        if across < FEWEST_WAVELENGTHS:
            found.append(
                f"the box is only {across:.2g} wavelengths ({wavelength_nm:.4g} nm) wide: its mean "
                f"ligament diameter may be far from that of a large structure; use a larger shape"
            )
        return found
