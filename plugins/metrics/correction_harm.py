"""What corrections of a stack leave, and what they harm, on a virtual stack of known truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from fib_plugins.channels import counted
from fib_plugins.metrics.anisotropy import Anisotropy
from fib_plugins.threads import bytes_in_threads
from fibcore import Context, FibError, Forecast, Images, Labels, Metric, Table, VolumeSpec, keeps
from fibcore.roles import Abscissa, Curve, Role

BYTES_PER_PIXEL = 100
BLUR_PX = 1.5
"""Blur before the level is applied, so that noise does not make structure, pixels."""

FIGURES = ("error", "drift_px", "step_px", "brightness")
STRUCTURE = ("solid_points", "diameter_xy_percent", "diameter_z_percent", "e_tpcf_change")


class CorrectionHarm(Metric):
    """What corrections leave of a defect, and how they change a stack that has no defect.

    A virtual stack is recorded twice, with the defect and, as the `reference`, without it. The
    corrector is applied to the first, and perhaps to the second as well. All stacks have the same
    slices and voxels; where edges were cut off, each is compared in the field that it shares with
    the reference.

    Figures are those of the corrected stack, with the prefix ``before_`` of the stack before its
    correction, and ``clean_`` of the corrected reference, which shows what the correction does:

    - ``error``, ``before_error``, ``clean_error``: root mean square difference from the reference,
      in its standard deviations, without white noise, and without the edges (`margin_px`);
    - ``drift_px``, ``before_drift_px``: root mean square of the slices' shifts against the
      reference, from their mean; ``clean_drift_px``: the drift that was invented; ``step_px``: the
      same of the differences between neighbouring slices;
    - ``brightness``: variation of the mean between slices, against the reference, in standard
      deviations;
    - ``solid_points``, ``clean_solid_points``: change of the solid fraction, in points;
      ``diameter_xy_percent``, and in planes along z ``diameter_z_percent``,
      ``clean_diameter_z_percent``; ``e_tpcf_change`` (see `metric/anisotropy`): changes of numbers
      that are measured above Otsu's level of the reference, after a blur of 1.5 pixels.

    With `corrections` and `recorded`, tables with the columns ``thickness_nm`` of a corrector and
    of the twin that has recorded the stack: ``thickness_mean_percent``, error of the mean slice
    thickness, and ``thickness_rms_percent``, error of single slices in percent of the mean.

    Row: the main figures. Kept: ``stacks``, all figures, with a row for each stack, and
    ``slices``, shifts and errors of each slice.
    """

    name: ClassVar[str] = "correction_harm"
    headline: ClassVar[tuple[str, ...]] = (
        "before_error", "error", "clean_error", "before_drift_px", "drift_px", "clean_drift_px",
        "clean_solid_points", "clean_diameter_z_percent",
    )  # fmt: skip

    margin_px: int = Field(
        default=8, ge=0, description="pixels at each edge that are not compared; shifts bare them"
    )
    structure: bool = Field(
        default=True, description="also measure solid fraction, diameters and isotropy errors"
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse stacks of different shapes or channels; estimate the memory."""
        reference = inputs.get("reference")
        if reference is None:
            return Forecast()
        for name in ("corrected", "before", "clean"):
            other = inputs.get(name)
            if other is None:
                continue
            if other.shape[0] != reference.shape[0] or other.channels != reference.channels:
                raise FibError(
                    f"{name} has {other.shape[0]} slices and {counted(other.channels)}, the "
                    f"reference {reference.shape[0]} and {counted(reference.channels)}: they must "
                    f"be the same stack; measure before slices are left out or resampled"
                )
            if not np.allclose(other.voxel_size_nm[1:], reference.voxel_size_nm[1:], rtol=0.01):
                raise FibError(
                    f"{name} has pixels of {list(other.voxel_size_nm[1:])} nm, the reference "
                    f"{list(reference.voxel_size_nm[1:])} nm (y, x): bring both to one size first"
                )
        smallest = [spec for spec in inputs.values() if isinstance(spec, VolumeSpec)]
        if min(min(spec.shape[1:]) for spec in smallest) <= 2 * self.margin_px + 8:
            raise FibError(
                f"slices of {[spec.shape[1:] for spec in smallest]} pixels (y, x) have no middle "
                f"with margin_px {self.margin_px}: make it smaller"
            )
        if reference.shape[0] < 3:
            raise FibError(
                f"the stack has {reference.shape[0]} slices; three or more are needed to compare "
                f"slices with their neighbours"
            )
        pixels = reference.shape[1] * reference.shape[2]
        memory = bytes_in_threads(BYTES_PER_PIXEL * pixels)
        if self.structure:
            labels = VolumeSpec(Labels, reference.shape, reference.voxel_size_nm)
            inner = Anisotropy().forecast("measure", {"prediction": labels})
            memory = max(memory, inner.memory_bytes or 0)
        return Forecast(memory_bytes=memory)

    @keeps(stacks=Table, slices=Table)
    def measure(
        self,
        corrected: Images,
        reference: Images,
        before: Images | None = None,
        clean: Images | None = None,
        corrections: Table | None = None,
        recorded: Table | None = None,
        context: Context | None = None,
    ) -> Table:
        """Return one row of figures; keep ``stacks`` and ``slices``.

        Args:
            corrected: the stack with the defect, corrected.
            reference: the stack without the defect.
            before: the stack with the defect.
            clean: the reference, corrected in the same way.
            corrections: a corrector's table with the column thickness_nm.
            recorded: a twin's table with the true thickness_nm.
            context: surroundings of the step.

        Raises:
            FibError: shapes differ, the reference is constant, tables without these columns.
        """
        from fib_plugins.image_comparison.against_reference import common_field, differences

        context = Context.of(context)
        given = {"before": before, "corrected": corrected, "clean": clean}
        specs = {name: stack.spec for name, stack in given.items() if stack is not None}
        self.forecast("measure", {**specs, "reference": reference.spec})
        stacks = {
            name: common_field(stack, reference)
            for name, stack in given.items()
            if stack is not None
        }
        rows: dict[str, dict[str, float]] = {}
        columns: dict[str, np.ndarray] = {"slice": np.arange(reference.shape[0])}
        roles: dict[str, Role] = {"slice": Abscissa()}
        for name, (stack, same) in stacks.items():
            found = differences(stack, same, self.margin_px, context)
            values = (found.error, found.drift_px, found.step_px, found.brightness_rms)
            rows[name] = dict(zip(FIGURES, values, strict=True))
            shift = found.shift_px - found.shift_px.mean(axis=0)
            error = np.sqrt(np.maximum(found.square.mean(axis=0), 0.0))
            curves = {"shift_y_px": shift[:, 0], "shift_x_px": shift[:, 1], "error": error}
            columns |= {f"{name}_{curve}": value for curve, value in curves.items()}
            roles |= {f"{name}_{curve}": Curve(curve, of=name) for curve in curves}
        if self.structure:
            for name, figures in _structure(stacks, context).items():
                rows[name] |= figures
        row = {
            ("" if name == "corrected" else f"{name}_") + figure: value
            for name, figures in rows.items()
            for figure, value in figures.items()
        }
        row = {figure: row[figure] for figure in self.headline if figure in row}
        if corrections is not None or recorded is not None:
            row |= _thickness(corrections, recorded)
        context.keep(
            "stacks", Table.from_rows({"stack": name, **figures} for name, figures in rows.items())
        )
        context.keep("slices", Table(columns, roles))
        return Table.from_rows([row])


