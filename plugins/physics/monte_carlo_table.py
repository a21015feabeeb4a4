"""Backscatter coefficients by Monte Carlo: a table over materials, voltages and depths."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fib_plugins.backscatter.coefficient_table import roles_of_places
from fib_plugins.electrons.elastic import ENERGY_RANGE_EV, ElasticModel
from fib_plugins.electrons.stopping import EnergyLossModel
from fib_plugins.threads import in_threads
from fibcore import Context, FibError, Material, Physics, Table
from fibcore.materials import EPOXY
from fibcore.params import MaterialParam
from fibcore.roles import Curve

from .finished_rows import FinishedRows

LOWEST_KEV, HIGHEST_KEV = (energy / 1000 for energy in ENERGY_RANGE_EV)

DepthNm = Annotated[float, Field(ge=0)]
EnergyKev = Annotated[float, Field(gt=LOWEST_KEV, le=HIGHEST_KEV)]


class DepthRange(BaseModel):
    """Evenly spaced depths, including the last one if it is a whole number of steps away."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    start: DepthNm = Field(default=0.0, description="first depth, nm")
    stop: DepthNm = Field(default=190.0, description="last depth, nm")
    step: Annotated[float, Field(gt=0)] = Field(default=10.0, description="spacing, nm")

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if self.stop < self.start:
            raise ValueError(f"stop {self.stop:g} is below start {self.start:g}; swap them")
        return self

    @property
    def depths_nm(self) -> tuple[float, ...]:
        """The depths in nm."""
        count = int((self.stop - self.start) / self.step + 1e-9) + 1
        return tuple(self.start + self.step * i for i in range(count))


