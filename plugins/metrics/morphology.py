"""Morphology of a two-phase structure: amount, fineness and connectivity of the phases.

Definition, source and limits of each figure are in its own module of
`fib_plugins.structure_statistics`: `surface`, `thickness`, `connectivity`, `two_point`,
`lineal_path`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from fib_plugins.metrics.curves import (
    PART_VOXELS,
    common_distances,
    curves_along_axes,
    roles_along_axes,
)
from fib_plugins.structure_statistics.connectivity import SLAB_VOXELS
from fib_plugins.structure_statistics.tiles import thickness_bytes
from fibcore import Context, Forecast, LabelMetric, Labels, Table, keeps
from fibcore.roles import Abscissa, Curve, Figure, Role

if TYPE_CHECKING:
    from fib_plugins.structure_statistics.packed_bits import Phase

PHASES: dict[Phase, str] = {"solid": "ligament", "pore": "pore"}
"""Phase -> name of its local thickness."""

CONNECTIVITY_BYTES = 6
"""Memory for each voxel of a slab that is labelled."""


class Morphology(LabelMetric):
    """Solid fraction, specific surface, ligament and pore diameters, connectivity.

    Row: ``solid_fraction``; ``specific_surface_per_nm`` (interface per volume);
    ``mean_ligament_diameter_nm`` and ``mean_pore_diameter_nm`` (mean over the phase of the diameter
    of the largest inscribed ball); ``largest_solid_component_fraction`` and
    ``largest_pore_component_fraction`` (of the phase, face-connected); ``solid_percolates`` and
    ``pore_percolates`` (axes along which a component connects both faces, e.g. ``xyz``, or
    ``none``).
    With a truth the same for it, prefixed ``truth_``. All phases from 1 up are solid.

    Kept: ``curves`` (per axis the two-point correlation of the solid and the lineal path of solid
    and pore) and ``diameters`` (share of each phase by local thickness, in bins as wide as the
    largest voxel edge).

    Figures that a structure of one phase lacks are nan, with a warning.
    """

    name: ClassVar[str] = "morphology"
    result_version: ClassVar[int] = 2
    headline: ClassVar[tuple[str, ...]] = (
        "solid_fraction", "specific_surface_per_nm",
        "mean_ligament_diameter_nm", "mean_pore_diameter_nm",
        "truth_solid_fraction", "truth_specific_surface_per_nm",
        "truth_mean_ligament_diameter_nm", "truth_mean_pore_diameter_nm",
    )  # fmt: skip

    max_distance_nm: float | None = Field(
        default=None,
        gt=0,
        description="Largest distance of the curves in nm. Default: half of the shortest side.",
    )
    thickness: bool = Field(
        default=True,
        description="Measure ligament and pore diameters and their distribution. Takes most of "
        "the time; without it the diameters are nan.",
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse volumes too short for the curves; estimate the memory."""
        forecast = super().forecast(method, inputs)
        prediction = inputs.get("prediction")
        if prediction is None:
            return forecast
        common_distances(prediction, self.max_distance_nm)
        voxels = math.prod(prediction.shape)
        memory = max(min(voxels, PART_VOXELS) // 8, CONNECTIVITY_BYTES * min(voxels, SLAB_VOXELS))
        if self.thickness:
            memory = max(memory, thickness_bytes(prediction.shape))
        return replace(forecast, memory_bytes=memory)

    @keeps(curves=Table, diameters=Table)
    def measure(
        self,
        prediction: Labels,
        truth: Labels | None = None,
        context: Context | None = None,
    ) -> Table:
        """Return one row of figures; keep ``curves`` and ``diameters``.

        Raises:
            FibError: shapes differ, or the volume is too short for the curves.
        """
        context = Context.of(context)
        volumes = {"": prediction} if truth is None else {"": prediction, "truth_": truth}
        self.forecast(
            "measure",
            {"prediction": prediction.spec, "truth": truth.spec if truth is not None else None},
        )
        row: dict[str, Any] = {}
        curves = {"distance_nm": common_distances(prediction, self.max_distance_nm)}
        bin_nm = max(prediction.voxel_size_nm)
        shares: dict[str, np.ndarray] = {}
        drawn: dict[str, Role] = {"distance_nm": Abscissa()}
        roles: dict[str, Role] = {}
        steps = count(1)

        def advance(what: str) -> None:
            context.progress(next(steps), 5 * len(volumes), what)

        for prefix, labels in volumes.items():
            figures, of_curves, of_diameters = _measure_one(
                labels,
                curves["distance_nm"],
                bin_nm if self.thickness else None,
                context,
                advance,
            )
            if figures["solid_fraction"] in (0.0, 1.0):
                context.log.warning(
                    "the %s has no %s, so it has no ligament and pore diameters",
                    "truth" if prefix else "prediction",
                    "pore" if figures["solid_fraction"] else "solid",
                )
            row |= {prefix + name: value for name, value in figures.items()}
            curves |= {prefix + name: values for name, values in of_curves.items()}
            drawn |= roles_along_axes(of_curves, prefix)
            shares |= {prefix + name: values for name, values in of_diameters.items()}
            if prefix:
                roles |= {prefix + name: Figure(of_truth=name) for name in figures}
        context.keep("curves", Table(curves, drawn))
        if shares:
            context.keep("diameters", _distribution(shares, bin_nm))
        return Table.from_rows([row], roles)


def _measure_one(
    labels: Labels,
    distances_nm: np.ndarray,
    bin_nm: float | None,
    context: Context,
    advance: Callable[[str], None],
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return figures, curves by column and thickness distributions by column of one structure."""
    from fib_plugins.metrics.shared_thickness import mean_thicknesses
    from fib_plugins.structure_statistics.connectivity import connectivity
    from fib_plugins.structure_statistics.surface import specific_surface

    size_nm, threads = labels.voxel_size_nm, context.threads
    solid = curves_along_axes(labels, "solid", distances_nm, threads)
    pore = curves_along_axes(labels, "pore", distances_nm, threads)
    curves = {f"s2_solid_{axis}": values for axis, values in solid["s2"].items()}
    for phase, found in (("solid", solid), ("pore", pore)):
        for axis, values in found["lineal_path"].items():
            curves[f"lineal_path_{phase}_{axis}"] = values
    advance("curves")

    fraction = float(solid["s2"]["x"][0])
    figures: dict[str, Any] = {
        "solid_fraction": fraction,
        "specific_surface_per_nm": specific_surface(labels.data, size_nm, threads),
    }
    advance("surface")
    shares: dict[str, np.ndarray] = {}
    if bin_nm is not None and 0 < fraction < 1:
        for phase, mean_nm, counts in mean_thicknesses(labels.data, size_nm, bin_nm, context):
            what = PHASES[phase]
            shares[f"{what}_fraction"] = counts / counts.sum()
            figures[f"mean_{what}_diameter_nm"] = mean_nm
            advance(f"{what} diameters")
    else:
        for what in PHASES.values():
            figures[f"mean_{what}_diameter_nm"] = np.nan
            advance(f"{what} diameters")
    components = {phase: connectivity(labels.data, phase) for phase in PHASES}
    for phase, component in components.items():
        figures[f"largest_{phase}_component_fraction"] = component.largest_fraction
    for phase, component in components.items():
        figures[f"{phase}_percolates"] = component.percolates
    advance("connectivity")
    return figures, curves, shares


def _distribution(shares: Mapping[str, np.ndarray], bin_nm: float) -> Table:
    """Return the distributions as columns of one length, from the bin around 0."""
    bins = max(len(values) for values in shares.values())
    columns = {"diameter_nm": bin_nm * np.arange(bins)}
    roles: dict[str, Role] = {"diameter_nm": Abscissa()}
    for name, values in shares.items():
        columns[name] = np.pad(values, (0, bins - len(values)))
        quantity = name.removeprefix("truth_")
        is_truth = quantity != name
        roles[name] = Curve(quantity, of="truth" if is_truth else "", dashed=is_truth)
    return Table(columns, roles)
