"""The parameters of the Monte Carlo simulator, and their checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from fib_plugins.electrons.elastic import ENERGY_RANGE_EV, ElasticModel
from fib_plugins.electrons.stopping import EnergyLossModel
from fibcore import FibError

LOWEST_KEV, HIGHEST_KEV = (energy / 1000.0 for energy in ENERGY_RANGE_EV)

EnergyKev = Annotated[float, Field(gt=LOWEST_KEV, le=HIGHEST_KEV)]
Share = Annotated[float, Field(ge=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]
Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]


class ImagingParameters(BaseModel):
    """Beam, detector, physics, surroundings, and the imaged region."""

    energies_kev: Annotated[tuple[EnergyKev, ...], Field(min_length=1)] = Field(
        description=f"beam energies, keV, {LOWEST_KEV:g} to {HIGHEST_KEV:g}; one channel each"
    )
    beam_diameter_nm: float = Field(
        default=0.0,
        ge=0,
        description="full width at half maximum of the Gaussian beam, nm; 0: uniform over a pixel",
    )
    tilt_deg: float = Field(
        default=0.0,
        gt=-90,
        lt=90,
        description="angle between beam and the normal of the face, towards +y, degrees",
    )
    elastic: ElasticModel = Field(default="mott", description="elastic scattering cross sections")
    energy_loss: EnergyLossModel = Field(default="joy_luo", description="stopping power")
    atomic_electrons: bool = Field(
        default=False,
        description="whether collisions with single electrons of the atoms deflect, too: more "
        "backscatter from light elements",
    )
    cutoff_ev: float = Field(
        default=50.0,
        ge=ENERGY_RANGE_EV[0],
        description="electrons below this energy are dropped and never counted, eV",
    )
    detector_energy: tuple[Share, Share] = Field(
        default=(0.0, 1.0),
        description="window of energies that count, [low, high], as fractions of the beam energy",
    )
    detector_polar_deg: tuple[Degrees, Degrees] = Field(
        default=(0.0, 180.0),
        description="window of angles from the way back along the beam that count, [low, high], "
        "degrees",
    )
    detector_weighting: Literal["count", "energy"] = Field(
        default="count",
        description="weight of an electron in the image: 1, or its energy over the beam energy",
    )
    lateral: Literal["periodic", "mirror"] = Field(
        default="periodic", description="continuation beyond the sides of the volume"
    )
    below: Literal["mirror", "repeat"] | Annotated[int, Field(ge=0, le=255)] = Field(
        default="mirror",
        description="continuation below the last slice: the volume mirrored, its last slice "
        "repeated, or the phase of this number",
    )
    slices: Range | None = Field(
        default=None,
        description="slices to image, [first, one after the last]; all by default",
    )
    region: tuple[Range, Range] | None = Field(
        default=None,
        description="pixels to image, [[first, one after the last] along y, the same along x]; "
        "all by default",
    )
    mean_depth: bool = Field(
        default=False,
        description="whether to keep `depth`: how deep the electrons of each pixel got on average",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.energies_kev)) < len(self.energies_kev):
            raise ValueError(
                f"energies_kev has duplicates: {list(self.energies_kev)}; give each energy once"
            )
        if min(self.energies_kev) * 1000.0 <= self.cutoff_ev:
            raise ValueError(
                f"cutoff_ev is {self.cutoff_ev:g} eV, at or above the beam energy "
                f"{min(self.energies_kev):g} keV, so that nothing would count: lower it"
            )
        for name in ("detector_energy", "detector_polar_deg"):
            low, high = getattr(self, name)
            if not low < high:
                raise ValueError(f"{name} is [{low:g}, {high:g}]: give [low, high], low below high")
        if self.detector_energy[1] * 1000.0 * min(self.energies_kev) <= self.cutoff_ev:
            raise ValueError(
                f"detector_energy ends at {self.detector_energy[1]:g} of "
                f"{min(self.energies_kev):g} keV, below cutoff_ev {self.cutoff_ev:g}, which "
                f"excludes every electron: raise it"
            )
        if self.detector_polar_deg[0] >= 90.0 + abs(self.tilt_deg):
            raise ValueError(
                f"detector_polar_deg begins at {self.detector_polar_deg[0]:g} degrees, but nothing "
                f"leaves the face beyond {90.0 + abs(self.tilt_deg):g}, which excludes every "
                f"electron: lower it"
            )
        return self

    @model_validator(mode="after")
    def _box_is_not_empty(self) -> Self:
        for name, chosen in (("slices", self.slices), *zip("yx", self.region or (), strict=False)):
            if chosen is not None and not chosen[0] < chosen[1]:
                raise ValueError(
                    f"{name}: [{chosen[0]}, {chosen[1]}] is empty; give [first, one after the last]"
                )
        return self

    def box(self, shape: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Return the range of voxels to image along z, y, x: [first, one after the last].

        Raises:
            FibError: it leaves a volume of this shape.
        """
        chosen = (self.slices, *(self.region or (None, None)))
        box = tuple((0, n) if part is None else part for part, n in zip(chosen, shape, strict=True))
        for name, (_, stop), n in zip(
            ("slices", "region along y", "region along x"), box, shape, strict=True
        ):
            if stop > n:
                raise FibError(
                    f"{name} ends at {stop}, but the labels have {n} voxels there; give numbers up "
                    f"to {n}"
                )
        return box

    def check_below(self, phases: Iterable[int]) -> None:
        """Refuse a phase below the structure that the labels do not have.

        Raises:
            FibError: they do not have it.
        """
        if not isinstance(self.below, str) and self.below not in phases:
            known = ", ".join(str(phase) for phase in sorted(phases))
            raise FibError(
                f"below is phase {self.below}, which the labels do not have; give mirror, repeat "
                f"or one of {known}"
            )


class MonteCarloParameters(ImagingParameters):
    """The parameters of an image, and the electrons that it is simulated with."""

    electrons_per_pixel: int = Field(
        default=100, ge=1, le=10**6, description="incident electrons per pixel"
    )
    precision: Literal["float32", "float64"] = Field(
        default="float32", description="arithmetic; yields agree within counting noise"
    )
