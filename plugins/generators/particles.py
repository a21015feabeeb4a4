"""Particles: overlapping or packed bodies of several shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.generators.particle_shapes import ParticleShape, ShapeName
from fib_plugins.generators.particle_sizes import ParticleSizes
from fibcore.context import Context, held_bytes
from fibcore.errors import FibError
from fibcore.kinds import Generator
from fibcore.params import Fraction, MaterialParam, PositiveNm, Shape, VoxelSize
from fibcore.plugin import Forecast
from fibcore.volumes import Labels

if TYPE_CHECKING:
    from fib_plugins.generators.ellipsoids import Ellipsoids

PositiveNumber = Annotated[float, Field(gt=0)]

LONGEST = 5.0
"""Longest axis of an ellipsoid over its shortest."""

REACH = 1.25
"""Largest factor by which all axes may be scaled to meet the solid fraction exactly."""
PACKED_EDGE = 2.5
"""Least edge of a periodic packing, in longest axes: two particles meet across one face only."""
NOTABLE_SCALE = 0.02
"""Warn where that factor is further from 1 than this."""
MOST_PARTICLES = 5_000_000
FEWEST_VOXELS = 3.0
"""Particles of fewer voxels than this are so coarse that a forecast warns."""
FEWEST_DIAMETERS = 3.0
"""Boxes with shorter edges than this hold too few particles to be representative."""
BYTES_PER_PARTICLE = 600


class Particles(Generator):
    """Spheres, ellipsoids, rods, plates, crystals or irregular grains, overlapping or packed.

    Overlapping: the Boolean model, centres at random (a Poisson process), also those outside the
    box whose particle reaches in. Its expected solid fraction is 1 - exp(-n V), with n particles
    of mean volume V per volume (Chiu, Stoyan, Kendall, Mecke, Stochastic Geometry and its
    Applications, 3rd ed. 2013, section 3.1).

    Packed: no two overlap. They are relaxed from random centres in a periodic box, which is the
    volume itself, or a larger one that the volume is cut from. Solid fractions of up to 0.6 are
    possible with spheres, lower ones with elongated ellipsoids.

    Shapes are stretched by `axis_ratios`, and have the diameter of the sphere of equal volume:

    - `ellipsoid`; spheres with equal axes.
    - `cylinder`, along the axis that differs most: rods with axes such as (1, 1, 4), plates with
      (4, 4, 1).
    - `superellipsoid` |x/a|^p + |y/b|^p + |z/c|^p = 1: an octahedron with `exponent` p = 1, a
      rounded block from 4 on.
    - `polyhedron`: random convex facetted crystals.
    - `irregular`: Gaussian random spheres (Muinonen, Astron. Astrophys. 332 (1998) 1087), whose
      radius has standard deviation `roughness` over directions.

    All except ellipsoids are packed as the ellipsoids of equal volume and axes. Their corners and
    bumps reach beyond these and may touch a neighbour, where they merge; the more, the denser the
    packing.

    With fraction `exact` the solid fraction is exact to one voxel: the mean number of particles is
    placed, and all are scaled by one factor, near 1 in a volume of many. (In a packing they touch
    if it is above 1.003.) With `expected` sizes stay as drawn, and in the Boolean model the number
    of particles is Poisson distributed: the solid fraction scatters about the given one, more so in
    smaller volumes.
    """

    name: ClassVar[str] = "particles"
    result_version: ClassVar[int] = 2

    shape: Shape = Field(description="number of voxels: one for a cube, or [z, y, x]")
    voxel_size_nm: VoxelSize = Field(description="voxel size in nm: one number, or [z, y, x]")
    solid_fraction: Fraction = Field(description="volume fraction of the particles, 0 to 1")
    diameter_nm: PositiveNm = Field(
        description="mean diameter, by number, of the spheres of equal volume"
    )
    diameter_std_nm: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="standard deviation of the diameters, which are lognormal"
    )
    axis_ratios: tuple[PositiveNumber, PositiveNumber, PositiveNumber] = Field(
        default=(1.0, 1.0, 1.0),
        description="lengths of the three axes of a particle relative to each other; "
        "orientations are random",
    )
    particle_shape: ShapeName = Field(default="ellipsoid", description="shape of the particles")
    exponent: Annotated[float, Field(ge=0.8, le=20)] = Field(
        default=4.0, description="superellipsoid: exponent p; 1 octahedron, 2 sphere, 20 block"
    )
    faces: Annotated[int, Field(ge=6, le=60)] = Field(
        default=14, description="polyhedron: number of faces"
    )
    roughness: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.2, description="irregular: standard deviation of the radius over its mean"
    )
    roughness_angle_deg: Annotated[float, Field(ge=5, le=90)] = Field(
        default=35.0, description="irregular: angle over which the radius is correlated, degrees"
    )
    mode: Literal["overlapping", "packed"] = Field(
        default="packed", description="whether particles may overlap"
    )
    fraction: Literal["exact", "expected"] = Field(
        default="exact",
        description="exact: solid fraction exact to one voxel, by scaling all particles by one "
        "factor; expected: sizes as drawn, the solid fraction scatters about the given one",
    )
    periodic: bool = Field(
        default=False, description="whether the structure repeats with the box along every axis"
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "NMC811"),  # type: ignore[assignment]  # names that validation looks up
        description="materials between (phase 0) and of the particles (phase 1)",
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
        if self.mode == "packed" and self.solid_fraction > self.densest:
            raise ValueError(
                f"solid_fraction {self.solid_fraction:g} cannot be packed with axis_ratios "
                f"{list(self.axis_ratios)}; use at most {self.densest:.2f}, or mode: overlapping"
            )
        return self

    @property
    def densest(self) -> float:
        """Solid fraction that packing reaches: 0.6 for spheres, 0.07 less per unit of elongation.

        Measured on 3000 to 4000 particles; relaxation without rotation jams soon above.
        """
        return 0.6 - 0.07 * (max(self.axis_ratios) / min(self.axis_ratios) - 1)

    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return the structure: phase 1 inside particles.

        Raises:
            FibError: the box is too small for such particles, there would be too many of them, or
                no packing was found.
        """
        from fib_plugins.generators.level import keep_below, keep_smallest

        context = Context.of(context, seed)
        self._check()
        exact = self.fraction == "exact"
        field, count = self._painted(REACH if exact else 1.0, context)
        labels = context.empty("labels", self.shape, np.uint8)
        labels[:] = 1

        def slab(slices: tuple[int, int]) -> np.ndarray:
            return field[slices[0] : slices[1]]

        if exact:
            level = keep_smallest(slab, labels, self.solid_fraction, context)
            self._check_scale(math.sqrt(max(level, 0.0)), count, context)
        else:
            keep_below(slab, labels, 1.0, context)
        return Labels(labels, self.voxel_size_nm, dict(enumerate(self.materials)))

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return shape and memory; refuse a box too small for such particles."""
        self._check()
        forecast = super().forecast(method, inputs)
        warnings = list(forecast.warnings)
        voxels = self.diameter_nm / max(self.voxel_size_nm)
        if voxels < FEWEST_VOXELS:
            warnings.append(
                f"particles of {self.diameter_nm:g} nm are only {voxels:.2g} voxels wide; "
                f"use a smaller voxel_size_nm to resolve their shape"
            )
        across = float(self._box_nm.min()) / self.diameter_nm
        if across < FEWEST_DIAMETERS:
            warnings.append(
                f"the box is only {across:.2g} particle diameters wide: it holds too few of them "
                f"to be representative; use a larger shape"
            )
        from fib_plugins.generators.level import cut_bytes

        volume = math.prod(self.shape)
        memory = held_bytes(4 * volume) + held_bytes(volume) + cut_bytes(self.shape)
        memory += BYTES_PER_PARTICLE * round(self._expected_count())
        return replace(forecast, memory_bytes=memory, warnings=tuple(warnings))

    @property
    def _sizes(self) -> ParticleSizes:
        return ParticleSizes(self.diameter_nm, self.diameter_std_nm, self.axis_ratios)

    @property
    def _box_nm(self) -> np.ndarray:
        return np.multiply(self.shape, self.voxel_size_nm)

    @property
    def _region_nm(self) -> np.ndarray:
        """Edges of the region that centres lie in; the volume is in its middle."""
        if self.periodic:
            return self._box_nm
        largest = self._sizes.largest_nm
        if self.mode == "overlapping":  # half on either side: all particles that may reach in
            return self._box_nm + largest * self._particle_shape.widest
        return np.maximum(self._box_nm + 2 * self.diameter_nm, PACKED_EDGE * largest)

    @property
    def _particle_shape(self) -> ParticleShape:
        rough = (self.roughness, self.roughness_angle_deg)
        return ParticleShape(self.particle_shape, self.exponent, self.faces, *rough)

    def _expected_count(self) -> float:
        """Return the mean number of particles in the region."""
        volumes = float(self._region_nm.prod()) / self._sizes.mean_volume_nm3
        if self.mode == "overlapping":
            return -math.log(1 - self.solid_fraction) * volumes
        return self.solid_fraction * volumes

    def _check(self) -> None:
        largest, edge = self._sizes.largest_nm, float(self._box_nm.min())
        least = largest * (PACKED_EDGE if self.mode == "packed" else 1)
        if self.periodic and edge < least:
            raise FibError(
                f"periodic: the shortest edge of the box, {edge:g} nm, is below {least:.4g} nm, "
                f"which {self.mode} particles of up to {largest:.4g} nm need. Use a larger "
                f"`shape`, smaller particles, or `periodic`: false"
            )
        count = self._expected_count()
        if count > MOST_PARTICLES:
            raise FibError(
                f"the volume would need {count:.2g} particles of {self.diameter_nm:g} nm, more "
                f"than {MOST_PARTICLES}. Is diameter_nm in nm? Use larger ones or a smaller `shape`"
            )

    def _painted(self, reach: float, context: Context) -> tuple[np.ndarray, int]:
        """Return the squared scale at each voxel, and the number of particles in the volume."""
        from fib_plugins.generators.ellipsoids import Ellipsoids, squared_distance
        from fib_plugins.generators.star_bodies import squared_scale

        rng = context.rng_for("particles")
        mean = self._expected_count()
        poisson = self.mode == "overlapping" and self.fraction == "expected"
        count = int(rng.poisson(mean)) if poisson else max(1, round(mean))
        region = self._region_nm
        shift = (self._box_nm - region) / 2
        period = region if self.periodic or self.mode == "packed" else None
        axes, rotations = self._sizes.draw(count, rng)
        if self.particle_shape == "ellipsoid":
            ellipsoids = Ellipsoids.of(np.zeros((count, 3)), axes, rotations)
            placed, _ = self._placed(ellipsoids, rng, context)
            here = placed.moved(shift).in_box(self._box_nm, period)
            return squared_distance(here, self.shape, self.voxel_size_nm, reach, context), len(here)
        bodies = self._particle_shape.bodies(axes, rotations, self._sizes.odd_axis, rng)
        placed, factor = self._placed(bodies.ellipsoids, rng, context)
        bodies = bodies.scaled(factor).at(placed.centres + shift)
        bodies = bodies.taken(*bodies.in_box(self._box_nm, period, reach))
        return squared_scale(bodies, self.shape, self.voxel_size_nm, reach, context), len(bodies)

    def _placed(
        self, bodies: Ellipsoids, rng: np.random.Generator, context: Context
    ) -> tuple[Ellipsoids, float]:
        """Return the particles at their places in the region, and the factor of their sizes."""
        region = self._region_nm
        if self.mode == "overlapping":
            return replace(bodies, centres=rng.random((len(bodies), 3)) * region), 1.0
        from fib_plugins.generators.packing import packed

        wanted = self.solid_fraction * float(region.prod())
        factor = (wanted / bodies.volume_nm3) ** (1 / 3)
        return packed(bodies.scaled(factor), region, rng, context), factor

    def _check_scale(self, scale: float, count: int, context: Context) -> None:
        """Warn if the exact solid fraction needed particles of a notably different size.

        Raises:
            FibError: no scale within `REACH` meets it.
        """
        if not math.isfinite(scale):
            raise FibError(
                f"the {count} particles in this volume miss the solid fraction "
                f"{self.solid_fraction:g} even if scaled by {REACH:g}: too few for it. Use a "
                f"larger `shape`, smaller particles, or `fraction`: expected"
            )
        if abs(scale - 1) > NOTABLE_SCALE:
            context.log.warning(
                f"the {count} particles in this volume were scaled by {scale:.3f} to meet the "
                f"solid fraction; a larger shape needs less"
            )
