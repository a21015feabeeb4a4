"""Levels a stack: brightness and contrast of slices, shading, streaks, slices that do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from fib_plugins.channels import info_of, order_of_fit
from fib_plugins.correctors.labels import check_labels
from fib_plugins.correctors.level.sizes import SAMPLED, blocks_of, reduced_shape
from fib_plugins.correctors.streaming import corrections
from fib_plugins.threads import bytes_in_threads
from fibcore import (
    Context,
    Corrector,
    FibError,
    Forecast,
    Images,
    Labels,
    Model,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.context import held_bytes
from fibcore.models import ModelInfo, Shape

if TYPE_CHECKING:
    from fib_plugins.correctors.level.findings import Findings
    from fib_plugins.correctors.level.streaks import Streaks

SMALLEST_PX = 16
BYTES_PER_PIXEL, SAMPLE_BYTES = 4, 12
"""Memory of a thread per pixel of a slice (float32); of sampled slices per reduced pixel."""
BASE_BYTES = 2**22
MANY_BAD = 0.25
SHADING_TERMS = 5


class LevelInfo(ModelInfo):
    """The info of a model of `corrector/level`."""

    shape: Annotated[list[int], Field(min_length=4, max_length=4)]
    kv: list[float | None] | None = None
    detectors: list[str | None] = Field(default_factory=list)


class Level(Trainable, Corrector):
    """Levels brightness, contrast and shading, removes streaks, repairs single bad slices.

    **Brightness and contrast.** Pixels are sorted into dark and bright ones (Otsu), and smooth
    surfaces fitted to how each kind differs from its level. Their lowest term gives brightness and
    contrast of a slice; the influence of the local solid fraction on both kinds is measured within
    slices and taken out, so that a stack whose solid fraction changes with z keeps the grey values
    of its phases. Terms of higher degree show how much the structure alone makes such levels vary,
    and over how many slices. The drift is the best linear estimate on these grounds (Wiener
    filter); if no drift is significant, nothing is changed.

    **Shading** is a polynomial of degree 2 in y and x that is constant, or changes slowly with z,
    estimated in the same way. ``multiplicative`` shading is a factor on the signal above black
    (the darkest 0.5 % of all pixels), such as the shadow of a trench.

    **Streaks** along x, the scan direction, are offsets of rows and parts of rows, up to about
    three rows high, against the rows around them and the same rows of both neighbouring slices.
    They are removed as far as different parts of a row agree, and single ones that last to the end
    of a row, such as those of charging, where they are far from other rows.

    **Bad slices** are found by comparison with their neighbours: out of focus, repeated (the same
    image as the one before; faces that were imaged twice have new noise, and are found by
    `corrector/thickness`), blank, or unlike both neighbours. ``interpolate`` replaces them by
    the mean of the good slices around, weighted by distance; ``leave_out`` removes them, also from
    the labels, and the column z_nm of the table has the places of the others; ``keep`` levels them
    only. Slices that are dim or bright are levelled, and flagged, not replaced. Stacks of fewer
    than 5 slices are searched for copies only, those of fewer than 4 keep their brightness.

    All channels of a bad slice are treated as bad. Levels are those of each channel. A fit stores
    brightness, contrast, shading and flags, and applies them to a stack of the same shape, to each
    channel those of the same detector and voltage.
    """

    name: ClassVar[str] = "level"
    result_version: ClassVar[int] = 2
    works_unfitted: ClassVar[bool] = True
    info_type: ClassVar[type[LevelInfo]] = LevelInfo
    apply_params: ClassVar[frozenset[str]] = frozenset({"repair", "streaks"})

    brightness: bool = Field(
        default=True, description="whether brightness and contrast of slices are levelled"
    )
    shading: Literal["multiplicative", "additive", "none"] = Field(
        default="multiplicative",
        description="kind of shading that is removed: multiplicative (a factor on the signal), "
        "additive (a background), none: it is left",
    )
    streaks: bool = Field(default=True, description="whether streaks along x are removed")
    repair: Literal["interpolate", "leave_out", "keep"] = Field(
        default="interpolate",
        description="what is done with bad slices: interpolate (between their neighbours), "
        "leave_out, keep",
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse fields that are too small; slices that are left out are not known beforehand."""
        spec, labels = inputs.get("images"), inputs.get("labels")
        check_labels(spec, labels)
        if spec is None:
            return Forecast()
        if min(spec.shape[1:]) < SMALLEST_PX:
            raise FibError(
                f"slices of {spec.shape[1]} x {spec.shape[2]} pixels are too small to be levelled; "
                f"at least {SMALLEST_PX} x {SMALLEST_PX} are needed"
            )
        warnings: tuple[str, ...] = ()
        if spec.shape[0] < 4:
            warnings = (
                f"{spec.shape[0]} slice(s): brightness and contrast cannot be compared and stay "
                f"as they are",
            )
        if method == "fit":
            return Forecast(memory_bytes=self._memory(spec), warnings=warnings)
        if self.fitted and not self.model.forecast:
            self._check_shape(spec)
        memory = self._memory(spec) + held_bytes(spec.nbytes)
        if self.repair == "leave_out":
            return Forecast(memory_bytes=memory, warnings=warnings)
        kept = {"labels": labels} if labels is not None else {}
        return Forecast(spec, kept, memory, warnings)

    @staticmethod
    def _memory(spec: VolumeSpec) -> int:
        depth, height, width = spec.shape
        rows, columns = reduced_shape((height, width))
        channels = len(spec.kv)
        reduced = held_bytes(4 * depth * rows * columns * channels)
        offsets = held_bytes(4 * depth * height * blocks_of((height, width)) * channels)
        sampled = SAMPLE_BYTES * min(depth, SAMPLED) * rows * columns
        threads = bytes_in_threads(BYTES_PER_PIXEL * height * width, depth)
        return BASE_BYTES + reduced + offsets + max(sampled, threads)

    def _check_shape(self, spec: VolumeSpec) -> None:
        shape = [len(spec.kv), *spec.shape]
        if shape != list(self.model.info["shape"]):
            raise FibError(
                f"the levels are those of a stack of shape {tuple(self.model.info['shape'])}, this "
                f"one has {tuple(shape)} (channel, z, y, x): fit another one, or run the corrector "
                f"without a fit"
            )

    def fit(self, images: Images, context: Context | None = None) -> Self:
        """Estimate what is to be corrected in a stack; return the plugin.

        Args:
            images: the stack.
            context: surroundings of the step.

        Raises:
            FibError: see `correct`.
        """
        context = Context.of(context)
        self.forecast("fit", {"images": images.spec})
        findings, _ = self._findings(images, context)
        info = {"shape": list(images.data.shape), **info_of(images.channels)}
        self._model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            weights=findings.weights(),
            info=info,
        )
        return self

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of levels and flags, by the shape of the stack."""
        channels, depth = self.model.info["shape"][:2]
        each = dict.fromkeys(("brightness", "contrast", "sharpness"), (channels, depth))
        return {
            **each,
            "scale": (channels, 3),
            "shading": (channels, depth, SHADING_TERMS),
            "flags": (3, depth),
        }

    @keeps(labels=Labels, corrections=Table)
    def correct(
        self, images: Images, labels: Labels | None = None, context: Context | None = None
    ) -> Images:
        """Return the levelled stack, of the same type; without its bad slices if they are left out.

        Keeps the `labels` of the slices that are left, if given, and ``corrections``: for each
        channel ``<channel>_brightness`` (grey values that were removed), ``<channel>_contrast``
        (factor that was removed), ``<channel>_shading_rms`` (relative), ``<channel>_streaks_rms``
        (grey values), ``<channel>_sharpness``; and outlier, dim, repeated, repaired, kept (0 or
        1), z_nm.

        Args:
            images: the stack, aligned or not.
            labels: labels of the same voxels.
            context: surroundings of the step.

        Raises:
            FibError: constant images, values that are not finite, slices below 16 x 16 pixels,
                labels or a fit of another shape.
        """
        context = Context.of(context)
        specs = {"images": images.spec, "labels": None if labels is None else labels.spec}
        self.forecast("correct", specs)
        from fib_plugins.correctors.level.correction import Correction

        findings, streaks = self._findings(images, context)
        correction = Correction(images, findings, streaks, self.shading != "additive", self.repair)
        result = correction.run(context)
        self._warn(findings, context)
        context.keep("corrections", self._table(images, findings, correction.streaks_rms))
        if labels is not None:
            left = labels
            if len(correction.slices) < labels.shape[0]:
                shape = (len(correction.slices), *labels.shape[1:])
                data = context.empty("labels", shape, labels.data.dtype)
                for place, z in enumerate(correction.slices):
                    data[place] = labels.data[z]
                left = labels.with_data(data)
            context.keep("labels", left)
        return images.with_data(result)

    def _findings(self, images: Images, context: Context) -> tuple[Findings, tuple[Streaks, ...]]:
        from fib_plugins.correctors.level.estimation import Wanted
        from fib_plugins.correctors.level.findings import Findings, streaks_of

        if self.fitted:
            order = order_of_fit(self.model.info, images.channels, "corrector/level", context)
            findings = Findings.from_weights(
                {name: w if name == "flags" else w[order] for name, w in self.model.weights.items()}
            )
            if not self.streaks:
                return findings, ()
            return findings, streaks_of(images, findings.outliers, context)
        wanted = Wanted(self.brightness, self.shading)
        findings, streaks = Findings.of(images, wanted, self.streaks, context)
        return findings, streaks if self.streaks else ()

    def _warn(self, findings: Findings, context: Context) -> None:
        outliers = findings.outliers
        done = {
            "interpolate": "they were replaced by interpolation between their neighbours",
            "leave_out": "they were left out: slices are no longer evenly spaced, see z_nm in the "
            "corrections",
            "keep": "they were kept",
        }[self.repair]
        if outliers.bad.any():
            context.log.warning(
                "%s out of focus, repeated, blank or unlike the neighbours: %s. Look at them, or "
                "set repair",
                _slices(outliers.bad),
                done,
            )
        if outliers.dim.any():
            context.log.warning(
                "%s dim or bright; brightness and contrast were levelled, the noise stays",
                _slices(outliers.dim),
            )
        if outliers.bad.mean() > MANY_BAD:
            context.log.warning(
                "%.0f %% of the slices are bad: the stack is hardly usable; measures along z "
                "depend on what was done with them",
                100 * outliers.bad.mean(),
            )

    def _table(self, images: Images, findings: Findings, streaks_rms: np.ndarray) -> Table:
        columns: dict[str, np.ndarray] = {}
        for channel, name in enumerate(images.names):
            level, prefix = findings.levels[channel], name.replace(" ", "_")
            columns[f"{prefix}_brightness"] = level.brightness
            columns[f"{prefix}_contrast"] = level.contrast
            columns[f"{prefix}_shading_rms"] = np.sqrt((level.shading**2).sum(axis=1))
            columns[f"{prefix}_streaks_rms"] = streaks_rms[channel]
            columns[f"{prefix}_sharpness"] = findings.sharpness[channel]
        outliers = findings.outliers
        left_out = outliers.bad & (self.repair == "leave_out")
        flags = {
            "outlier": outliers.bad | outliers.dim,
            "dim": outliers.dim,
            "repeated": outliers.repeated,
            "repaired": outliers.bad & (self.repair == "interpolate"),
            "kept": ~left_out,
        }
        columns |= {name: flag.astype(np.int64) for name, flag in flags.items()}
        columns["z_nm"] = np.arange(len(outliers.bad)) * images.voxel_size_nm[0]
        return corrections(columns)


def _slices(flags: np.ndarray) -> str:
    places = np.flatnonzero(flags).tolist()
    shown = ", ".join(map(str, places[:8]))
    more = f" and {len(places) - 8} more" if len(places) > 8 else ""
    return f"slice {shown} is" if len(places) == 1 else f"slices {shown}{more} are"
