"""Foams and grains: structures made of cells that fill space."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.generators.foam.grain_numbers import number_dtype, numbered
from fib_plugins.generators.level import SLAB_BYTES, cut_bytes, keep_below, keep_smallest
from fib_plugins.generators.particle_sizes import ParticleSizes
from fib_plugins.generators.slabs import SLAB_VOXELS, Slab
from fibcore.channels import Channel
from fibcore.context import Context, held_bytes
from fibcore.errors import FibError
from fibcore.kinds import Generator
from fibcore.params import Fraction, MaterialParam, PositiveNm, Shape, VoxelSize
from fibcore.plugin import Forecast, keeps
from fibcore.tables import Table
from fibcore.volumes import Images, Labels

if TYPE_CHECKING:
    from fib_plugins.cells.distances import FaceDistance
    from fib_plugins.cells.power_diagram import PowerDiagram

FEWEST_VOXELS = 2.0
"""Struts, walls or gaps of fewer voxels than this are so coarse that a forecast warns."""
FEWEST_CELLS = 20
MOST_CELLS = 100_000
"""Their diagram takes minutes and some gigabytes."""
BYTES_PER_CELL = 14_000
"""Memory of the diagram, images of cells around the box included."""

Stretch = Annotated[float, Field(ge=0.1, le=10)]


class Foam(Generator):
    """Cells that fill space: open foams (struts), closed foams (walls), or grains with gaps.

    Cells are Voronoi cells of seeds, or Laguerre cells whose volumes are those of a drawn
    distribution of sizes (Redenbach, Comput. Mater. Sci. 44 (2009) 1397, for foams). Open: solid
    within half the strut diameter of an edge. Closed: within half the wall thickness of a face.
    Grains: beyond half the gap from every face. Distances are exact at the centre of each voxel,
    also with anisotropic voxels and stretched cells, and struts and walls keep their thickness
    where cells are stretched. The solid fraction, if it is given, is exact to one voxel. Struts
    with `node_thickening` n have the section A (1 + n (2 s)^4) at the distance s from their middle,
    in lengths of the strut (Jang, Kraynik, Kyriakides, Int. J. Solids Struct. 45 (2008) 1845).

    Arrangements of seeds: `random` (a Poisson process: very unequal cells), `relaxed` (moved to the
    centroid of their cell some times, Lloyd 1982: nearly equal, regular cells), `packed` (centres
    of spheres packed without overlap; the cells have the volumes of the spheres up to a factor).

    With n random cells per volume the surface per volume is 2.910 n^(1/3), the length of edges per
    volume 5.832 n^(2/3), and a cell has 15.54 faces (Okabe, Boots, Sugihara, Chiu, Spatial
    Tessellations, 2nd ed. 2000, section 5.5).
    """

    name: ClassVar[str] = "foam"

    shape: Shape = Field(description="number of voxels: one for a cube, or [z, y, x]")
    voxel_size_nm: VoxelSize = Field(description="voxel size in nm: one number, or [z, y, x]")
    cells: Literal["open", "closed", "grains"] = Field(
        default="open",
        description="open: struts along the edges of cells; closed: walls between cells; grains: "
        "the cells themselves, with gaps between them",
    )
    cell_diameter_nm: PositiveNm = Field(
        description="diameter of the sphere of a cell's volume: mean by number with packed cells, "
        "else that of the mean volume"
    )
    cell_diameter_std_nm: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="standard deviation of the diameters of packed cells, which are lognormal",
    )
    arrangement: Literal["random", "relaxed", "packed"] = Field(
        default="relaxed",
        description="seeds of the cells: random, relaxed towards equal cells, or packed spheres",
    )
    relaxation: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, description="steps of relaxation of relaxed cells; more: more regular cells"
    )
    thickness_nm: PositiveNm | None = Field(
        default=None, description="diameter of struts, thickness of walls, or width of gaps"
    )
    node_thickening: Annotated[float, Field(ge=0, le=4)] = Field(
        default=0.0,
        description="by how much the section of a strut is larger at its ends than in the middle, "
        "as a share; 0: cylinders, 2.3: as in open aluminium foams",
    )
    solid_fraction: Fraction | None = Field(
        default=None, description="volume fraction of the solid, instead of thickness_nm"
    )
    periodic: bool = Field(
        default=False, description="whether the structure repeats with the box along every axis"
    )
    anisotropy: tuple[Stretch, Stretch, Stretch] = Field(
        default=(1.0, 1.0, 1.0),
        description="factors [z, y, x] by which cells are stretched along the axes; "
        "cell_diameter_nm is that before stretching",
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "alumina"),  # type: ignore[assignment]  # names that validation looks up
        description="materials of pore (phase 0) and solid (phase 1)",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if (self.thickness_nm is None) == (self.solid_fraction is None):
            raise ValueError("give exactly one of thickness_nm, solid_fraction")
        if self.cell_diameter_std_nm and self.arrangement != "packed":
            raise ValueError(
                f"cell_diameter_std_nm is for packed cells; the sizes of {self.arrangement} ones "
                f"follow from their arrangement: leave it out, or set arrangement: packed"
            )
        if self.cell_diameter_std_nm > 0.5 * self.cell_diameter_nm:
            raise ValueError(
                f"cell_diameter_std_nm {self.cell_diameter_std_nm:g} is above half of "
                f"cell_diameter_nm {self.cell_diameter_nm:g}; give less"
            )
        if self.node_thickening and self.cells != "open":
            raise ValueError("node_thickening is for struts: set cells: open, or leave it out")
        if self.thickness_nm is not None and self.thickness_nm >= 0.8 * self.cell_diameter_nm:
            raise ValueError(
                f"thickness_nm {self.thickness_nm:g} fills cells of {self.cell_diameter_nm:g} nm; "
                f"give less"
            )
        return self

    @keeps(cells=Table, grain_numbers=Images)
    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return the structure: phase 1 in struts, walls or grains.

        The table `cells` has one row per cell of the periodic arrangement: z_nm, y_nm, x_nm (its
        centroid, from the corner of the volume), diameter_nm (of the sphere of its volume, before
        stretching), faces. With grains, `grain_numbers` has the number of the grain at each voxel,
        from 1, and 0 between grains; `adapter/grains` takes it.

        Raises:
            FibError: too many or too few cells, or no packing was found.
        """
        context = Context.of(context, seed)
        self._check()
        diagram = self._diagram(context)
        context.keep("cells", self._table(diagram))
        labels = context.empty("labels", self.shape, np.uint8)
        half = None if self.thickness_nm is None else self.thickness_nm / 2
        reach = self._first_reach(diagram) if half is None else half
        while True:
            field = self._field(diagram, reach)
            labels[:] = 1
            if half is not None:
                # The voxels below the level are solid, exactly on it, too.
                keep_below(field, labels, np.nextafter(self._sign * half, np.inf), context)
                break
            assert self.solid_fraction is not None
            level = keep_smallest(field, labels, self.solid_fraction, context)
            if math.isfinite(level):
                break
            reach *= 1.5
        if self.cells == "grains":
            numbers = numbered(self._faces(diagram), labels, len(diagram.seeds), context)
            kept = Images(numbers, self.voxel_size_nm, (None,), ("grain",), "grain number")
            context.keep("grain_numbers", kept)
        return Labels(labels, self.voxel_size_nm, dict(enumerate(self.materials)))

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return shape and memory; refuse boxes that hold too few or too many cells."""
        count = self._check()
        forecast = super().forecast(method, inputs)
        memory = held_bytes(math.prod(self.shape)) + cut_bytes(self.shape)
        memory += BYTES_PER_CELL * count + SLAB_BYTES * SLAB_VOXELS
        kept = {}
        if self.cells == "grains" and forecast.output is not None:
            numbers = replace(forecast.output, type=Images, phases={}, dtype=number_dtype(count))
            kept["grain_numbers"] = numbers.of_channels([Channel(None, None)])
            memory += held_bytes(kept["grain_numbers"].nbytes)
        warnings = list(forecast.warnings)
        if self.thickness_nm is not None:
            voxels = self.thickness_nm / max(self.voxel_size_nm)
            if voxels < FEWEST_VOXELS:
                what = {"open": "struts", "closed": "walls", "grains": "gaps"}[self.cells]
                warnings.append(
                    f"{what} of {self.thickness_nm:g} nm are only {voxels:.2g} voxels thick; use a "
                    f"smaller voxel_size_nm to resolve them"
                )
        return replace(forecast, kept=kept, memory_bytes=memory, warnings=tuple(warnings))

    # -- cells ---------------------------------------------------------------------------------

    @property
    def _box_nm(self) -> np.ndarray:
        """Edges of the volume, before stretching."""
        return np.multiply(self.shape, self.voxel_size_nm) / self.anisotropy

    @property
    def _region_nm(self) -> np.ndarray:
        """Edges of the periodic arrangement; the volume is in its middle."""
        return self._box_nm if self.periodic else self._box_nm + 2 * self.cell_diameter_nm

    @property
    def _corner_nm(self) -> np.ndarray:
        """Place of the volume's corner in the arrangement, before stretching."""
        return (self._region_nm - self._box_nm) / 2

    @property
    def _sizes(self) -> ParticleSizes:
        return ParticleSizes(self.cell_diameter_nm, self.cell_diameter_std_nm, (1.0, 1.0, 1.0))

    def _check(self) -> int:
        """Return the number of cells.

        Raises:
            FibError: it is too small or too large.
        """
        count = round(float(self._region_nm.prod()) / self._sizes.mean_volume_nm3)
        across = float(self._box_nm.min()) / self.cell_diameter_nm
        if count < FEWEST_CELLS or (self.periodic and across < 1):
            raise FibError(
                f"only {count} cells of {self.cell_diameter_nm:g} nm fit the volume, {across:.2g} "
                f"along its shortest edge; at least {FEWEST_CELLS}, and 1 along each edge of a "
                f"periodic one, are needed. Use a larger `shape`, smaller cells, or `periodic`: "
                f"false"
            )
        if count > MOST_CELLS:
            raise FibError(
                f"the volume would need {count:.2g} cells of {self.cell_diameter_nm:g} nm, more "
                f"than {MOST_CELLS}. Is cell_diameter_nm in nm? Use larger ones or a smaller "
                f"`shape`"
            )
        return count

    def _diagram(self, context: Context) -> PowerDiagram:
        """Return the cells of the periodic arrangement."""
        from fib_plugins.cells.power_diagram import PowerDiagram
        from fib_plugins.cells.prescribed_volumes import relaxed
        from fib_plugins.generators.foam.packed_cells import packed_cells

        rng = context.rng_for("cells")
        region, count = self._region_nm, self._check()
        if self.arrangement == "packed":
            return packed_cells(count, self._sizes, region, rng, context)
        seeds = rng.random((count, 3)) * region
        if self.arrangement == "random":
            return PowerDiagram.of(seeds, region)
        return relaxed(seeds, region, self.relaxation, context)

    def _table(self, diagram: PowerDiagram) -> Table:
        z, y, x = ((diagram.centroids - self._corner_nm) * self.anisotropy).T
        return Table(
            {
                "z_nm": z,
                "y_nm": y,
                "x_nm": x,
                "diameter_nm": (diagram.volumes * 6 / np.pi) ** (1 / 3),
                "faces": np.diff(diagram.starts),
            }
        )

    # -- voxels --------------------------------------------------------------------------------

    @property
    def _sign(self) -> int:
        """Grains are solid where the distance is large, struts and walls where it is small."""
        return -1 if self.cells == "grains" else 1

    def _first_reach(self, diagram: PowerDiagram) -> float:
        """Return a distance from edges within which the solid fraction is probably reached."""
        assert self.solid_fraction is not None
        density = diagram.edge_length / float(diagram.period.prod())
        return 1.2 * math.sqrt(-math.log(1 - self.solid_fraction) / (math.pi * density))

    def _faces(self, diagram: PowerDiagram) -> FaceDistance:
        from fib_plugins.cells.distances import FaceDistance

        return FaceDistance(diagram, self.voxel_size_nm, self._corner_nm, self.anisotropy)

    def _field(self, diagram: PowerDiagram, reach: float) -> Callable[[Slab], np.ndarray]:
        from fib_plugins.cells.distances import EdgeDistance

        plane = self.shape[1:]
        if self.cells == "open":
            edges = EdgeDistance(
                diagram,
                self._box_nm,
                self.voxel_size_nm,
                self._corner_nm,
                self.anisotropy,
                reach,
                self.node_thickening,
            )
            return lambda slab: edges.slab(*slab, plane)
        faces = self._faces(diagram)
        sign = np.float32(self._sign)
        return lambda slab: sign * faces.slab(*slab, plane)[0]
