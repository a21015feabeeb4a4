"""The grid of offsets: knots along y, and columns along the curtains."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Columns:
    """Where the offsets of curtains lie on slices of one shape.

    Attributes:
        rows: number of pixels along y.
        width: number of pixels along x.
        spacing_px: distance between knots along y; it is adjusted to the number of rows.
        slope: shift of curtains along x for each pixel along y.
        joined: offsets vary linearly between knots; otherwise they are constant in bands of
            rows, of which each has a knot.
    """

    rows: int
    width: int
    spacing_px: float
    slope: float = 0.0
    joined: bool = True

    @cached_property
    def knots(self) -> int:
        """Number of knots, one more than is used where bands are not joined."""
        return max(1, round(self.rows / self.spacing_px)) + 1

    @cached_property
    def bands(self) -> int:
        """Number of knots in use."""
        return self.knots if self.joined else self.knots - 1

    @cached_property
    def starts(self) -> np.ndarray:
        """Column of the first pixel of each row."""
        shift = np.rint(-self.slope * np.arange(self.rows)).astype(np.int64)
        return shift - shift.min()

    @cached_property
    def columns(self) -> int:
        """Number of columns."""
        return self.width + int(self.starts.max())

    @cached_property
    def above(self) -> np.ndarray:
        """The knot above each row."""
        return np.minimum(self._places.astype(np.int64), self.knots - 2)

    @cached_property
    def shares(self) -> np.ndarray:
        """How far each row lies on the way to the next knot, float32 from 0 to 1."""
        if not self.joined:
            return np.zeros(self.rows, np.float32)
        return (self._places - self.above).astype(np.float32)

    @cached_property
    def _places(self) -> np.ndarray:
        parts = self.knots - 1
        if self.joined:
            return np.linspace(0.0, parts, self.rows)
        return np.arange(self.rows) * parts / self.rows

    def offsets_of(self, at_knots: np.ndarray) -> np.ndarray:
        """Return the offset of each pixel, float32, axes (y, x), from those of (knot, column)."""
        from fib_plugins.correctors.destripe.slopes import fill_offsets

        result = np.empty((self.rows, self.width), np.float32)
        at_knots = np.ascontiguousarray(at_knots, np.float32)
        fill_offsets(at_knots, self.above, self.shares, self.starts, result)
        return result


def slope_of(slant_deg: float, voxel_size_nm: tuple[float, float, float]) -> float:
    """Return the shift along x for each pixel along y of curtains at a slant."""
    return math.tan(math.radians(slant_deg)) * voxel_size_nm[1] / voxel_size_nm[2]
