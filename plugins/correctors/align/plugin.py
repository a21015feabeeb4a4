"""Aligns slices by translation: correlation of neighbours, robust against stripes and jumps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.correctors.align.displacements import AlignInfo, Displacements
from fib_plugins.correctors.align.inclination import slow_part
from fib_plugins.correctors.align.moving import (
    Interpolation,
    moved_by_whole_pixels,
    mover,
    whole,
)
from fib_plugins.correctors.align.regions import Region, window_of
from fib_plugins.correctors.labels import check_labels
from fib_plugins.correctors.streaming import as_dtype, in_order
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
from fibcore.models import Shape

MOVE_BYTES = 12
"""Memory of a thread per pixel of a slice that is moved: float32 coefficients, sums, result."""
VIEW_BYTES, KEPT_BYTES = 36, 8
"""Memory per binned pixel and channel: of transforms being compared; of each slice that waits."""


class Align(Trainable, Corrector):
    """Aligns slices by translation, sub-pixel; removes jitter and jumps, keeps slow inclination.

    **Displacements** are estimated in two searches, from all channels together. The first finds
    each slice wherever it is in the field of the one before, by a nearly phase-normalised
    correlation. The second weights frequencies by how well neighbouring slices of this stack agree
    there, so that noise counts little, and measures pairs of several `baselines`, which are solved
    together by robust least squares. Longer baselines see walls along z and forget inclined ones,
    so that less drift is invented. Means of columns and rows are subtracted, and frequencies near
    the axes count by the share of their power that is not that of stripes: curtains do not
    matter, even if they stay in place. Brightness and contrast of slices do not matter either.

    Slices that resemble no neighbour are bridged: placed between theirs and reported. Steps of
    up to half of the field are found, or up to `max_shift_px`.

    **What is removed.** Correlation cannot distinguish slow drift from structure that is inclined
    in the mean: a columnar material, a layer at an angle, or tissue would be straightened. By
    default only jitter and jumps are removed (`remove` ``jitter``): a smoothing spline through the
    displacements, without jumps, keeps what varies more slowly than `inclination_slices`, half of
    a wave of this period, and all of a straight line. Drift of a few pixels over a hundred slices,
    which remains, tilts the structure by a degree or two. Use ``all`` if the structure has no
    preferred inclination, such as an isotropic porous material, or if `fiducials` decide: these
    do not incline, so that ``all`` is then the default. Invented drift on an isotropic porous
    stack is about 0.06 pixels (rms) over 64 slices of 224 x 224 pixels.

    **Moving.** The stack keeps its shape. Slices are interpolated by cubic B-splines; pixels that
    come in from outside repeat the nearest one at the edge. `corrector/crop` cuts them off if it
    gets the corrections as its `shifts`. With ``nearest`` slices move by whole pixels, and no grey
    value changes. Labels move by the same shifts, rounded to whole pixels.

    Regions of more than 2 million pixels are binned to compare them (2048 x 3072 pixels by 2).
    Fit it to one channel or detector to move others, or labels, in the same way.
    """

    name: ClassVar[str] = "align"
    works_unfitted: ClassVar[bool] = True
    info_type: ClassVar[type[AlignInfo]] = AlignInfo
    apply_params: ClassVar[frozenset[str]] = frozenset(
        {"remove", "inclination_slices", "interpolation"}
    )

    region: Region = Field(
        default={},
        description="part of the field that decides, in pixels: axis -> [start, stop], negative "
        'from the end, null for the end, e.g. {"y": [100, -100]}; default: the whole field',
    )
    fiducials: tuple[Region, ...] = Field(
        default=(),
        description="several regions that decide together, each with a mark and some pixels of "
        "surroundings; instead of region",
    )
    max_shift_px: float | None = Field(
        default=None,
        gt=0,
        le=1e5,
        description="longest displacement of neighbouring slices along y or x, pixels; default: "
        "half of the field",
    )
    baselines: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(
        default=(1, 2, 3, 4),
        min_length=1,
        description="distances of the pairs that are compared, in slices; 1 must be among them",
    )
    remove: Literal["jitter", "all"] | None = Field(
        default=None,
        description="jitter: jitter and jumps are removed, slow displacements are kept as "
        "inclination of the structure; all: all displacements are removed; default: jitter, with "
        "fiducials all",
    )
    inclination_slices: float = Field(
        default=100.0,
        gt=2,
        le=1e5,
        description="with remove jitter: displacements that vary more slowly than with this "
        "period, in slices, are kept",
    )
    interpolation: Interpolation = Field(
        default="cubic",
        description="cubic: cubic B-splines; linear; nearest: whole pixels, grey values unchanged",
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if 1 not in self.baselines:
            raise ValueError(
                f"baselines {list(self.baselines)}: neighbouring slices must be compared, add 1"
            )
        if self.region and self.fiducials:
            raise ValueError("both region and fiducials are given; give one of them")
        if any(not each for each in self.fiducials):
            raise ValueError("a fiducial has no limits; give the pixels of y, x or both")
        return self

    @property
    def removes_all(self) -> bool:
        """Whether slow displacements are removed, too."""
        return self.remove == "all" or (self.remove is None and bool(self.fiducials))

    @property
    def _regions(self) -> tuple[Region, ...]:
        return self.fiducials or ((self.region,) if self.region else ())

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse regions outside the field and labels of another shape; return the memory."""
        spec, labels = inputs.get("images"), inputs.get("labels")
        check_labels(spec, labels)
        if spec is None:
            return Forecast()
        memory, warnings = 0, list[str]()
        if not self.fitted:
            memory = self._search_bytes(spec)
            if spec.shape[0] == 1:
                warnings.append("a single slice: there is nothing to align")
        elif not self.model.forecast:
            self._check_shape(spec)
        if method == "fit":
            return Forecast(memory_bytes=memory, warnings=tuple(warnings))
        kept = {"labels": labels} if labels is not None else {}
        made = sum(held_bytes(each.nbytes) for each in (spec, *kept.values()))
        moving = bytes_in_threads(_move_bytes(spec), spec.shape[0])
        return Forecast(spec, kept, made + max(memory, moving), tuple(warnings))

    def _search_bytes(self, spec: VolumeSpec) -> int:
        rows, columns = window_of(self._regions, spec.shape[1:]).shape
        each = rows * columns * len(spec.kv)
        return each * (VIEW_BYTES + KEPT_BYTES * max(self.baselines)) + bytes_in_threads(
            24 * each, spec.shape[0]
        )

    def _check_shape(self, spec: VolumeSpec) -> None:
        shape = self.model.info["shape"]
        if list(spec.shape) != list(shape):
            raise FibError(
                f"the displacements were estimated on a stack of shape {tuple(shape)}, this one "
                f"has {spec.shape} (z, y, x): apply them to images and labels of the same stack, "
                f"or fit it to this one"
            )

    def fit(self, images: Images, context: Context | None = None) -> Self:
        """Estimate the displacements of a stack; return the plugin, which then moves others.

        Args:
            images: the stack.
            context: surroundings of the step.

        Raises:
            FibError: see `correct`.
        """
        found = self._estimated(images, Context.of(context))
        info = found.info(images.shape)
        self._model = Model(self.identifier(), self.model_dump(mode="json"), info=info)
        return self

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return no shapes: the model is a table of displacements."""
        return {}

    @keeps(labels=Labels, corrections=Table)
    def correct(
        self, images: Images, labels: Labels | None = None, context: Context | None = None
    ) -> Images:
        """Return the aligned stack, of the same shape and element type.

        Keeps the `labels`, if given, moved in the same way, and ``corrections``: shift_y_px and
        shift_x_px (what each slice was moved by, towards larger y and x), kept_y_px and kept_x_px
        (the slow displacement that was kept), step_error_y_px and step_error_x_px (standard error
        of the displacement from the neighbours by noise; inclined structure, which adds to it, is
        not known; nan where bridged), coherence (agreement of phases with the neighbours, 0 to 1)
        and bridged (1: resembles no neighbour, placed between them).

        Args:
            images: any number of slices and channels.
            labels: labels of the same voxels.
            context: surroundings of the step.

        Raises:
            FibError: no two neighbouring slices resemble each other (constant slices, stripes
                alone, displacements of more than half of the field), regions outside the field or
                smaller than 24 x 24 pixels, values that are not finite, labels of another shape.
        """
        context = Context.of(context)
        check_labels(images.spec, None if labels is None else labels.spec)
        found = self._known(images) if self.fitted else self._estimated(images, context)
        kept = np.zeros_like(found.shifts)
        if not self.removes_all:
            kept = slow_part(found.shifts, self.inclination_slices)
        shifts = kept - found.shifts
        if self.interpolation == "nearest":
            shifts = whole(shifts)
        context.keep("corrections", found.table(shifts, kept))
        if labels is not None:
            moved = context.empty("aligned_labels", labels.shape, np.uint8)
            for z in context.track(range(len(moved)), "labels"):
                moved[z] = moved_by_whole_pixels(labels.data[z], shifts[z])
            context.keep("labels", labels.with_data(moved))
        return images.with_data(self._moved(images, shifts, context))

    def _moved(self, images: Images, shifts: np.ndarray, context: Context) -> np.ndarray:
        out = context.empty("aligned", images.data.shape, images.data.dtype)
        move = mover(self.interpolation)

        def work(z: int) -> None:
            for channel, plane in enumerate(images.data[:, z]):
                out[channel, z] = as_dtype(move(plane, shifts[z]), out.dtype)

        for _ in in_order(work, range(len(shifts)), context, "slices", _move_bytes(images.spec)):
            pass
        return out

    def _estimated(self, images: Images, context: Context) -> Displacements:
        from fib_plugins.correctors.align.estimate import displacements

        window = window_of(self._regions, images.shape[1:])
        if len(images.data[0]) == 1:
            context.log.warning("a single slice: there is nothing to align")
            return Displacements.of_single_slice()
        baselines = tuple(sorted(set(self.baselines)))
        return displacements(images, window, self.max_shift_px, baselines, context)

    def _known(self, images: Images) -> Displacements:
        self._check_shape(images.spec)
        return Displacements.of_info(dict(self.model.info))


def _move_bytes(spec: VolumeSpec) -> int:
    return MOVE_BYTES * spec.shape[1] * spec.shape[2]
