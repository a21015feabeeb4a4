"""A stack walked from its last slice to its first, with the places where structures end."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, Field

from fib_plugins.segmenters.shine_through.grey_stack import GreyStack

LOWEST = -1e30
"""Below all grey values, and finite, so that it can be interpolated."""


class WalkParameters(BaseModel):
    """How ends of structures are found."""

    noise_multiple: float = Field(
        default=5.0,
        gt=0,
        le=50,
        description="least drop of the grey value where a structure ends, in standard deviations "
        "of the noise of a difference of two smoothed slices",
    )
    least_drop: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="least drop, too, as a part of the contrast between Otsu's two classes",
    )
    beam_tilt_deg: float = Field(
        default=0.0,
        gt=-80,
        lt=80,
        description="angle between beam and the normal of the face, towards +y, degrees: voxels "
        "are followed along the beam; 0, as published: along z",
    )

    def drop(self, stack: GreyStack) -> float:
        """Return the least drop, in grey values."""
        noise = self.noise_multiple * math.sqrt(2.0) * stack.noise
        return max(noise, self.least_drop * stack.contrast)

    def rows_per_slice(self, voxel_size_nm: tuple[float, float, float]) -> float:
        """Return how many rows the line of sight goes towards +y from slice to slice."""
        z, y, _ = voxel_size_nm
        return math.tan(math.radians(self.beam_tilt_deg)) * z / y


@dataclass(frozen=True)
class Face:
    """A slice on the way back.

    Attributes:
        z: its number.
        grey: smoothed grey values, axes (y, x).
        drop: by how much they exceed the darkest of the next slices in the line of sight.
        ends: True where a structure is seen for the last time.
    """

    z: int
    grey: np.ndarray
    drop: np.ndarray
    ends: np.ndarray


def walk_back(stack: GreyStack, drop: float, reach: int, rows: float) -> Iterator[Face]:
    """Yield all slices from the last to the first.

    A structure ends in a voxel if the grey value drops by at least `drop` within the next `reach`
    slices: by more than in the voxel after it in the line of sight, and no less than in the one
    before it.

    Args:
        stack: the stack.
        drop: least drop, in grey values.
        reach: number of slices within which the grey value drops.
        rows: rows that the line of sight goes towards +y from slice to slice.
    """
    depth = len(stack.data)
    following: list[np.ndarray] = []  # grey values of the next slices, nearest first
    grey = stack.plane(depth - 1)
    here = np.zeros_like(grey)
    after = np.full_like(grey, LOWEST)  # the drop in the slice after
    for z in range(depth - 1, -1, -1):
        following = [grey, *following][:reach]
        if z:
            next_grey = stack.plane(z - 1)
            darkest = np.minimum.reduce(
                [along_sight(plane, (k + 1) * rows) for k, plane in enumerate(following)]
            )
            before = next_grey - darkest
        else:
            next_grey, before = grey, np.full_like(grey, LOWEST)
        largest = (here > along_sight(after, rows)) & (here >= along_sight(before, -rows))
        yield Face(z, grey, here, largest & (here >= drop))
        grey, here, after = next_grey, before, here


def along_sight(plane: np.ndarray, rows: float) -> np.ndarray:
    """Return a slice with each value taken `rows` further towards +y (linear; edges repeated)."""
    if rows == 0.0:
        return plane
    height = len(plane)
    low = math.floor(rows)
    at = np.arange(height) + low
    share = plane.dtype.type(rows - low)
    first, second = plane[at.clip(0, height - 1)], plane[(at + 1).clip(0, height - 1)]
    return np.asarray(first if share == 0 else first * (1 - share) + second * share)
