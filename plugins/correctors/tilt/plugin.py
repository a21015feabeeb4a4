"""Corrects the view of a face at an angle: y appears shortened, slices move up the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.correctors.labels import check_labels
from fib_plugins.correctors.streaming import corrections, in_order
from fib_plugins.correctors.tilt.geometry import Stretch
from fib_plugins.threads import bytes_in_threads
from fibcore import Context, Corrector, FibError, Forecast, Images, Labels, Table, VolumeSpec, keeps
from fibcore.context import held_bytes

SMALLEST_DEG = 5.0
WAITING = 3
"""Slices of the result that each thread makes, or that wait to be written."""
MOST_ROWS = 2**20


class Tilt(Corrector):
    """Corrects the view of a face at an angle: foreshortening, the shift per slice, the cut face.

    The ion beam mills the face from above, so that the face contains its direction; y runs down
    the face. The electron beam meets the face at an angle `angle_deg` from the face, which is the
    angle between the two columns (52 degrees in many instruments, 54 or 55 in others)::

            ion beam      electron beam
               |         /
               | angle  /        image: seen along the electron beam, y down
               |<----->/
        -------+      /          a length y down the face appears as  y sin(angle)
        ///////|     /           a face that is deeper by t appears higher by  t cos(angle)
        ///////|    /
        ///////|   v             y: down the face; z: into the material (to the left here)
        ///////| face

    Measured from the normal of the face (`angle_from` ``normal``) the same instrument has 38
    degrees, and y sin(52) = y cos(38). If the stage is tilted so that the electron beam is normal
    to the face, the angle is 90 from the face, and nothing is to be corrected.

    Three corrections are made together:

    - **Foreshortening**: y is divided by sin(angle). Mode ``voxel`` (default) changes the voxel
      size along y and leaves grey values as they are: nothing is lost, and `corrector/resample`
      can make voxels cubic at the end, with a single interpolation. Use it unless a later step
      needs square pixels. Mode ``resample`` makes pixels square: rows as far apart as columns, by
      cubic convolution (Keys 1981), labels by the nearest row.
    - **Shift per slice**: with `follow` false, the microscope did not move its field with the face
      ("dynamic" correction was off). Each slice is moved down by thickness times cos(angle) in
      the image, or by `shift_per_slice_nm`. In mode ``voxel`` the shift is rounded to whole
      pixels, and `corrector/align` removes the rest.
    - **Cut face**: with `face_tilt_deg` b, the faces are not perpendicular to the direction in
      which they follow each other; if b is positive, that direction points down the face as well
      as into it. The faces are closer to each other than their distance in that direction, by
      cos(b), which becomes the voxel size along z. A field that follows moves down each face by
      thickness times sin(b), and so do slices here.

    Slice 0 stays where it is. Rows that come in at an edge repeat the row there; `corrector/crop`
    cuts them off if it gets the corrections as its `shifts`.
    """

    name: ClassVar[str] = "tilt"

    angle_deg: float = Field(
        default=52.0,
        gt=0,
        le=90,
        description="angle at which the electron beam meets the face, degrees; see angle_from",
    )
    angle_from: Literal["face", "normal"] = Field(
        default="face",
        description="what the angle is measured from: the face (52: the angle between the "
        "columns), or its normal (38)",
    )
    mode: Literal["voxel", "resample"] = Field(
        default="voxel",
        description="voxel: another voxel size along y, the same pixels; resample: square pixels",
    )
    follow: bool = Field(
        default=True,
        description="whether the microscope moved its field with the face, so that slices do not "
        "move up the image",
    )
    shift_per_slice_nm: float | None = Field(
        default=None,
        ge=-1e5,
        le=1e5,
        description="shift of neighbouring slices up the image, before foreshortening is "
        "corrected, nm; negative: down; with follow false; default: thickness times cosine of the "
        "angle",
    )
    face_tilt_deg: float = Field(
        default=0.0,
        ge=-60,
        le=60,
        description="angle between the normal of the faces and the direction in which slices "
        "follow each other, degrees",
    )

    @model_validator(mode="after")
    def _angles_are_possible(self) -> Self:
        if not SMALLEST_DEG <= self.from_face_deg <= 90:
            raise ValueError(
                f"angle_deg {self.angle_deg:g} from the {self.angle_from}: the face would be seen "
                f"edge-on; it must be at least {SMALLEST_DEG:g} degrees from the face, at most "
                f"{90 - SMALLEST_DEG:g} from its normal"
            )
        if self.follow and self.shift_per_slice_nm is not None:
            raise ValueError(
                "shift_per_slice_nm has no effect with follow true; leave it out, or set follow to "
                "false"
            )
        return self

    @property
    def from_face_deg(self) -> float:
        """Angle between the electron beam and the face, degrees."""
        return self.angle_deg if self.angle_from == "face" else 90.0 - self.angle_deg

    def stretch(self, spec: VolumeSpec) -> tuple[Stretch, tuple[float, float, float]]:
        """Return how rows of a stack are mapped, and the voxel size of the result, nm (z, y, x).

        Raises:
            FibError: slices are shifted by more than the field, or there would be too many rows.
        """
        thickness, pixel_y, pixel_x = spec.voxel_size_nm
        depth, height, _ = spec.shape
        angle, cut = math.radians(self.from_face_deg), math.radians(self.face_tilt_deg)
        row_nm = pixel_y / math.sin(angle)  # a recorded row, on the face
        if self.follow:
            shift = thickness * math.sin(cut) / row_nm
        else:
            given = self.shift_per_slice_nm
            up_nm = thickness * math.cos(cut) * math.cos(angle) if given is None else given
            shift = up_nm / pixel_y
        if abs(shift) * (depth - 1) >= height:
            raise FibError(
                f"slices are shifted by {abs(shift):.2f} pixels each: the last of {depth} leaves "
                f"the field of {height} rows. Check the voxel size and the parameters, or cut the "
                f"stack into parts along z"
            )
        size = (thickness * math.cos(cut), row_nm, pixel_x)
        if self.mode == "voxel":
            return Stretch(height, 1.0, shift), size
        rows = max(1, round(height * row_nm / pixel_x))
        if rows > MOST_ROWS:
            raise FibError(
                f"square pixels of {pixel_x:g} nm make {rows} rows of {height}; check the voxel "
                f"size, or use mode voxel"
            )
        return Stretch(rows, pixel_x / row_nm, shift), (size[0], pixel_x, pixel_x)

    def _is_view(self, stretch: Stretch) -> bool:
        return stretch.step == 1.0 and stretch.shift == 0.0

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse shifts larger than the field; return size and voxel size of the result."""
        spec, labels = inputs.get("images"), inputs.get("labels")
        check_labels(spec, labels)
        if spec is None:
            return Forecast()
        stretch, size = self.stretch(spec)
        depth, _, width = spec.shape
        shape = (depth, stretch.rows, width)
        output = replace(spec, shape=shape, voxel_size_nm=size)
        kept = {}
        if labels is not None:
            kept["labels"] = replace(labels, shape=shape, voxel_size_nm=size)
        if self._is_view(stretch):
            return Forecast(output, kept)
        made = [output, *kept.values()]
        return Forecast(
            output,
            kept,
            sum(held_bytes(each.nbytes) for each in made)
            + bytes_in_threads(WAITING * output.nbytes // depth, depth),
        )

    @keeps(labels=Labels, corrections=Table)
    def correct(
        self, images: Images, labels: Labels | None = None, context: Context | None = None
    ) -> Images:
        """Return the stack as seen normal to the face, with its true voxel size.

        Keeps the `labels`, if given, in the same way, and ``corrections``: shift_y_px and
        shift_x_px (pixels of the result, towards larger y and x), rest_y_px (what whole pixels
        leave of the shift), y_stretch (length on the face over that in the image), z_nm (place of
        the slice along the normal of the faces).

        Args:
            images: slices of a face that was seen at an angle.
            labels: labels of the same voxels.
            context: surroundings of the step.

        Raises:
            FibError: shifts larger than the field, labels of another shape.
        """
        context = Context.of(context)
        check_labels(images.spec, None if labels is None else labels.spec)
        stretch, size = self.stretch(images.spec)
        depth = images.shape[0]
        wanted = stretch.shift / stretch.step * np.arange(depth)
        shifts = np.rint(wanted) if self.mode == "voxel" else wanted
        columns = {
            "shift_y_px": shifts,
            "shift_x_px": np.zeros(depth),
            "rest_y_px": wanted - shifts,
            "y_stretch": np.full(depth, 1.0 / math.sin(math.radians(self.from_face_deg))),
            "z_nm": np.arange(depth) * size[0],
        }
        context.keep("corrections", corrections(columns))
        if self._is_view(stretch):
            if labels is not None:
                context.keep("labels", labels.with_data(labels.data, voxel_size_nm=size))
            return images.with_data(images.data, voxel_size_nm=size)
        if labels is not None:
            moved = context.empty("labels", self._shape(labels.data, stretch), labels.data.dtype)
            for z in context.track(range(depth), "slices of labels"):
                moved[z] = labels.data[z][self._nearest(stretch, shifts, z, images.shape[1])]
            context.keep("labels", labels.with_data(moved, voxel_size_nm=size))
        result = context.empty("images", self._shape(images.data, stretch), images.data.dtype)

        def work(z: int) -> np.ndarray:
            if self.mode == "voxel":
                return images.data[:, z, self._nearest(stretch, shifts, z, images.shape[1])]
            return _resampled(images.data[:, z], stretch, z)

        each = WAITING * result[:, 0].nbytes
        done = in_order(work, range(depth), context, "slices", each)
        for z, planes in enumerate(done):
            result[:, z] = planes
        return images.with_data(result, voxel_size_nm=size)

    def _nearest(self, stretch: Stretch, shifts: np.ndarray, z: int, recorded: int) -> np.ndarray:
        if self.mode == "voxel":
            return np.clip(np.arange(recorded) - int(shifts[z]), 0, recorded - 1)
        return stretch.nearest(z, recorded)

    @staticmethod
    def _shape(data: np.ndarray, stretch: Stretch) -> tuple[int, ...]:
        return (*data.shape[:-2], stretch.rows, data.shape[-1])


def _resampled(planes: np.ndarray, stretch: Stretch, z: int) -> np.ndarray:
    """Return the channels of a slice with other rows: axes (channel, y, x)."""
    from fib_plugins.correctors.tilt.rows import weighted_rows

    rows, weights = stretch.weights(z, planes.shape[1])
    made = np.empty((len(planes), stretch.rows, planes.shape[2]), planes.dtype)
    highest = np.iinfo(planes.dtype).max if planes.dtype.kind in "ui" else 0
    for plane, result in zip(planes, made, strict=True):
        weighted_rows(np.asarray(plane), rows, weights, float(highest), result)
    return made
