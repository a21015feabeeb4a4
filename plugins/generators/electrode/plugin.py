"""Electrode: irregular particles, a porous binder between them, open pores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.generators.particle_sizes import ParticleSizes
from fibcore.context import Context, held_bytes
from fibcore.errors import FibError
from fibcore.kinds import Generator
from fibcore.params import Fraction, MaterialParam, PositiveNm, Shape, VoxelSize
from fibcore.plugin import Forecast, keeps
from fibcore.volumes import Labels

if TYPE_CHECKING:
    from fib_plugins.generators.electrode.particles import ElectrodeParticles

Share = Annotated[float, Field(ge=0, le=1)]
PositiveNumber = Annotated[float, Field(gt=0)]

PACKED_EDGE = 2.1
"""Least edge of the periodic packing, in longest axes: two particles meet across one face only."""
DENSEST = 0.54
"""Solid fraction at which mean shapes are packed; beyond, particles meet over larger areas."""
LONGEST = 3.0
"""Longest mean axis of a particle over its shortest."""
MOST_PARTICLES = 1_000_000
BYTES_PER_PARTICLE = 1500
FEWEST_DIAMETERS = 2.0
FEWEST_VOXELS = 2.0
"""Textures of fewer voxels are single voxels."""
MOST_FILLED = 0.95
"""Largest share of particles and binder, the pores within the binder included."""


class Electrode(Generator):
    """Battery electrode: irregular particles, porous binder between them, open pores.

    Phase 0 is the pore, open by default, phase 1 the active material, phase 2 the solid of the
    binder and carbon.

    Particles are Gaussian random spheres (Muinonen, Astron. Astrophys. 332 (1998) 1087) of
    lognormal sizes, stretched along three axes. Their mean shapes, shrunk to a solid fraction of
    0.54, are packed without overlap; at full size they touch over small areas. Some are cracked: up
    to three wavy cracks, each of which begins within the particle and opens towards its surface, or
    runs all through it. Some have a hollow.

    The binder is a network of thinner strands, itself porous: the pores of its texture are as
    empty as the others. It lies where particles are near (films, and bridges in narrow gaps), and
    in clusters of the size of a particle; `binder_wetting` sets the proportion of the two.

    The shares of both solids are exact to one voxel, by scaling all particles by one factor, near
    1 in a volume of many. With fraction `expected`, sizes stay as drawn and shares scatter from
    volume to volume, as in windows of a large electrode: for training on small volumes.

    The artefact `solid` has the binder counted as pore: the labels of two phases for segmenters
    that only look for active material.
    """

    name: ClassVar[str] = "electrode"

    shape: Shape = Field(description="number of voxels: one for a cube, or [z, y, x]")
    voxel_size_nm: VoxelSize = Field(description="voxel size in nm: one number, or [z, y, x]")
    solid_fraction: Fraction = Field(
        default=0.6, description="volume share of active material, without cracks and hollows"
    )
    binder_fraction: Share = Field(
        default=0.12,
        description="volume share of the solid of the binder, without the pores within; the "
        "porosity is what the two leave",
    )
    diameter_nm: PositiveNm = Field(
        default=2500.0,
        description="mean diameter of the particles, by number, of spheres of equal volume, nm",
    )
    diameter_std_nm: Annotated[float, Field(ge=0)] = Field(
        default=1500.0, description="standard deviation of the diameters, which are lognormal, nm"
    )
    axis_ratios: tuple[PositiveNumber, PositiveNumber, PositiveNumber] = Field(
        default=(1.0, 1.2, 1.5),
        description="lengths of the axes of a particle's mean shape relative to each other; "
        "orientations are random",
    )
    roughness: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.2,
        description="standard deviation of a particle's radius over directions, "
        "relative to its mean",
    )
    roughness_angle_deg: Annotated[float, Field(ge=5, le=90)] = Field(
        default=35.0, description="angle over which the radius is correlated, degrees"
    )
    cracked_fraction: Share = Field(
        default=0.3, description="share of the particles (by number) that have cracks"
    )
    crack_width_nm: PositiveNm = Field(
        default=80.0, description="width of open cracks, nm; at most a tenth of the particle"
    )
    hollow_fraction: Share = Field(
        default=0.1, description="share of the particles (by number) that have a hollow"
    )
    binder_texture_nm: PositiveNm = Field(
        default=200.0, description="distance from strand to strand within the binder, nm"
    )
    binder_porosity: Annotated[float, Field(ge=0, le=0.9)] = Field(
        default=0.5, description="share of pores within the binder, 0 for a dense one"
    )
    binder_wetting: Share = Field(
        default=0.5,
        description="where the binder lies: 0 in clusters anywhere in the pores, 1 in films on the "
        "particles and bridges between them",
    )
    fraction: Literal["exact", "expected"] = Field(
        default="exact",
        description="exact: shares exact to one voxel; expected: those of a large volume, which "
        "scatter in a small one",
    )
    materials: tuple[MaterialParam, MaterialParam, MaterialParam] = Field(
        default=("vacuum", "LiCoO2", "carbon binder"),  # type: ignore[assignment]  # looked up
        description="materials of pore (phase 0), active material (1) and binder (2)",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.diameter_std_nm > self.diameter_nm:
            raise ValueError(
                f"diameter_std_nm {self.diameter_std_nm:g} is above diameter_nm "
                f"{self.diameter_nm:g}; give at most the mean"
            )
        if max(self.axis_ratios) > LONGEST * min(self.axis_ratios):
            raise ValueError(
                f"axis_ratios {list(self.axis_ratios)}: the longest axis may be at most "
                f"{LONGEST:g} times the shortest"
            )
        domain = self.binder_fraction / (1 - self.binder_porosity)
        if self.solid_fraction + domain > MOST_FILLED:
            raise ValueError(
                f"binder of share {self.binder_fraction:g} and porosity {self.binder_porosity:g} "
                f"takes {domain:.3g} of the volume, active material {self.solid_fraction:g}; "
                f"together at most {MOST_FILLED:g}: give a smaller binder_fraction, "
                f"binder_porosity or solid_fraction"
            )
        return self

    @keeps(solid=Labels)
    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return the structure; keeps `solid`, with the binder counted as pore.

        Raises:
            FibError: too few particles for an exact share, or no packing was found.
        """
        from fib_plugins.generators.electrode.binder import Binder
        from fib_plugins.generators.electrode.structure import Structure

        context = Context.of(context, seed)
        self._check()
        structure = Structure(
            shape=self.shape,
            voxel_size_nm=self.voxel_size_nm,
            solid_fraction=self.solid_fraction,
            exact=self.fraction == "exact",
            crack_nm=self.crack_width_nm,
            wide_nm=0.5 * self.diameter_nm,
        )
        packing, region = self._packing(context), self._region_nm
        here = structure.painted(packing, region, context)
        labels = context.empty("labels", self.shape, np.uint8)
        level = structure.activate(here, labels, packing, region, context)
        solid = context.empty("solid", self.shape, np.uint8)
        for z in range(len(labels)):
            solid[z] = labels[z]
        phases = dict(enumerate(self.materials))
        context.keep("solid", Labels(solid, self.voxel_size_nm, {i: phases[i] for i in (0, 1)}))
        if self.binder_fraction > 0:
            binder = Binder(
                here.gap_nm,
                structure.wide_nm,
                self.voxel_size_nm,
                porosity=self.binder_porosity,
                texture_nm=self.binder_texture_nm,
                wetting=self.binder_wetting,
                diameter_nm=self.diameter_nm,
                context=context,
            )
            structure.bind(here, level, labels, binder, self.binder_fraction, context)
        return Labels(labels, self.voxel_size_nm, phases)

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return shape and memory; warn of what the voxels cannot show."""
        self._check()
        forecast = super().forecast(method, inputs)
        output = forecast.output
        assert output is not None
        kept = replace(output, phases={i: output.phases[i] for i in (0, 1)})
        return replace(
            forecast,
            kept={"solid": kept},
            memory_bytes=self._memory_bytes(),
            warnings=(*forecast.warnings, *self._warnings()),
        )

    # -- sizes ---------------------------------------------------------------------------------

    @property
    def _sizes(self) -> ParticleSizes:
        return ParticleSizes(self.diameter_nm, self.diameter_std_nm, self.axis_ratios)

    @property
    def _box_nm(self) -> np.ndarray:
        return np.multiply(self.shape, self.voxel_size_nm)

    @property
    def _region_nm(self) -> np.ndarray:
        """Edges of the periodic packing; the volume is in its middle."""
        widest = self._sizes.largest_nm
        return np.maximum(self._box_nm + 2 * self.diameter_nm, PACKED_EDGE * widest)

    def _count(self) -> float:
        volumes = float(self._region_nm.prod()) / self._sizes.mean_volume_nm3
        return max(1.0, self.solid_fraction * volumes)

    def _check(self) -> None:
        count = self._count()
        if count > MOST_PARTICLES:
            raise FibError(
                f"the volume would need {count:.2g} particles of {self.diameter_nm:g} nm, more "
                f"than {MOST_PARTICLES}. Is diameter_nm in nm? Use larger ones, a smaller "
                f"diameter_std_nm or a smaller `shape`"
            )

    def _memory_bytes(self) -> int:
        from fib_plugins.generators.electrode.binder import CLUSTER_NM, SHORTEST
        from fib_plugins.generators.level import cut_bytes
        from fib_plugins.generators.wave_field import memory_bytes

        voxels = math.prod(self.shape)
        fields = 2 * held_bytes(4 * voxels) + 4 * held_bytes(voxels)
        for length in (CLUSTER_NM * self.diameter_nm, SHORTEST * self.binder_texture_nm):
            number = 2 * math.pi / length
            fields += memory_bytes(self.shape, self.voxel_size_nm, (number, number, number))
        return fields + cut_bytes(self.shape) + BYTES_PER_PARTICLE * round(self._count())

    def _warnings(self) -> list[str]:
        found, widest = [], max(self.voxel_size_nm)
        if self.cracked_fraction > 0 and self.crack_width_nm < widest:
            found.append(
                f"cracks of {self.crack_width_nm:g} nm are narrower than a voxel and appear as "
                f"rows of dots; use a larger crack_width_nm or a cracked_fraction of 0"
            )
        if self.binder_fraction > 0 and self.binder_porosity > 0:
            texture = self.binder_texture_nm / widest
            if texture < FEWEST_VOXELS:
                found.append(
                    f"the binder's texture of {self.binder_texture_nm:g} nm is only {texture:.2g} "
                    f"voxels: single voxels of binder and pore; for a uniform phase use "
                    f"binder_porosity 0 and a mixture with a porosity as its material"
                )
        across = float(self._box_nm.min()) / self.diameter_nm
        if across < FEWEST_DIAMETERS and self.fraction == "exact":
            found.append(
                f"the box is only {across:.2g} particle diameters wide: particles must be scaled "
                f"to meet the solid fraction exactly; use `fraction`: expected or a larger shape"
            )
        return found

    # -- work ----------------------------------------------------------------------------------

    def _packing(self, context: Context) -> ElectrodeParticles:
        """Return the particles of the periodic packing, in the coordinates of the volume."""
        from fib_plugins.generators.electrode.particles import ElectrodeParticles
        from fib_plugins.generators.packing import packed

        rng = context.rng_for("particles")
        region = self._region_nm
        axes, rotations = self._sizes.draw(round(self._count()), rng)
        particles = ElectrodeParticles.drawn(
            axes,
            rotations,
            roughness=self.roughness,
            angle_deg=self.roughness_angle_deg,
            cracked=self.cracked_fraction,
            hollow=self.hollow_fraction,
            rng=rng,
        )
        bodies = particles.bodies.ellipsoids
        wanted = min(self.solid_fraction, DENSEST) * float(region.prod())
        shrunk = bodies.scaled(min(1.0, (wanted / bodies.volume_nm3) ** (1 / 3)))
        centres = packed(shrunk, region, rng, context).centres
        return particles.at(centres + (self._box_nm - region) / 2)
