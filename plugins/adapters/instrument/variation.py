"""Variation from slice to slice: positions, brightness, contrast, stripes.

Every random number comes from the stream of one slice, so that slices can be made in any order, on
any number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument.effects import (
    FWHM_PER_SIGMA,
    stripe_margin,
    stripe_profile,
)
from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fib_plugins.adapters.instrument_base.recording import slice_table
from fibcore import Context, Images, Table
from fibcore.roles import Curve

FARTHEST = 0.9
"""Slices are displaced along z by less than a slice, so that none overtakes its neighbours."""

SHADING_SLICES = 20.0
"""Number of slices over which the correlation of the shading falls to 1/e."""


@dataclass(frozen=True)
class SliceVariation:
    """Scalars of each slice.

    Attributes:
        position: of each slice along z, in slices of the ideal stack.
        shift_nm: lateral displacement, axes (slice, (y, x)).
        brightness: change of the offset, axes (channel, slice), fractions of the full scale.
        contrast: factor on the gain, axes (channel, slice).
    """

    position: np.ndarray
    shift_nm: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray

    @classmethod
    def draw(
        cls, settings: AcquisitionParameters, channels: int, drawn: Sequence[Context]
    ) -> SliceVariation:
        """Draw the variation of a stack; see `wander` for `drawn`.

        Thickness is the distance of neighbours: positions that vary independently by
        sigma / sqrt(2) about their places give thicknesses with standard deviation sigma and the
        right mean over any number of slices.
        """
        depth = len(drawn)

        def wandering(name: str, deviation: float, size: int, slices: float) -> np.ndarray:
            if deviation == 0:
                return np.zeros((depth, size))
            return deviation * wander(drawn, name, range(depth), size, slices)

        slices = settings.grey_drift_slices
        off = wandering("thickness", settings.thickness_variation / np.sqrt(2.0), 1, 0.0)[:, 0]
        position = np.arange(depth) + np.clip(off, -FARTHEST, FARTHEST)
        contrast = wandering("contrast", settings.contrast_drift, channels, slices).T
        return cls(
            position=np.clip(position, 0, depth - 1),
            shift_nm=wandering("drift", settings.drift_nm, 2, settings.drift_slices),
            brightness=wandering("brightness", settings.brightness_drift, channels, slices).T,
            contrast=np.maximum(1.0 + contrast, 0.0),
        )

    def table(self, images: Images) -> Table:
        """Return the variation as columns, one row per slice."""
        columns = {
            "slice": np.arange(len(self.position)),
            "position_slices": self.position,
            "shift_y_nm": self.shift_nm[:, 0],
            "shift_x_nm": self.shift_nm[:, 1],
        }
        curves = {f"shift_{axis}_nm": Curve("shift_nm", along=axis) for axis in "yx"}
        return slice_table(images, columns, self.brightness, self.contrast, curves)


def wander(
    drawn: Sequence[Context], name: str, slices: range, size: int, correlation: float
) -> np.ndarray:
    """Return normal random numbers, axes (slice, size), that are correlated over some slices.

    They have mean 0 and variance 1; the correlation of slices k apart is exp(-k / correlation),
    cut off at four correlation lengths. Each is a weighted sum of independent numbers of its own
    slice and of those before, so that later slices do not matter.

    Args:
        drawn: the source of the stream of each slice of the stack; slices before the stack use that
            of its first one.
        name: of the streams.
        slices: which slices.
        size: how many numbers each slice has.
        correlation: in slices; 0 for none.
    """
    reach = int(np.ceil(4.0 * correlation))
    weights = np.exp(-np.arange(reach + 1) / correlation) if reach else np.ones(1)
    weights /= np.sqrt(np.sum(weights**2))
    white = np.stack(
        [
            drawn[max(k, 0)].rng_for(name, k + reach).standard_normal(size)
            for k in range(slices.start - reach, slices.stop)
        ]
    )
    found = np.zeros((len(slices), size))
    for before, weight in enumerate(weights):
        found += weight * white[reach - before : reach - before + len(slices)]
    return found


def curtain(
    settings: AcquisitionParameters,
    z: int,
    shape: tuple[int, int],
    pixel_nm: tuple[float, float],
    drawn: Sequence[Context],
) -> np.ndarray:
    """Return the factor of the stripes of slice `z` on the signal, axes (along, across) them.

    Args:
        settings: the instrument.
        z: the slice.
        shape: of the slice, along and across stripes; the result is a single row if they run
            through.
        pixel_nm: size of pixels, likewise.
        drawn: the source of the stream of each slice.
    """
    sigma_px = settings.curtain_width_nm / FWHM_PER_SIGMA / pixel_nm[1]
    size = shape[1] + 2 * stripe_margin(sigma_px)
    rows = 1 if settings.curtain_length_nm is None else shape[0]
    white = wander(drawn, "curtain", range(z, z + 1), rows * size, settings.curtain_slices)[0]
    white = white.reshape(rows, size)
    if settings.curtain_length_nm is not None:
        white = persistent(white, settings.curtain_length_nm / pixel_nm[0])
    profile = settings.curtaining * stripe_profile(white, sigma_px)
    return np.maximum(1.0 + profile, 0.0).astype(np.float32)


def persistent(white: np.ndarray, length: float) -> np.ndarray:
    """Return normal numbers of variance 1 whose correlation along axis 0 is exp(-k / length).

    An autoregressive process of order 1, stationary from its first row on.

    Args:
        white: independent normal numbers.
        length: in rows.
    """
    from scipy.signal import lfilter

    kept = np.exp(-1.0 / length)
    fresh = np.sqrt(1.0 - kept**2)
    start = white.copy()
    start[0] /= fresh
    return np.asarray(lfilter([fresh], [1.0, -kept], start, axis=0))


def shading(
    settings: AcquisitionParameters, z: int, shape: tuple[int, ...], drawn: Sequence[Context]
) -> np.ndarray:
    """Return the factor of the shading of slice `z` on the signal, axes (y, x).

    1 + s (a y + b x + c y x), with polynomials of variance 1/3 across the field and normal numbers
    a, b, c that change slowly from slice to slice.
    """
    amounts = wander(drawn, "shading", range(z, z + 1), 3, SHADING_SLICES)[0]
    v, u = (np.linspace(-1.0, 1.0, size) if size > 1 else np.zeros(1) for size in shape)
    across = amounts[0] * v[:, np.newaxis] + amounts[1] * u
    across += amounts[2] * np.sqrt(3.0) * v[:, np.newaxis] * u
    return np.maximum(1.0 + settings.shading * across, 0.0).astype(np.float32)
