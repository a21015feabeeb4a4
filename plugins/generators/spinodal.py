"""Spinodal decomposition: a bicontinuous structure that has formed and coarsened by diffusion."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.generators.level import cut_bytes, keep_smallest
from fibcore.context import Context, held_bytes
from fibcore.errors import FibError
from fibcore.kinds import Generator
from fibcore.params import MaterialParam, PositiveNm, Shape, VoxelSize
from fibcore.plugin import Forecast, keeps
from fibcore.roles import Abscissa, Curve
from fibcore.tables import Table
from fibcore.volumes import Labels

FEWEST_VOXELS = 3.0
"""Ligaments of fewer voxels than this are so coarse that a forecast warns."""
FEWEST_WAVELENGTHS = 3.0
"""Boxes smaller than this are too small to have the mean properties of the structure."""
CONNECTED = (0.4, 0.6)
"""Solid fractions between which both phases stay connected while they coarsen."""
FARTHEST = 0.2
"""Largest change of the solid fraction after separation: interfaces are this wide."""
BYTES_PER_CELL = 24
"""Concentration, its waves, those of the force, and what the transforms take."""
MOST_CELLS = 2**28
MANY_CELLS = 2**25
"""More than this take minutes."""

Stretch = Annotated[float, Field(ge=0.1, le=10)]


class Spinodal(Generator):
    """Bicontinuous structure by spinodal decomposition: a mixture separates and coarsens.

    The Cahn-Hilliard equation (`fib_plugins.generators.cahn_hilliard`) is solved on a periodic grid
    of its own, as fine as its interfaces need, from a random mixture up to the wanted size; its
    Fourier series gives the concentration at each voxel. Voxels may thus have any size and shape.
    The level is a quantile of this concentration: the solid fraction is exact to one voxel.

    `generator/leveled_wave` cuts a Gaussian random field of one wave number, Cahn's model of the
    first moments of decomposition. Here interfaces have moved to lower their area: ligaments are
    smoother and more alike, small necks are gone, and the structure has a band of wave numbers.
    `coarsening` is how far that goes. Phases that separate at less than about 35 % break up into
    islands while they coarsen.

    The wavelength is that of the maximum of the structure factor. Memory is that of the grid: 24
    bytes for each of its cells, of which there are 6.3 times `coarsening` per wavelength, more away
    from a solid fraction of one half.
    """

    name: ClassVar[str] = "spinodal"

    shape: Shape = Field(description="number of voxels: one for a cube, or [z, y, x]")
    voxel_size_nm: VoxelSize = Field(description="voxel size in nm: one number, or [z, y, x]")
    solid_fraction: Annotated[float, Field(ge=0.2, le=0.8)] = Field(
        description="volume fraction of the solid, 0.2 to 0.8"
    )
    separation_fraction: Annotated[float, Field(ge=0.25, le=0.75)] | None = Field(
        default=None,
        description="volume fraction of the solid while it separates and coarsens, at most 0.2 "
        "from solid_fraction, to which it is then thinned or thickened; default: solid_fraction, "
        "kept within 0.4 to 0.6, where the phases stay connected",
    )
    ligament_diameter_nm: PositiveNm | None = Field(
        default=None,
        description="size, given as mean ligament diameter (largest inscribed disc in plane "
        "sections, averaged over the solid)",
    )
    wavelength_nm: PositiveNm | None = Field(
        default=None, description="size, given as wavelength of the maximum of the structure factor"
    )
    coarsening: Annotated[float, Field(ge=1.6, le=6)] = Field(
        default=2.0,
        description="final wavelength over the one that grows fastest at first: 1.6 when phases "
        "have just formed, 3 and above for late stages; work grows with its sixth power",
    )
    periodic: bool = Field(
        default=False, description="whether the structure repeats with the box along every axis"
    )
    anisotropy: tuple[Stretch, Stretch, Stretch] = Field(
        default=(1.0, 1.0, 1.0),
        description="factors [z, y, x] by which the structure is stretched along the axes; sizes "
        "are those before stretching",
    )
    materials: tuple[MaterialParam, MaterialParam] = Field(
        default=("epoxy", "Au"),  # type: ignore[assignment]  # names that validation looks up
        description="materials of pore (phase 0) and solid (phase 1)",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        fraction = self.separation_fraction
        if fraction is not None and abs(fraction - self.solid_fraction) > FARTHEST:
            raise ValueError(
                f"separation_fraction {fraction:g} is too far from solid_fraction "
                f"{self.solid_fraction:g}; give one within {FARTHEST:g} of it"
            )
        if (self.ligament_diameter_nm is None) == (self.wavelength_nm is None):
            raise ValueError("give exactly one of ligament_diameter_nm, wavelength_nm")
        return self

    @property
    def wavelength(self) -> float:
        """Wavelength in nm, from the given size."""
        if self.wavelength_nm is not None:
            return self.wavelength_nm
        assert self.ligament_diameter_nm is not None
        return self.ligament_diameter_nm / relative_diameter(self.solid_fraction)

    @keeps(history=Table)
    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return the structure: phase 1 where the concentration is above its level.

        The table `history` has the columns time (of the equation) and wavelength_nm.

        Raises:
            FibError: the grid would be too large, or the box is too small.
        """
        from fib_plugins.generators.cahn_hilliard import coarsened
        from fib_plugins.generators.periodic_field import PeriodicField

        context = Context.of(context, seed)
        grid = self._grid
        found = coarsened(
            grid.cells,
            grid.spacing,
            self._mean,
            self._cells_per_wavelength,
            context.rng_for("spinodal"),
            context,
        )
        unit = self.wavelength / self._cells_per_wavelength
        context.keep("history", _history(found.times, found.wavelengths * unit))
        z, y, x = np.divide(self.voxel_size_nm, self.anisotropy).tolist()
        field = PeriodicField(found.concentration, grid.period_nm, self.shape, (z, y, x))
        labels = context.empty("labels", self.shape, np.uint8)
        labels[:] = 1
        keep_smallest(field.slab, labels, self.solid_fraction, context)
        return Labels(labels, self.voxel_size_nm, dict(enumerate(self.materials)))

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return shape and memory; refuse a grid that is too large, or a box that is too small."""
        forecast = super().forecast(method, inputs)
        cells = math.prod(self._grid.cells)
        memory = BYTES_PER_CELL * cells
        memory = max(memory, 4 * cells + cut_bytes(self.shape)) + held_bytes(math.prod(self.shape))
        return replace(forecast, memory_bytes=memory, warnings=tuple(self._warnings(cells)))

    def _warnings(self, cells: int) -> list[str]:
        found = []
        sizes = zip(self.voxel_size_nm, self.anisotropy, strict=True)
        diameter = relative_diameter(self.solid_fraction) * self.wavelength
        voxels = diameter / max(size / stretch for size, stretch in sizes)
        if voxels < FEWEST_VOXELS:
            found.append(
                f"ligaments of {diameter:.3g} nm are only {voxels:.2g} voxels thick; use a "
                f"smaller voxel_size_nm to resolve their shape"
            )
        across = float(self._box_nm.min()) / self.wavelength
        if across < FEWEST_WAVELENGTHS:
            found.append(
                f"the box is only {across:.2g} wavelengths ({self.wavelength:.4g} nm) wide: its "
                f"mean ligament diameter may be far from that of a large structure; use a larger "
                f"shape"
            )
        if cells > MANY_CELLS:
            found.append(
                f"the structure needs a grid of {cells:.2g} cells, which takes long; a smaller "
                f"`coarsening` needs fewer"
            )
        return found

    @property
    def _box_nm(self) -> np.ndarray:
        """Edges of the box before stretching."""
        return np.multiply(self.shape, self.voxel_size_nm) / self.anisotropy

    @property
    def _cells_per_wavelength(self) -> float:
        return self.coarsening * 2 * math.pi / math.sqrt(1 - 3 * self._mean**2)

    @property
    def _mean(self) -> float:
        """Mean concentration; the solid is where the concentration is low."""
        fraction = self.separation_fraction
        if fraction is None:
            low, high = CONNECTED
            fraction = min(max(self.solid_fraction, low), high)
        return 1 - 2 * fraction

    @property
    def _grid(self) -> _Grid:
        """The grid; that of a structure without period is a wavelength longer.

        Raises:
            FibError: it would be too large, or a periodic box is below 1.5 wavelengths.
        """
        edges = self._box_nm
        if self.periodic and edges.min() < 1.5 * self.wavelength:
            raise FibError(
                f"periodic: the shortest edge of the box, {edges.min():.4g} nm before stretching, "
                f"is below 1.5 wavelengths of {self.wavelength:.4g} nm. Use a larger `shape`, a "
                f"smaller size, or `periodic`: false"
            )
        if not self.periodic:
            edges = np.maximum(edges + self.wavelength, 2 * self.wavelength)
        wanted = edges / self.wavelength * self._cells_per_wavelength
        if wanted.prod() > MOST_CELLS:
            raise FibError(
                f"the structure needs a grid of {wanted.prod():.2g} cells, at most {MOST_CELLS:.2g}"
                f" are possible. Is the size of ligaments in nm? Use a larger one, a smaller "
                f"`shape` or a smaller `coarsening`, or generator/leveled_wave"
            )
        z, y, x = (_fast_length(math.ceil(length)) for length in wanted)
        cells = (z, y, x)
        spacing = tuple((wanted / cells).tolist())
        return _Grid(cells, spacing, tuple(edges.tolist()))


class _Grid:
    """Cells of the grid, their lengths in units of the equation, and the period in nm."""

    def __init__(
        self,
        cells: tuple[int, int, int],
        spacing: tuple[float, float, float],
        period_nm: tuple[float, float, float],
    ) -> None:
        self.cells, self.spacing, self.period_nm = cells, spacing, period_nm


def relative_diameter(solid_fraction: float) -> float:
    """Return the mean ligament diameter in wavelengths."""
    return float(np.interp(solid_fraction, *np.transpose(DIAMETERS)))


DIAMETERS = (
    (0.2, 0.412),
    (0.3, 0.509),
    (0.4, 0.600),
    (0.5, 0.671),
    (0.6, 0.777),
    (0.7, 0.911),
    (0.8, 1.077),
)
"""Solid fraction, and mean ligament diameter in wavelengths, as measured on 20 sections of 11 x 11
wavelengths of two structures each, 40 pixels to the wavelength. They scatter by 0.4 %; with a
coarsening of 1.6 they are 2 % larger."""


def _fast_length(least: int) -> int:
    """Return the smallest number from `least` on that transforms fast: 2^a 3^b 5^c."""
    length = least
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def _history(times: np.ndarray, wavelengths_nm: np.ndarray) -> Table:
    columns = {"time": times, "wavelength_nm": wavelengths_nm}
    return Table(columns, {"time": Abscissa(), "wavelength_nm": Curve()})
