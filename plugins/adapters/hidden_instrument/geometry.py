"""Which part of the ideal stack each slice of a raw recording shows.

Positions along z are nm from the first slice. Lateral positions are pixels of the image, (y, x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from fib_plugins.adapters.hidden_instrument.raw_parameters import RawParameters
from fibcore import Context, FibError, Images, Labels, VolumeSpec

LEAST_PIXELS = 16
"""Least edge of what all slices show."""
JITTER_REACH = 3.0
"""Standard deviations at which jitter is cut off."""
TREND = 2.0
"""The trend of the drift over the final standard deviation of its random walk."""
ALMOST = 1e-6


@dataclass(frozen=True)
class Field:
    """What a recording shows of the ideal stack, known before it is drawn.

    Attributes:
        shape: (z, y, x) of the recording, without data bar.
        slice_nm: true mean thickness of slices.
        shortening: cosine of the tilt.
        room: edges (y, x) of the ideal slices, in pixels of the image, between the centres of the
            outermost pixels.
    """

    shape: tuple[int, int, int]
    slice_nm: float
    shortening: float
    room: tuple[float, float]

    @classmethod
    def of(cls, settings: RawParameters, ideal: VolumeSpec | Images) -> Field:
        """Return the part that is inside the ideal slices for every displacement.

        Raises:
            FibError: nothing or too little is left.
        """
        voxel_z, y_nm, x_nm = ideal.voxel_size_nm
        thickness = true_thickness(settings, voxel_z)
        slices = math.floor((ideal.shape[0] - 1) * voxel_z / thickness + ALMOST) + 1
        milled = (slices - 1) * thickness
        tilt = math.radians(settings.tilt_deg)
        moved = settings.drift_nm + 2 * JITTER_REACH * settings.jitter_nm
        moved += settings.jumps * settings.jump_nm
        climbed = settings.untracked * math.sin(tilt) * milled
        reach = ((moved + climbed) / y_nm, moved / x_nm)
        room = ((ideal.shape[1] - 1) * math.cos(tilt), float(ideal.shape[2] - 1))
        height, width = (math.floor(r - d + ALMOST) + 1 for r, d in zip(room, reach, strict=True))
        if min(height, width) < LEAST_PIXELS and (height, width) != ideal.shape[1:]:
            raise FibError(
                f"ideal slices of {ideal.shape[1]} x {ideal.shape[2]} pixels (y, x) are too small: "
                f"slices move by up to {reach[0]:.0f} x {reach[1]:.0f} pixels, and the tilt "
                f"shortens y to {math.cos(tilt):.2f}; make them larger, or lower drift_nm, "
                f"jitter_nm, jumps, jump_nm or untracked"
            )
        return cls((slices, height, width), thickness, math.cos(tilt), room)

    def recorded(self, spec: VolumeSpec, settings: RawParameters) -> VolumeSpec:
        """Return the spec of a recorded volume, with data bar."""
        z, y, x = self.shape
        size = recorded_voxel_size(settings, spec)
        return replace(spec, shape=(z, y + settings.data_bar_pixels, x), voxel_size_nm=size)


def recorded_voxel_size(
    settings: RawParameters, ideal: VolumeSpec | Images | Labels
) -> tuple[float, float, float]:
    """Return the voxel size that the microscope notes: nominal thickness, pixels of the image."""
    z_nm, y_nm, x_nm = ideal.voxel_size_nm
    return (settings.slice_nm or z_nm, y_nm, x_nm)


def true_thickness(settings: RawParameters, voxel_z_nm: float) -> float:
    """Return the true mean thickness of slices in nm."""
    return (settings.slice_nm or voxel_z_nm) * (1.0 + settings.thickness_error)


@dataclass(frozen=True)
class Geometry:
    """Place of each slice of a recording.

    Attributes:
        field: what the recording shows.
        position_nm: along z, from the first slice.
        shift: displacement of what is seen towards larger y and x, against the first slice, axes
            (slice, (y, x)), pixels.
        jump: whether the slice is displaced suddenly against the one before.
        repeated: whether nothing was milled before the slice.
        lost_from: share of the lines that are recorded before the beam fails; 1: all.
    """

    field: Field
    position_nm: np.ndarray
    shift: np.ndarray
    jump: np.ndarray
    repeated: np.ndarray
    lost_from: np.ndarray

    @classmethod
    def draw(cls, settings: RawParameters, images: Images, context: Context) -> Geometry:
        """Draw the places of all slices; see `Field.of` for errors."""
        field = Field.of(settings, images)
        slices = field.shape[0]
        drawn = context.on(images.data[:, 0])
        repeated, position = _positions(settings, field, drawn)
        jump, path = _path(settings, slices, drawn)
        climb = settings.untracked * math.sin(math.radians(settings.tilt_deg))
        path[:, 0] -= climb * position
        luck, line = drawn.rng_for("twin lost").random((2, slices))
        return cls(
            field=field,
            position_nm=position,
            shift=(path - path[0]) / images.voxel_size_nm[1:],
            jump=jump,
            repeated=repeated,
            lost_from=np.where(luck < settings.lost_slices, line, 1.0),
        )

    @property
    def thickness_nm(self) -> np.ndarray:
        """Distance of each slice to the next one; that of the last one is the mean."""
        return np.diff(self.position_nm, append=self.position_nm[-1] + self.field.slice_nm)

    def corner(self, z: int) -> tuple[float, float]:
        """Return where a slice has its first pixel in the ideal slice, in pixels of the image."""
        low, high = self.shift.min(axis=0), self.shift.max(axis=0)
        sizes = np.array(self.field.shape[1:]) - 1.0
        spare = np.maximum(np.array(self.field.room) - sizes - (high - low), 0.0)
        y, x = high + np.floor(spare / 2 + ALMOST) - self.shift[z]
        return float(y), float(x)


def _positions(
    settings: RawParameters, field: Field, drawn: Context
) -> tuple[np.ndarray, np.ndarray]:
    """Return whether slices are repeated, and their positions in nm.

    Thickness is gamma distributed: independent, positive, skewed. It is scaled to its mean, so that
    the last slice is where slices of equal thickness would have it. While a face is recorded again,
    the ion beam still advances: the next slice is that much thicker.
    """
    slices, mean = field.shape[0], field.slice_nm
    thick = np.ones(max(slices - 1, 0))
    if settings.thickness_spread:
        shape = settings.thickness_spread**-2
        thick = drawn.rng_for("twin thickness").gamma(shape, 1.0 / shape, len(thick))
        thick *= len(thick) / max(thick.sum(), 1e-9)
    position = np.concatenate([[0.0], np.cumsum(thick)]) * mean
    repeated = drawn.rng_for("twin repeated").random(slices) < settings.repeated_slices
    repeated[[0, -1]] = False
    for z in np.flatnonzero(repeated):
        position[z] = position[z - 1]
    return repeated, position


def _path(settings: RawParameters, slices: int, drawn: Context) -> tuple[np.ndarray, np.ndarray]:
    """Return whether slices jump, and their displacements in nm, axes (slice, (y, x)).

    Slow drift is a trend with a random walk, scaled so that its extreme positions are `drift_nm`
    apart; jitter is Laplace distributed, more often near 0 and far out than a Gaussian.
    """
    path = np.zeros((slices, 2))
    jump = np.zeros(slices, bool)
    if slices == 1:
        return jump, path
    if settings.drift_nm:
        rng = drawn.rng_for("twin drift")
        sign = np.where(rng.random(2) < 0.5, -TREND, TREND)
        trend = sign * np.linspace(0, 1, slices)[:, None]
        walk = np.cumsum(rng.standard_normal((slices, 2)), axis=0) / math.sqrt(slices)
        slow = trend + walk
        path += settings.drift_nm * slow / np.ptp(slow, axis=0)
    if settings.jitter_nm:
        rng = drawn.rng_for("twin jitter")
        away = rng.laplace(0.0, math.sqrt(0.5), (slices, 2))
        path += settings.jitter_nm * np.clip(away, -JITTER_REACH, JITTER_REACH)
    if settings.jumps:
        rng = drawn.rng_for("twin jumps")
        places = 1 + rng.permutation(slices - 1)[: settings.jumps]
        angles = rng.uniform(0.0, 2.0 * math.pi, len(places))
        jump[places] = True
        for place, angle in zip(places, angles, strict=True):
            path[place:] += settings.jump_nm * np.array([math.sin(angle), math.cos(angle)])
    return jump, path