def _structure(
    stacks: Mapping[str, tuple[Images, Images]], context: Context
) -> dict[str, dict[str, float]]:
    """Return the changes of structural numbers of stacks against their references."""
    changes: dict[str, dict[str, float]] = {}
    known: dict[object, tuple[float, tuple[float, ...]]] = {}
    for name, (stack, same) in stacks.items():
        field = same.shape, same.data.__array_interface__["data"]  # often that of another
        if field not in known:
            level = _level(same, context)
            known[field] = level, _numbers(same, level, context)
        level, true = known[field]
        solid, xy, z, e_tpcf = _numbers(stack, level, context)
        percents = [100 * (now / then - 1) for now, then in ((xy, true[1]), (z, true[2]))]
        values = (solid - true[0], *percents, e_tpcf - true[3])
        changes[name] = dict(zip(STRUCTURE, values, strict=True))
        context.progress(len(changes), len(stacks), "structures measured")
    return changes


def _smooth(images: Images, context: Context) -> np.ndarray:
    """Return the first channel, blurred in its slices."""
    from scipy.ndimage import gaussian_filter

    smooth = context.empty("smooth", images.shape, np.float32)
    for z, plane in enumerate(images.data[0]):
        smooth[z] = gaussian_filter(plane.astype(np.float32), BLUR_PX)
    return smooth


def _level(images: Images, context: Context) -> float:
    from fib_plugins.image_statistics.histogram import Histogram
    from fib_plugins.image_statistics.levels import otsu_level

    smooth = _smooth(images, context)
    return otsu_level(Histogram.of(smooth, "the images of the reference"))


def _numbers(images: Images, level: float, context: Context) -> tuple[float, float, float, float]:
    """Return what is above a level: its percentage, its diameters in xy and along z, its e_tpcf."""
    solid = context.empty("solid", images.shape, np.uint8)
    for z, plane in enumerate(_smooth(images, context)):
        solid[z] = plane > level
    own = Context(context.seed, threads=context.threads, scratch=context.scratch)
    labels = Labels(solid, images.voxel_size_nm)
    measured = Anisotropy().measure(labels, context=own).rows()[0]
    along_z = (measured["diameter_xz_nm"] + measured["diameter_yz_nm"]) / 2
    percent = 100 * float(np.mean([plane.mean() for plane in solid]))
    return percent, measured["diameter_xy_nm"], along_z, measured["e_tpcf"]


def _thickness(corrections: Table | None, recorded: Table | None) -> dict[str, float]:
    """Return the errors of slice thicknesses, percent of their true mean."""
    values = []
    for name, table in (("corrections", corrections), ("recorded", recorded)):
        if table is None or "thickness_nm" not in table.names:
            raise FibError(
                f"{name} has no column thickness_nm: give the corrections of corrector/thickness "
                f"and the slices of the twin that recorded the stack, or neither"
            )
        values.append(np.asarray(table["thickness_nm"], float))
    found, true = values
    if len(found) != len(true):
        raise FibError(
            f"corrections have {len(found)} slices, recorded {len(true)}: they must belong to one "
            f"stack"
        )
    mean = true.mean()
    # Of single slices relative to their mean, which has an error of its own.
    single = found / found.mean() - true / mean
    return {
        "thickness_mean_percent": float(100 * (found.mean() / mean - 1)),
        "thickness_rms_percent": float(100 * np.sqrt(np.square(single).mean())),
    }