class MonteCarloTable(Physics):
    """Backscatter coefficients simulated electron by electron (the sMC-BS table).

    Every entry is the backscattered fraction of `electrons` for a thick material under a flat layer
    of `overlayer`, with its standard error. Sardhara et al., Mach. Learn.: Sci. Technol. 6 (2025)
    025023, section 2.1.1, computed such a table, 0 to 190 nm of epoxy in steps of 10 nm, to train
    their network on.

    An entry depends on the seed, its own material, energy and depth, and on the settings, not on
    other entries: adding a material changes no other row. `physics/ann` and `physics/monte_carlo`
    take the table as input. As a physics input itself, this plugin simulates each value on request,
    which takes about a second per million electrons and core.
    """

    name: ClassVar[str] = "monte_carlo_table"

    materials: Annotated[tuple[MaterialParam, ...], Field(min_length=1)] = Field(
        default=("epoxy", "C", "Al", "Si", "Ti", "Cu", "Zr", "Ag", "Pt", "Au"),  # type: ignore[arg-type]
        description="scattering materials below the overlayer; include the pore filler",
    )
    energies_kev: Annotated[tuple[EnergyKev, ...], Field(min_length=1)] = Field(
        default=(0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0),
        description=f"beam energies, keV; above {LOWEST_KEV:g}, at most {HIGHEST_KEV:g}",
    )
    depths_nm: Annotated[tuple[DepthNm, ...], Field(min_length=1)] | DepthRange = Field(
        default=DepthRange(),
        description="thicknesses of the overlayer, nm: a list, or {start, stop, step}",
    )
    overlayer: MaterialParam = Field(
        default=EPOXY, description="material above the scattering one: the pore filler"
    )
    electrons: int = Field(
        default=100_000,
        ge=100,
        le=10**9,
        description="electrons per entry; the standard error is 0.0016 at most with 100 000, and "
        "decreases with their square root",
    )
    elastic: ElasticModel = Field(default="mott", description="model of elastic scattering")
    energy_loss: EnergyLossModel = Field(default="joy_luo", description="model of energy loss")
    atomic_electrons: bool = Field(
        default=False,
        description="whether collisions with single electrons of the atoms deflect, too",
    )
    cutoff_ev: float = Field(
        default=ENERGY_RANGE_EV[0],
        ge=ENERGY_RANGE_EV[0],
        description="energy below which an electron counts as stopped, eV",
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        for what, values in (
            ("materials", [material.name for material in self.materials]),
            ("energies_kev", self.energies_kev),
            ("depths_nm", self._depths),
        ):
            twice = {str(value) for value in values if list(values).count(value) > 1}
            if twice:
                raise ValueError(f"{what} has {', '.join(sorted(twice))} twice; give each once")
        for material in self.materials:
            if not material.composition:
                raise ValueError(f"{material.name} does not scatter; leave it out of materials")
        if 1000 * min(self.energies_kev) <= self.cutoff_ev:
            raise ValueError(
                f"cutoff_ev {self.cutoff_ev:g} is not below the smallest beam energy, "
                f"{min(self.energies_kev):g} keV; lower it, or leave that energy out"
            )
        return self

    @property
    def _depths(self) -> tuple[float, ...]:
        return (
            self.depths_nm.depths_nm if isinstance(self.depths_nm, DepthRange) else self.depths_nm
        )

    def tabulate(self, context: Context | None = None) -> Table:
        """Return the table, simulated.

        Columns: material, atomic_number (mean over weight fractions), overlayer, energy_kev,
        depth_nm (thickness of the overlayer), eta, standard_error. Rows that are finished when a
        run is interrupted are not computed again.
        """
        context = Context.of(context)
        rows = [
            (material, energy, depth)
            for material in self.materials
            for energy in self.energies_kev
            for depth in self._depths
        ]
        finished = FinishedRows(context.scratch / "rows.jsonl", self._fingerprint(context.seed))

        def work(index: int) -> None:
            count = finished.add(index, self._simulated(*rows[index], context))
            context.progress(count, len(rows), "coefficients simulated")

        in_threads(work, [i for i in range(len(rows)) if i not in finished], context.threads)
        found: Iterator[dict[str, Any]] = (
            {
                "material": material.name,
                "atomic_number": material.mean_atomic_number,
                "overlayer": self.overlayer.name,
                "energy_kev": energy,
                "depth_nm": depth,
                "eta": finished[index][0],
                "standard_error": finished[index][1],
            }
            for index, (material, energy, depth) in enumerate(rows)
        )
        measured = {"eta": Curve(error="standard_error")}
        return Table.from_rows(found, roles_of_places(len(self._depths)) | measured)

    def coefficient(
        self, material: Material, energy_kev: ArrayLike, depth_nm: ArrayLike = 0.0
    ) -> np.ndarray:
        """Return eta by a simulation of each energy and depth, with the seed 0.

        Args:
            material: the scattering material, in the table or not; 0 for vacuum.
            energy_kev: beam energy in keV; broadcasts against `depth_nm`.
            depth_nm: thickness of the overlayer in nm, not negative.

        Raises:
            FibError: an energy outside the tables of the cross sections or not above the cut-off,
                or a negative depth.
        """
        energies, depths = np.broadcast_arrays(
            np.asarray(energy_kev, dtype=np.float64), np.asarray(depth_nm, dtype=np.float64)
        )
        lowest = max(LOWEST_KEV, self.cutoff_ev / 1000)
        if not np.all((energies > lowest) & (energies <= HIGHEST_KEV)):
            raise FibError(
                f"energies {np.min(energies):g} to {np.max(energies):g} keV: {self.identifier()} "
                f"simulates from above {lowest:g} keV to {HIGHEST_KEV:g} keV; leave others out"
            )
        if not np.all(depths >= 0):
            raise FibError(f"depth {np.min(depths):g} nm: give thicknesses from 0 nm upwards")
        if not material.composition:
            return np.zeros(energies.shape)
        context = Context()
        wanted, places = np.unique(
            np.stack([energies.ravel(), depths.ravel()]), axis=1, return_inverse=True
        )

        def work(point: tuple[float, float]) -> float:
            return self._simulated(material, *point, context)[0]

        found = in_threads(work, zip(*wanted.tolist(), strict=True), context.threads)
        return np.array(found)[places.ravel()].reshape(energies.shape)

    def _simulated(
        self, material: Material, energy_kev: float, depth_nm: float, context: Context
    ) -> tuple[float, float]:
        """Return eta and its standard error."""
        from fib_plugins.electrons.layers import layered_yield

        stream = context.rng_for("eta", material.name, repr(energy_kev), repr(depth_nm))
        found = layered_yield(
            self.overlayer,
            material,
            depth_nm,
            energy_kev,
            self.electrons,
            seed=int(stream.integers(2**63)),
            elastic=self.elastic,
            energy_loss=self.energy_loss,
            atomic_electrons=self.atomic_electrons,
            cutoff_ev=self.cutoff_ev,
        )
        return float(found.eta), float(found.standard_error)

    def _fingerprint(self, seed: int) -> str:
        """Return a digest of all that determines the table, which identifies finished rows."""
        facts = [self.model_dump(mode="json"), self.result_version, seed]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
