"""Isotropy errors: differences of a structure between directions that should be equivalent.

Equations 7 and 8 of Sardhara et al., Mach. Learn.: Sci. Technol. 6 (2025) 025023. They need no
truth, only an isotropic material: slices that were segmented independently, shine-through or a
wrong slice thickness can make z differ from x and y. They do not prove that a segmentation is
right: a small volume of an isotropic material is not exactly isotropic (give the truth of a virtual
structure to measure by how much), errors that are the same in all directions are not detected, and
some errors make a structure more isotropic than it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fib_plugins.metrics.curves import (
    PART_VOXELS,
    common_distances,
    curves_along_axes,
    roles_along_axes,
)
from fib_plugins.metrics.planes import BLOCK_BYTES
from fib_plugins.threads import bytes_in_threads, threads_for
from fibcore import Context, FibError, Forecast, LabelMetric, Labels, Table, keeps
from fibcore.roles import Abscissa, Figure, Role

PLANE_BYTES = 30
"""Memory for each pixel of a plane in work: distances, radii, balls."""


def curve_error(curves: Mapping[str, np.ndarray]) -> float:
    """Return the error of equation 7: 0 if the curves along x, y and z are the same, at most 2.

    Mean over x and y of 2 |f - f_z| / (|f| + |f_z|) with Euclidean norms over the distances.

    Args:
        curves: axis (``x``, ``y``, ``z``) -> values at common distances, not all 0.
    """
    z = curves["z"]
    errors = [
        2 * np.linalg.norm(f - z) / (np.linalg.norm(f) + np.linalg.norm(z))
        for f in (curves["x"], curves["y"])
    ]
    return float(np.mean(errors))


def diameter_error(diameters: Mapping[str, float]) -> float:
    """Return the error of equation 8: 0 if the mean diameters in all planes are the same.

    Mean over the planes xz and yz of |D - D_xy| / D_xy.

    Args:
        diameters: plane (``xy``, ``xz``, ``yz``) -> mean diameter, above 0.
    """
    xy = diameters["xy"]
    return float((abs(diameters["xz"] - xy) + abs(diameters["yz"] - xy)) / (2 * xy))


class Anisotropy(LabelMetric):
    """Differences between x, y and z in two-point correlation, lineal path and diameters.

    Row: ``e_tpcf`` and ``e_lpf`` (equation 7 on the two-point correlation and on the lineal path),
    ``e_diameter`` (equation 8), ``diameter_xy_nm``, ``diameter_xz_nm``, ``diameter_yz_nm`` (mean
    local thickness in the slices of each plane), ``max_distance_nm``; with a truth the same for it,
    prefixed ``truth_``. Kept: ``curves``, the curves at common distances, in steps of the largest
    voxel edge (interpolated along finer axes).

    **It measures how similar the axes are, not how correct the segmentation is, and must not be
    used to choose a method.** A wrong segmentation can be more isotropic than a right one: on a
    measured stack with open pores and masks drawn by hand, where the worse segmentations included
    solid that is visible below the face, it ranked ten of them in reverse order (rank correlation
    with the error -0.90). On simulated stacks the ranking was right for some and wrong for others
    (0.4 +- 0.6).

    Raises `FibError` if the phase is absent or fills the volume: nothing can be compared then.
    """

    name: ClassVar[str] = "anisotropy"
    headline: ClassVar[tuple[str, ...]] = (
        "e_tpcf", "e_lpf", "e_diameter", "truth_e_tpcf", "truth_e_lpf", "truth_e_diameter",
    )  # fmt: skip

    phase: Literal["solid", "pore"] = Field(
        default="solid", description="Phase to measure; all phases from 1 up are solid."
    )
    max_distance_nm: float | None = Field(
        default=None,
        gt=0,
        description="Largest distance of the curves in nm. Default: half of the shortest side.",
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse volumes too short for the distances; estimate the memory."""
        forecast = super().forecast(method, inputs)
        prediction = inputs.get("prediction")
        if prediction is None:
            return forecast
        common_distances(prediction, self.max_distance_nm)
        shape = prediction.shape
        _, *plane = sorted(shape)
        pixels, voxels = plane[0] * plane[1], math.prod(shape)
        curves = min(voxels, PART_VOXELS) // 8
        planes = min(voxels // 8, BLOCK_BYTES) + bytes_in_threads(PLANE_BYTES * pixels)
        return replace(forecast, memory_bytes=max(curves, planes))

    @keeps(curves=Table)
    def measure(
        self,
        prediction: Labels,
        truth: Labels | None = None,
        context: Context | None = None,
    ) -> Table:
        """Return one row of errors and diameters; keep ``curves``.

        Raises:
            FibError: shapes differ, the volume is too short for the distances, or has one phase
                only.
        """
        context = Context.of(context)
        volumes = {"": prediction} if truth is None else {"": prediction, "truth_": truth}
        self.forecast(
            "measure",
            {"prediction": prediction.spec, "truth": truth.spec if truth is not None else None},
        )
        distances_nm = common_distances(prediction, self.max_distance_nm)
        row: dict[str, float] = {}
        curves: dict[str, np.ndarray] = {"distance_nm": distances_nm}
        drawn: dict[str, Role] = {"distance_nm": Abscissa()}
        roles: dict[str, Role] = {}
        steps = count(1)

        def advance(what: str) -> None:
            context.progress(next(steps), 4 * len(volumes), what)

        for prefix, labels in volumes.items():
            figures, columns = self._measure_one(labels, distances_nm, context, advance)
            row |= {prefix + name: value for name, value in figures.items()}
            curves |= {prefix + name: values for name, values in columns.items()}
            drawn |= roles_along_axes(columns, prefix)
            if prefix:
                roles |= {prefix + name: Figure(of_truth=name) for name in figures}
        row["max_distance_nm"] = float(distances_nm[-1])
        context.keep("curves", Table(curves, drawn))
        return Table.from_rows([row], roles)

    def _measure_one(
        self,
        labels: Labels,
        distances_nm: np.ndarray,
        context: Context,
        advance: Callable[[str], None],
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        from fib_plugins.metrics.plane_diameters import mean_diameters

        found = curves_along_axes(labels, self.phase, distances_nm, context.threads)
        if found["s2"]["x"][0] in (0.0, 1.0):
            what = "is all" if found["s2"]["x"][0] else "has no"
            raise FibError(
                f"the volume {what} {self.phase}, so there is no anisotropy to measure: check the "
                f"labels, and the step that made them"
            )
        advance("curves")
        diameters: dict[str, float] = {}
        _, *edges = sorted(labels.shape)
        threads = threads_for(PLANE_BYTES * math.prod(edges), context.threads)
        for plane, diameter_nm in mean_diameters(
            labels.data, labels.voxel_size_nm, self.phase, threads, context
        ):
            diameters[plane] = diameter_nm
            advance(f"diameters in {plane}")
        figures = {
            "e_tpcf": curve_error(found["s2"]),
            "e_lpf": curve_error(found["lineal_path"]),
            "e_diameter": diameter_error(diameters),
            **{f"diameter_{plane}_nm": value for plane, value in diameters.items()},
        }
        columns = {
            f"{curve}_{axis}": values for curve in found for axis, values in found[curve].items()
        }
        return figures, columns
