"""Backscatter coefficients from a table of Monte Carlo simulations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from fib_plugins.backscatter.coefficient_lookup import WEIGHTS, CoefficientLookup
from fib_plugins.backscatter.coefficient_table import CoefficientTable
from fib_plugins.backscatter.shipped_table import shipped_coefficient
from fib_plugins.backscatter.table_range import RangeInfo, TableRange, checked
from fibcore import Context, FibError, Material, Model, Physics, Table, Trainable
from fibcore.materials import EPOXY
from fibcore.models import ModelInfo, Shape
from fibcore.params import MaterialParam
from fibcore.plugin import restored


class MaterialInfo(ModelInfo):
    """A material of the table."""

    name: str
    atomic_number: float


class TableInfo(ModelInfo):
    """The info of a model of `physics/monte_carlo`."""

    materials: Annotated[list[MaterialInfo], Field(min_length=1)]
    overlayer: str
    range: RangeInfo


class MonteCarloLookup(Trainable, Physics):
    """Looks up simulated coefficients: in the table that comes with fib, or in one of your own.

    **The table of fib** needs no input and computes nothing: `run` it. It holds the built-in
    materials and the elements at 17 energies from 0.5 to 30 keV under 21 thicknesses of epoxy, 0 to
    half an electron range; each entry is the backscattered fraction of 100 000 electrons (standard
    error 0.0016 at most). Under another `overlayer` depths are converted to the same fraction of
    the electron range, so that in vacuum, in open pores, every depth gives the bare material.

    **Your own table** from `physics/monte_carlo_table`, for compounds, another overlayer or other
    settings, is the input of `fit`; nothing is fitted to it.

    At the materials, energies and depths of the table it returns the simulated values themselves:
    the reference for `physics/ann` and `physics/hunger_kuchler`. Between energies and depths it
    follows the simulated curves, scaled by the electron range (see `depth_curves`). **A compound
    that is not in the table** is the mean of its elements, weighted by their shares of the
    electrons (J. J. Donovan, N. E. Pingitore, A. Westphal, Microsc. Microanal. 9 (2003) 202). For
    elements that the table lacks, and compounds of them, the result is linear in the mean atomic
    number between the materials next to it, which a warning names. Outside of the table the nearest
    value is used, for energies that at the same fraction of the range; a warning is logged. A
    material's own stopping power is ignored.

    **Accuracy**, as deviation from fresh simulations (root mean square): the table of fib, between
    its energies and depths, 0.001, which is the counting error; compounds 0.02 at 1 keV, 0.004 at 3
    and 0.007 at 10 (24 of them from LiH to UO2; too bright at low voltages, most for a heavy
    element with a light one). Under polymers, ice or carbon instead of epoxy 0.002 to 0.008, under
    Al or Si 0.01, Cu 0.015, Pt 0.033; a warning is logged for mean atomic numbers of 10 and more.
    `physics/hunger_kuchler` deviates by 0.015 to 0.065 there. A table of ten materials in steps of
    10 nm was within 0.0014 to 0.0029 half-way between energies and depths from 0.75 keV on, and
    within 0.01 at 0.5 keV, where eta falls within 5 nm: lower voltages need finer depths.
    """

    name: ClassVar[str] = "monte_carlo"
    result_version: ClassVar[int] = 2
    works_unfitted: ClassVar[bool] = True
    info_type: ClassVar[type[TableInfo]] = TableInfo
    learner: ClassVar[str] = "table"

    overlayer: MaterialParam | None = Field(
        default=None,
        description="pore filler, for the table that comes with fib; none: epoxy. Your own table "
        "has its own",
    )

    @classmethod
    def from_model(cls, model: Model, **changes: Any) -> Self:
        """Return the plugin, with the table of the model or, if that has none, the one of fib.

        Args:
            model: the result of `fit`, or the parameters alone.
            changes: none are possible.

        Raises:
            FibError: the model cannot come from this plugin.
        """
        if model.weights or model.info or model.forecast:
            return super().from_model(model, **changes)
        return restored(cls, model)

    def fit(self, table: Table, context: Context | None = None) -> Self:
        """Use a table instead of the one that comes with fib.

        Args:
            table: with columns material, atomic_number, energy_kev, depth_nm, eta, as made by
                `physics/monte_carlo_table`; overlayer and standard_error may be missing.
            context: surroundings of the step.

        Raises:
            FibError: the table lacks columns, holds impossible values, or is for another overlayer
                than the parameter.
        """
        Context.of(context)
        found = CoefficientTable.of(table)
        if self.overlayer is not None and found.overlayer not in ("", self.overlayer.name):
            raise FibError(
                f"the table is for materials under {found.overlayer}, the parameter overlayer is "
                f"{self.overlayer.name}: leave the parameter out, or give a table for it"
            )
        self._model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            weights={
                "material": found.material_numbers,
                "energy_kev": found.energy_kev,
                "depth_nm": found.depth_nm,
                "eta": found.eta,
            },
            info={
                "materials": [{"name": n, "atomic_number": z} for n, z in found.materials.items()],
                "overlayer": found.overlayer,
                "range": TableRange.of(found).to_json(),
            },
        )
        return self

    @property
    def overlayer_name(self) -> str | None:
        """Name of the overlayer; None if the given table has none."""
        if self.fitted and self.model.info["overlayer"]:
            return str(self.model.info["overlayer"])
        if self.fitted and self.overlayer is None:
            return None
        return (self.overlayer or EPOXY).name

    def coefficient(
        self, material: Material, energy_kev: ArrayLike, depth_nm: ArrayLike = 0.0
    ) -> np.ndarray:
        """Return eta of a material under a layer of the overlayer, 0 to 1; 0 for vacuum.

        Args:
            material: the scattering material.
            energy_kev: beam energy in keV, positive; broadcasts against `depth_nm`.
            depth_nm: thickness of the layer in nm, not negative.

        Raises:
            FibError: an energy that is not positive, or a negative depth.
        """
        energy, depth = checked(energy_kev, depth_nm)
        if not self.fitted:
            filler = self.overlayer or EPOXY
            return shipped_coefficient(self.identifier(), material, energy, depth, filler)
        table = CoefficientLookup.of_model(self.model)
        if material.composition:
            table.warn_outside(material, energy, depth)
        return table.at(material, energy, depth)

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the table's columns."""
        rows = self.model.weights.get("eta", np.zeros(0)).size
        return dict.fromkeys(WEIGHTS, (rows,))

    def check_model(self) -> None:
        """Refuse a model whose table has other materials than it names."""
        super().check_model()
        weights, materials = self.model.weights, self.model.info["materials"]
        numbers = weights["material"]
        if numbers.dtype.kind not in "iu" or set(numbers.tolist()) != set(range(len(materials))):
            raise FibError(
                "the model's table has rows of other materials than it names: it is damaged; "
                "make it again from its table"
            )
        columns: dict[str, Any] = {
            key: [materials[number][key] for number in numbers] for key in ("name", "atomic_number")
        }
        columns["material"] = columns.pop("name")
        CoefficientTable.of(
            Table(columns | {name: weights[name] for name in ("energy_kev", "depth_nm", "eta")})
        )
