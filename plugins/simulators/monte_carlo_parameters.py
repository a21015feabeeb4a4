"""The parameters of the Monte Carlo simulator, and their checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from fib_plugins.electrons.elastic import ENERGY_RANGE_EV, ElasticModel
from fib_plugins.electrons.emission import SecondaryEmission
from fib_plugins.electrons.stopping import EnergyLossModel
from fib_plugins.simulators.detectors import (
    AnyDetector,
    Degrees,
    DetectorWindow,
    InLens,
    Share,
    name_of,
)
from fibcore import FibError
from fibcore.channels import Channel
from fibcore.errors import listed

LOWEST_KEV, HIGHEST_KEV = (energy / 1000.0 for energy in ENERGY_RANGE_EV)

EnergyKev = Annotated[float, Field(gt=LOWEST_KEV, le=HIGHEST_KEV)]
Range = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]


class ImagingParameters(BaseModel):
    """Beam, detector, physics, surroundings, and the imaged region."""

    energies_kev: Annotated[tuple[EnergyKev, ...], Field(min_length=1)] = Field(
        description=f"beam energies, keV, {LOWEST_KEV:g} to {HIGHEST_KEV:g}; one channel each "
        "for every detector"
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
    detectors: Annotated[tuple[AnyDetector, ...], Field(min_length=1)] = Field(
        default=("bse",),
        description="detectors, each with a channel at each energy: bse counts backscattered "
        "electrons (`detector_energy`, `detector_polar_deg`), se secondary electrons, in_lens "
        "both (`in_lens`); or {name, energy, polar_deg}, further ones for backscattered electrons",
    )
    detector_energy: tuple[Share, Share] = Field(
        default=(0.0, 1.0),
        description="window of energies that bse counts, [low, high], as fractions of the beam "
        "energy",
    )
    detector_polar_deg: tuple[Degrees, Degrees] = Field(
        default=(0.0, 180.0),
        description="window of angles from the way back along the beam that bse counts, [low, "
        "high], degrees",
    )
    detector_weighting: Literal["count", "energy"] = Field(
        default="count",
        description="weight of a backscattered electron in the image: 1, or its energy over the "
        "beam energy; that of a secondary electron is 1",
    )
    in_lens: InLens = Field(default=InLens(), description="what the detector in_lens counts")
    secondary: dict[str, SecondaryEmission] = Field(
        default={},
        description="emission of secondary electrons, {epsilon_ev, escape_nm} for the name of a "
        "material; of others by rules for their composition",
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
        names = [name_of(detector) for detector in self.detectors]
        if len(set(names)) < len(names):
            raise ValueError(f"detectors have the names {names}; give each a name of its own")
        windowed = self.detector_energy != (0.0, 1.0) or self.detector_polar_deg != (0.0, 180.0)
        if windowed and "bse" not in self.detectors:
            raise ValueError(
                f"detector_energy or detector_polar_deg is given, which the detector bse uses, but "
                f"detectors are {', '.join(names)}, which have windows of their own: leave the "
                f"others out, or add bse"
            )
        for detector in self.detectors:
            if detector == "bse":
                self._check_window(self.bse, "detector_energy", "detector_polar_deg")
            elif isinstance(detector, DetectorWindow):
                self._check_window(detector, f"energy of {detector.name}", "polar_deg")
        return self

    def _check_window(self, window: DetectorWindow, energy: str, polar: str) -> None:
        """Refuse a window that counts no electron; the names are those of its parts."""
        for name, (low, high) in ((energy, window.energy), (polar, window.polar_deg)):
            if not low < high:
                raise ValueError(f"{name} is [{low:g}, {high:g}]: give [low, high], low below high")
        if window.energy[1] * 1000.0 * min(self.energies_kev) <= self.cutoff_ev:
            raise ValueError(
                f"{energy} ends at {window.energy[1]:g} of {min(self.energies_kev):g} keV, below "
                f"cutoff_ev {self.cutoff_ev:g}, which excludes every electron: raise it"
            )
        if window.polar_deg[0] >= 90.0 + abs(self.tilt_deg):
            raise ValueError(
                f"{polar} begins at {window.polar_deg[0]:g} degrees, but nothing leaves the face "
                f"beyond {90.0 + abs(self.tilt_deg):g}, which excludes every electron: lower it"
            )

    @property
    def bse(self) -> DetectorWindow:
        """The window of the detector ``bse``."""
        return DetectorWindow(
            name="bse", energy=self.detector_energy, polar_deg=self.detector_polar_deg
        )

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels: all energies of the first detector, then of the next."""
        return tuple(
            Channel(energy, name_of(detector))
            for detector in self.detectors
            for energy in self.energies_kev
        )

    @property
    def kv(self) -> tuple[float, ...]:
        """Voltage of each channel."""
        return self.energies_kev * len(self.detectors)

    @property
    def detector_names(self) -> tuple[str, ...]:
        """Detector of each channel."""
        return tuple(str(channel.detector) for channel in self.channels)

    @property
    def counts_secondary(self) -> bool:
        """Whether a detector counts secondary electrons."""
        return "se" in self.detectors or "in_lens" in self.detectors

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

    def check_secondary(self, names: Iterable[str]) -> None:
        """Refuse an emission of a material that no phase has.

        Args:
            names: names of the materials of the phases.

        Raises:
            FibError: no phase has it.
        """
        known = sorted(set(names))
        strange = sorted(set(self.secondary) - set(known))
        if strange:
            raise FibError(
                f"secondary has {listed(strange)}, but the phases are {listed(known)}: give the "
                f"names of their materials"
            )


class MonteCarloParameters(ImagingParameters):
    """The parameters of an image, and the electrons that it is simulated with."""

    electrons_per_pixel: int = Field(
        default=100, ge=1, le=10**6, description="incident electrons per pixel"
    )
    precision: Literal["float32", "float64"] = Field(
        default="float32", description="arithmetic; yields agree within counting noise"
    )
