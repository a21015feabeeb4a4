"""The ideal slice under the beam: of a raw recording displaced, shortened and between slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fib_plugins.adapters.hidden_instrument.geometry import Geometry
from fib_plugins.adapters.instrument_base.signal_scale import SignalScale
from fibcore import Images, Labels

NEAR = 1e-6
"""Distances from a pixel or a slice below which nothing is interpolated."""


class Face:
    """The ideal signal of each slice of a recording.

    Args:
        images: the ideal images.
        scales: grey values of each channel as signals.
        geometry: place of each slice; None: slice by slice, unchanged.
    """

    def __init__(
        self, images: Images, scales: Sequence[SignalScale], geometry: Geometry | None
    ) -> None:
        self.images = images
        self.scales = scales
        self.geometry = geometry
        self.shape = images.shape if geometry is None else geometry.field.shape

    def nearest(self, z: int) -> int:
        """Return the ideal slice that is nearest to a recorded one."""
        return z if self.geometry is None else int(np.rint(self._place(z)))

    def _place(self, z: int) -> float:
        """Return the position of a slice along z, in ideal slices."""
        assert self.geometry is not None
        place = float(self.geometry.position_nm[z]) / self.images.voxel_size_nm[0]
        return min(place, self.images.shape[0] - 1.0)

    def signal(self, channel: int, z: int) -> np.ndarray:
        """Return the ideal signal of a recorded slice, axes (y, x), float32.

        Cubic convolution between slices (R. G. Keys, IEEE Trans. Acoust. 29 (1981) 1153), cubic
        splines within them; values stay within those of the slices.

        Raises:
            FibError: values that are not finite, or far outside black and white.
        """
        if self.geometry is None:
            return self.scales[channel].slice_of(self.images, channel, z)
        between = self._between(channel, self._place(z))
        return self._moved(between, z)

    def _between(self, channel: int, place: float) -> np.ndarray:
        first = int(np.floor(place + NEAR))
        share = place - first
        if share < NEAR:
            return self.scales[channel].slice_of(self.images, channel, first)
        last = self.images.shape[0] - 1
        total = np.zeros(self.images.shape[1:], np.float32)
        low, high = np.float32(np.inf), np.float32(-np.inf)
        for offset, weight in zip((-1, 0, 1, 2), cubic_weights(share), strict=True):
            near = min(max(first + offset, 0), last)
            plane = self.scales[channel].slice_of(self.images, channel, near)
            total += np.float32(weight) * plane
            low, high = min(low, plane.min()), max(high, plane.max())
        return np.clip(total, low, high)

    def _moved(self, plane: np.ndarray, z: int) -> np.ndarray:
        from scipy.ndimage import affine_transform

        assert self.geometry is not None
        field, (y, x) = self.geometry.field, self.geometry.corner(z)
        whole = abs(y - round(y)) < NEAR and abs(x - round(x)) < NEAR
        if whole and field.shortening == 1:
            top, left = round(y), round(x)
            return plane[top : top + field.shape[1], left : left + field.shape[2]]
        moved = affine_transform(
            plane,
            [1.0 / field.shortening, 1.0],
            [y / field.shortening, x],
            output_shape=field.shape[1:],
            output=np.float32,
            order=3,
            mode="mirror",
        )
        return np.clip(moved, plane.min(), plane.max())

    def labels_of(self, labels: Labels, z: int) -> np.ndarray:
        """Return the phase that each pixel of a recorded slice shows, that of the nearest voxel."""
        plane = labels.data[self.nearest(z)]
        if self.geometry is None:
            return plane
        field, (y, x) = self.geometry.field, self.geometry.corner(z)
        rows = np.rint((np.arange(field.shape[1]) + y) / field.shortening).astype(int)
        columns = np.rint(np.arange(field.shape[2]) + x).astype(int)
        rows = np.clip(rows, 0, labels.shape[1] - 1)
        columns = np.clip(columns, 0, labels.shape[2] - 1)
        return np.asarray(plane)[rows][:, columns]


def cubic_weights(share: float) -> tuple[float, float, float, float]:
    """Return the weights of the slices at -1, 0, 1 and 2 for a position from 0 to 1 (Keys)."""
    t = share
    return (
        0.5 * (-t + 2 * t**2 - t**3),
        0.5 * (2 - 5 * t**2 + 3 * t**3),
        0.5 * (t + 4 * t**2 - 3 * t**3),
        0.5 * (-(t**2) + t**3),
    )
