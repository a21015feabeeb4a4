"""Bright rims of the face: their height at edges that face up and at others, and their width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

REACH_PX = 6
WIDTHS_PX = (0.7, 1.0, 1.5, 2.0, 3.0)
"""Widths that are tried."""
BEAMS_PX = (0.4, 0.5, 0.7, 0.9, 1.1, 1.3, 1.6, 2.0)
"""Blurs of edges that are tried, standard deviation in pixels."""
BEAM_SLICES, BEAM_REACH_PX = 4, 3
"""Slices, and pixels on either side of an edge, from which its blur is measured."""
UPWARDS = 0.5
"""Cosine of the angle to the direction up, from which on an edge faces up."""


@dataclass(frozen=True)
class Distances:
    """Distances of the pixels of a slice from the outline of the face, pixels.

    Attributes:
        face: the pixels of the face.
        within: from the nearest pixel of a pore, 0 in pores.
        beyond: from the nearest pixel of the face, 0 on the face.
        upper: whether the nearest pore lies above (towards smaller y).
    """

    face: np.ndarray
    within: np.ndarray
    beyond: np.ndarray
    upper: np.ndarray

    @classmethod
    def of(cls, face: np.ndarray) -> Self:
        """Return those of a slice, axes (y, x)."""
        from scipy.ndimage import distance_transform_edt

        if face.all() or not face.any():
            far = np.full(face.shape, np.inf)
            nothing = np.zeros(face.shape)
            within, beyond = (far, nothing) if face.all() else (nothing, far)
            return cls(face, within, beyond, np.zeros(face.shape, bool))
        within, nearest = distance_transform_edt(face, return_indices=True)
        up = np.arange(len(face))[:, np.newaxis] - nearest[0]
        upper = up > UPWARDS * np.maximum(within, 1e-6)
        return cls(face, within, distance_transform_edt(~face), upper & face)

    def profiles(self, width_px: float) -> tuple[np.ndarray, np.ndarray]:
        """Return rims of height 1 at upper edges, and at all others, float32."""
        fading = np.where(self.face, np.exp(-(self.within - 0.5) / width_px), 0.0)
        return (
            np.where(self.upper, fading, 0.0).astype(np.float32),
            np.where(self.upper, 0.0, fading).astype(np.float32),
        )


@dataclass(frozen=True)
class Rims:
    """Heights of rims before the blur of the beam, as levels, and the distance where they fade."""

    upper: float
    lower: float
    width_px: float


def fitted(
    planes: Sequence[np.ndarray],
    distances: Sequence[Distances],
    face: float,
    beam_px: float,
) -> Rims:
    """Return the rims that explain levels within some pixels of edges best (least squares).

    The blur of the edge itself, which darkens the face there, is fitted with them.

    Args:
        planes: levels, without curtains.
        distances: of these slices.
        face: level of the face.
        beam_px: blur of edges.
    """
    near = [(one.within > 0) & (one.within <= REACH_PX) for one in distances]
    fits = [_fit(planes, distances, near, face, beam_px, width) for width in WIDTHS_PX]
    best = int(np.argmin([error for error, _ in fits]))
    heights = fits[best][1]
    return Rims(float(heights[0]), float(heights[1]), WIDTHS_PX[best])


def edge_blur(planes: Sequence[np.ndarray], distances: Sequence[Distances], face: float) -> float:
    """Return the blur of the edges of the face that explains levels on both sides best.

    The outline was found in blurred images and is uncertain by part of a pixel: on images made with
    known blurs of 0.5 to 1.8 pixels the result was up to 0.5 off, mostly for wide ones. It needs
    pores that differ from the face more than among themselves.

    Args:
        planes: levels, without curtains.
        distances: of these slices.
        face: level of the face.

    Returns:
        standard deviation in pixels.
    """
    chosen = np.unique(np.linspace(0, len(planes) - 1, BEAM_SLICES).round().astype(int))
    some, shown = [planes[z] for z in chosen], [distances[z] for z in chosen]
    near = [
        ((one.within > 0) & (one.within <= REACH_PX))
        | ((one.beyond > 0) & (one.beyond <= BEAM_REACH_PX))
        for one in shown
    ]
    errors = [_fit(some, shown, near, face, beam, WIDTHS_PX[1])[0] for beam in BEAMS_PX]
    return BEAMS_PX[int(np.argmin(errors))]


def _fit(
    planes: Sequence[np.ndarray],
    distances: Sequence[Distances],
    near: Sequence[np.ndarray],
    face: float,
    beam_px: float,
    width_px: float,
) -> tuple[float, np.ndarray]:
    """Return the squared error, and heights of upper and lower rims and of the step at the edge."""
    from scipy.ndimage import gaussian_filter

    gram, projected, squares = 1e-9 * np.eye(3), np.zeros(3), 0.0
    for plane, one, mask in zip(planes, distances, near, strict=True):
        if not mask.any():
            continue
        parts = (*one.profiles(width_px), (~one.face).astype(np.float32))
        design = np.stack([gaussian_filter(part, beam_px)[mask] for part in parts]).astype(float)
        excess = plane[mask].astype(float) - face
        gram += design @ design.T
        projected += design @ excess
        squares += float(excess @ excess)
    heights = np.linalg.solve(gram, projected)
    return squares - float(heights @ projected), heights
