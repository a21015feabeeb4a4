"""Backscatter coefficients from a small neural network trained on a simulated table."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from fib_plugins.backscatter.coefficient_table import CoefficientTable, roles_of_places
from fib_plugins.backscatter.table_range import RangeInfo, TableRange, checked
from fib_plugins.training.history import LOSSES, history_table
from fibcore import Context, FibError, Material, Model, Physics, Table, Trainable, keeps
from fibcore.models import ModelInfo, Shape
from fibcore.registry import registry
from fibcore.roles import Abscissa, Curve, Flag

from .ann_parameters import ANNParameters

FEWEST_ROWS = 10

Three = Annotated[list[float], Field(min_length=3, max_length=3)]


class NetworkInfo(ModelInfo):
    """The info of a model of `physics/ann`."""

    input_centre: Three
    input_scale: Annotated[list[Annotated[float, Field(gt=0)]], Field(min_length=3, max_length=3)]
    overlayer: str
    range: RangeInfo


class ANN(Trainable, ANNParameters, Physics):
    """Network for the backscatter coefficient (3 -> 16 -> 32 -> 32 -> 32 -> 1).

    The network of Sardhara et al., Mach. Learn.: Sci. Technol. 6 (2025) 025023, section 2.3: its
    inputs are beam energy, atomic number and depth below the overlayer, its output is eta. It is
    trained on a table from `physics/monte_carlo_table`, by the procedure of table 1: mean squared
    error, Adam, batches of 8, up to 100 epochs. The paper does not specify the rest: GELU between
    layers, a sigmoid at the end, and inputs scaled to log E, Z and the depth as a fraction of the
    electron range, which reduces the error by a third. Table 1's learning rate of 1e-4 is too low
    for 100 epochs: with it the error is six times that of the default.

    **Accuracy.** On the default table (ten materials, 0.5 to 5 keV, 0 to 190 nm of epoxy) the rows
    held out deviated by 0.0017 to 0.0022 (root mean square; 0.0010 of it is the counting error of
    the table), Au at 2 keV by 0.0018 to 0.0020; `physics/hunger_kuchler` deviates by 0.02 at 5 keV,
    0.03 at 2 and 0.04 at 0.5. Between the energies, depths and elements of the table it was mostly
    0.002 to 0.003, up to 0.008 at 0.5 keV. One seed in twelve held out the steepest place of the
    table, bare heavy metal at the lowest voltage, and had 0.009. The best epoch is chosen by the
    rows held out, so their deviation is slightly too low.

    **Limits.** The material enters by its atomic number only, for compounds the mean over weight
    fractions: materials with the same one are not distinguished, e.g. carbon (6.0) and epoxy
    (6.02). Outside the energies, atomic numbers and depths of the table a warning is logged; beyond
    the last depth of the table its value is used. The pore filler must be the table's overlayer.
    """

    name: ClassVar[str] = "ann"
    info_type: ClassVar[type[NetworkInfo]] = NetworkInfo
    learner: ClassVar[str] = "network"

    @keeps(history=Table, comparison=Table, deviation=Table)
    def fit(
        self, table: Table, reference: Physics | None = None, context: Context | None = None
    ) -> Self:
        """Train on a table; keeps the history and tables of the network's deviations.

        The table `history` has the columns epoch, train_loss, validation_loss (mean squared
        errors), learning_rate. `comparison` lists the rows of the table, simulated_eta with its
        standard_error, and network_eta; held_out marks those that were not trained on. `deviation`
        has the root mean square of network minus simulation for each energy, over all rows and over
        those held out, and of the standard errors. Training resumes from the checkpoint in the
        context's scratch folder, if there is one, and ends with the same bytes.

        Args:
            table: with columns material, atomic_number, energy_kev, depth_nm, eta, as made by
                `physics/monte_carlo_table`; overlayer and standard_error may be missing.
            reference: another model to compare with the network in `comparison` and `deviation`,
                in columns of its name; materials that no plugin registers are left out. The
                network does not depend on it.
            context: surroundings of the step.

        Raises:
            FibError: the table lacks columns, holds impossible values or too few rows, or training
                diverges.
        """
        from fib_plugins.training.runtime import cpu_threads
        from fib_plugins.training.weights import weights_of

        from .ann_network import InputScale, predict
        from .ann_training import train

        context = Context.of(context)
        rows = CoefficientTable.of(table)
        if len(table) < FEWEST_ROWS:
            raise FibError(
                f"the table has {len(table)} rows; the network needs at least {FEWEST_ROWS}, of "
                f"several materials, energies and depths"
            )
        held_out = self._held_out(len(table), context)
        variables = (rows.energy_kev, rows.atomic_number, rows.depth_nm)
        scale = InputScale.of(*(values[~held_out] for values in variables))
        inputs = scale.apply(*variables)
        with cpu_threads(1):
            trained = train(self, inputs, rows.eta, held_out, context)
            found = predict(trained.network, inputs)
        self._model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            weights=weights_of(trained.network),
            info={
                "best_epoch": trained.best_epoch,
                "input_centre": list(scale.centre),
                "input_scale": list(scale.scale),
                "materials": list(rows.materials),
                "overlayer": rows.overlayer,
                "range": TableRange.of(rows).to_json(),
                "rms_deviation": _rms(found - rows.eta),
                "rms_deviation_held_out": _rms((found - rows.eta)[held_out]),
            },
        )
        etas = {"network": found}
        if reference is not None:
            etas[reference.name] = _reference_eta(reference, rows)
        context.keep("history", history_table(trained.history, trained.best_epoch, LOSSES))
        context.keep("comparison", _comparison(rows, etas, held_out))
        context.keep("deviation", _deviation(rows, etas, held_out))
        return self

    @property
    def overlayer_name(self) -> str | None:
        """Name of the table's overlayer; None if the table has none."""
        return str(self.model.info["overlayer"]) or None

    def coefficient(
        self, material: Material, energy_kev: ArrayLike, depth_nm: ArrayLike = 0.0
    ) -> np.ndarray:
        """Return eta of a material under a layer of the table's overlayer, 0 to 1; 0 for vacuum.

        Args:
            material: the scattering material; only its mean atomic number counts.
            energy_kev: beam energy in keV, positive; broadcasts against `depth_nm`.
            depth_nm: thickness of the layer in nm, not negative.

        Raises:
            FibError: not fitted, an energy that is not positive, or a negative depth.
        """
        from fib_plugins.training.runtime import cpu_threads
        from fib_plugins.training.weights import set_weights

        from .ann_network import InputScale, build_network, predict

        energy, depth = checked(energy_kev, depth_nm)
        info = self.model.info
        if not material.composition:
            return np.zeros(energy.shape)
        covered = TableRange.from_json(info["range"])
        covered.warn_outside(self.identifier(), material, energy, depth)
        network = build_network(seed=0)
        set_weights(network, self.model.weights)
        scale = InputScale(tuple(info["input_centre"]), tuple(info["input_scale"]))
        z = np.full(energy.size, material.mean_atomic_number)
        inputs = scale.apply(energy.ravel(), z, covered.clipped_depth_nm(depth).ravel())
        with cpu_threads(1):
            return predict(network, inputs).reshape(energy.shape)

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the weights and biases of every layer."""
        from .ann_network import LAYERS

        shapes: dict[str, Shape] = {}
        for number, (inputs, outputs) in enumerate(pairwise(LAYERS)):
            shapes[f"{2 * number}.weight"] = (outputs, inputs)
            shapes[f"{2 * number}.bias"] = (outputs,)
        return shapes

    def _held_out(self, rows: int, context: Context) -> np.ndarray:
        """Return which of so many rows are held out, drawn at random."""
        held_out = np.zeros(rows, dtype=bool)
        count = max(1, round(self.validation_fraction * rows))
        held_out[context.rng_for("held out").permutation(rows)[:count]] = True
        return held_out


def _comparison(rows: CoefficientTable, etas: dict[str, np.ndarray], held_out: np.ndarray) -> Table:
    roles = roles_of_places(len(np.unique(rows.depth_nm)))
    roles["simulated_eta"] = Curve("eta", of="simulated", error="standard_error")
    roles |= {f"{name}_eta": Curve("eta", of=name.replace("_", " ")) for name in etas}
    return Table(
        {
            "material": rows.material,
            "atomic_number": rows.atomic_number,
            "energy_kev": rows.energy_kev,
            "depth_nm": rows.depth_nm,
            "simulated_eta": rows.eta,
            "standard_error": rows.standard_error,
            **{f"{name}_eta": eta for name, eta in etas.items()},
            "held_out": held_out,
        },
        roles | {"held_out": Flag()},
    )


def _deviation(rows: CoefficientTable, etas: dict[str, np.ndarray], held_out: np.ndarray) -> Table:
    lines = []
    for energy in np.unique(rows.energy_kev):
        here = rows.energy_kev == energy
        line: dict[str, Any] = {"energy_kev": float(energy), "rows": int(np.count_nonzero(here))}
        line["network_held_out_rms"] = _rms((etas["network"] - rows.eta)[here & held_out])
        for name, eta in etas.items():
            line[f"{name}_rms"] = _rms((eta - rows.eta)[here])
        line["standard_error_rms"] = _rms(rows.standard_error[here])
        lines.append(line)
    roles = {name: Curve() for name in lines[0]} | {"energy_kev": Abscissa()}
    return Table.from_rows(lines, roles)


def _reference_eta(reference: Physics, rows: CoefficientTable) -> np.ndarray:
    """Return eta of every row by another model; NaN for materials that are not registered."""
    eta = np.full(len(rows.eta), np.nan)
    for name in rows.materials:
        here = rows.of_material(name)
        try:
            material = registry().material(name)
        except FibError:
            logging.getLogger("fib").warning(
                "physics/ann: %s is no registered material; %s is not compared for it",
                name,
                reference.identifier(),
            )
            continue
        eta[here] = reference.coefficient(material, rows.energy_kev[here], rows.depth_nm[here])
    return eta


def _rms(deviations: np.ndarray) -> float | None:
    """Return the root mean square of the values that are not NaN; None if there are none."""
    known = deviations[np.isfinite(deviations)]
    return float(np.sqrt(np.mean(known**2))) if known.size else None
