"""The geometry of a face that is seen at an angle, and the weights that undo it along y.

The face is a plane; y runs down it. The electron beam meets it at the angle a, measured from the
face. Images are projections along the beam: a length y down the face appears as y sin(a). A step of
length t along the normal, into the material, moves what is seen by t cos(a) up the image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

KEYS = -0.5
"""Parameter of the cubic convolution kernel that reproduces quadratic functions (R. G. Keys, IEEE
Trans. Acoust. Speech Signal Process. 29 (1981) 1153-1160, eq. 15)."""


@dataclass(frozen=True)
class Stretch:
    """How rows of the result are made of rows of a recorded slice.

    Attributes:
        rows: number of rows of the result.
        step: distance of its rows, in recorded rows.
        shift: towards larger y per slice, in recorded rows; slice 0 is not moved.
    """

    rows: int
    step: float
    shift: float

    def centres(self, z: int) -> np.ndarray:
        """Return where the centre of each row of slice `z` is, in recorded rows."""
        return (np.arange(self.rows) + 0.5) * self.step - 0.5 - self.shift * z

    def nearest(self, z: int, recorded: int) -> np.ndarray:
        """Return the recorded row nearest to each row, kept within the slice."""
        return np.clip(np.floor(self.centres(z) + 0.5), 0, recorded - 1).astype(np.int64)

    def weights(self, z: int, recorded: int) -> tuple[np.ndarray, np.ndarray]:
        """Return recorded rows and their weights for each row, axes (row, tap).

        Cubic convolution; if rows become larger, the kernel is as much wider (no aliasing). Rows
        outside of the slice are those at its edge.
        """
        wide = max(1.0, self.step)
        centres = self.centres(z)
        reach = math.ceil(2.0 * wide)
        first = np.floor(centres).astype(np.int64) - reach + 1
        rows = first[:, np.newaxis] + np.arange(2 * reach)
        weights = keys_kernel((rows - centres[:, np.newaxis]) / wide)
        weights /= weights.sum(axis=1, keepdims=True)
        return np.clip(rows, 0, recorded - 1), weights.astype(np.float32)


def keys_kernel(x: np.ndarray) -> np.ndarray:
    """Return the cubic convolution kernel at distances `x`, in samples."""
    x = np.abs(x)
    near = (KEYS + 2.0) * x**3 - (KEYS + 3.0) * x**2 + 1.0
    far = KEYS * (x**3 - 5.0 * x**2 + 8.0 * x - 4.0)
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
