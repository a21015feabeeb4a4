"""Local features of voxels: smoothed grey value, gradient and curvature at several scales.

These are the features of `skimage.feature.multiscale_basic_features`, on which ilastik and
Trainable Weka are built. Here they are computed for a few slices at a time, with as many slices
around them as the filters reach: the result is that of the whole stack, and memory does not grow
with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from skimage.feature import hessian_matrix_eigvals
from skimage.filters import gaussian, sobel

from fib_plugins.image_statistics.grey_scale import GreyScale
from fibcore import FibError, Images

TRUNCATE = 4.0
"""Where Gaussians are truncated, in standard deviations: the default of scikit-image and SciPy."""
DERIVATIVES = 2
"""Slices on either side that differences of differences reach (Sobel filters: one)."""

RESPONSES = {
    2: ("Gaussian", "gradient", "largest curvature", "smallest curvature"),
    3: ("Gaussian", "gradient", "largest curvature", "middle curvature", "smallest curvature"),
}
"""The features at each scale in slices and in volumes."""


@dataclass(frozen=True)
class LocalFeatures:
    """The features of a voxel.

    Of each channel, at each scale: the grey value smoothed by a Gaussian; the magnitude of its
    gradient (Sobel filters); its curvatures, that is the eigenvalues of its Hessian matrix from
    differences, largest first. Beyond the edges of the images the outermost voxels are repeated.

    Attributes:
        sigmas_px: standard deviations of the Gaussians, in pixels of the slice.
        in_volume: whether filters work in the volume; then Gaussians extend as many nm along z as
            in the plane, and differences along z are per pixel of the slice, too. Else in slices.
        slices_above: slices milled before whose smoothed grey values are features of a voxel, too.
        slices_below: the same, milled after.
    """

    sigmas_px: tuple[float, ...]
    in_volume: bool = False
    slices_above: int = 0
    slices_below: int = 0

    @property
    def _neighbours(self) -> list[int]:
        return [o for o in range(-self.slices_above, self.slices_below + 1) if o]

    def names(self, channels: Sequence[str]) -> list[str]:
        """Return the name of each feature, e.g. ``2 kV gradient 4 px``, in order.

        Args:
            channels: names of the channels.
        """
        own = [
            f"{response} {sigma:.3g} px"
            for sigma in self.sigmas_px
            for response in RESPONSES[3 if self.in_volume else 2]
        ]
        around = [
            f"Gaussian {sigma:.3g} px, {abs(offset)} slice{'s' if abs(offset) > 1 else ''} "
            f"{'above' if offset < 0 else 'below'}"
            for offset in self._neighbours
            for sigma in self.sigmas_px
        ]
        return [f"{channel} {feature}" for channel in channels for feature in own + around]

    @property
    def reach_pixels(self) -> int:
        """How many rows around a voxel its features depend on."""
        return DERIVATIVES + int(TRUNCATE * max(self.sigmas_px) + 0.5)

    def of(
        self, images: Images, grey_scale: GreyScale, z: range, rows: range | None = None
    ) -> np.ndarray:
        """Return the features of slices `z` (without gaps) as float32, axes (feature, z, y, x).

        Args:
            images: grey values.
            grey_scale: scale by which they become z-scores.
            z: the slices; the features of a slice do not depend on the other slices requested.
            rows: the rows of the slices, without gaps; default: all. They do not depend on the
                others, either.

        Raises:
            FibError: grey values that are not finite.
        """
        _, height, width = images.shape
        rows = range(height) if rows is None else rows
        first, end = max(0, rows.start - self.reach_pixels), rows.stop + self.reach_pixels
        part = images.with_data(images.data[:, :, first:end])
        own = slice(rows.start - first, rows.stop - first)
        found = (self._in_volume if self.in_volume else self._in_slices)(part, grey_scale, z)
        count = len(self.names(images.names))
        result = np.empty((count, len(z), len(rows), width), np.float32)
        for place, feature in zip(result, found, strict=True):
            place[...] = feature[:, own]
        return result

    def _in_slices(self, images: Images, grey_scale: GreyScale, z: range) -> Iterator[np.ndarray]:
        last = images.shape[0] - 1
        own = np.asarray(z)
        first, end = max(0, own[0] - self.slices_above), min(last, own[-1] + self.slices_below)
        read = np.arange(first, end + 1)
        for channel in _z_scores(images, grey_scale, read):
            smooth = [
                np.stack([gaussian(plane, sigma, truncate=TRUNCATE) for plane in channel])
                for sigma in self.sigmas_px
            ]
            for planes in smooth:
                of_slices = [_responses(plane, (1.0, 1.0)) for plane in planes[own - read[0]]]
                yield from (np.stack(response) for response in zip(*of_slices, strict=True))
            for offset in self._neighbours:
                beside = (own + offset).clip(0, last) - read[0]
                yield from (planes[beside] for planes in smooth)

    def _in_volume(self, images: Images, grey_scale: GreyScale, z: range) -> Iterator[np.ndarray]:
        depth = images.shape[0]
        size_z, size_y, size_x = images.voxel_size_nm
        pixels_per_slice = size_z / np.sqrt(size_y * size_x)

        def widened(by: int) -> slice:
            return slice(max(0, z.start - by), min(depth, z.stop + by))

        def inside(part: slice, outer: slice) -> slice:
            return slice(part.start - outer.start, part.stop - outer.start)

        def reach(sigma_px: float) -> int:
            return DERIVATIVES + int(TRUNCATE * (sigma_px / pixels_per_slice) + 0.5)

        own, slab, read = widened(0), widened(DERIVATIVES), widened(reach(max(self.sigmas_px)))
        for channel in _z_scores(images, grey_scale, np.arange(read.start, read.stop)):
            for sigma in self.sigmas_px:
                around = widened(reach(sigma))
                # Along z first: slices read only for smoothing need no filter in plane.
                smooth = gaussian(
                    channel[inside(around, read)],
                    (sigma / pixels_per_slice, 0.0, 0.0),
                    truncate=TRUNCATE,
                )[inside(slab, around)]
                smooth = gaussian(smooth, (0.0, sigma, sigma), truncate=TRUNCATE)
                yield from _responses(smooth, (pixels_per_slice, 1.0, 1.0), inside(own, slab))


def _z_scores(images: Images, grey_scale: GreyScale, z: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the z-scores of some slices, channel by channel, float32 in axes (z, y, x)."""
    for number in range(len(images.data)):
        channel = slice(number, number + 1)
        scale = GreyScale(grey_scale.centre[channel], grey_scale.scale[channel])
        scores = scale.apply(images[channel], z)[0]
        if not np.isfinite(scores).all():
            raise FibError(
                f"slices {z[0]} to {z[-1]} hold grey values that are not finite (NaN or "
                f"infinite); replace them, e.g. by the mean grey value"
            )
        yield scores


def _responses(
    smooth: np.ndarray, spacing: tuple[float, ...], own: slice = slice(None)
) -> list[np.ndarray]:
    """Return an image and its gradient and curvatures, differences taken over `spacing` pixels.

    Of its first axis only the part `own` is returned; the rest is there for the differences.
    """
    axes = range(smooth.ndim)
    squares = [(sobel(smooth, axis=axis)[own] / spacing[axis]) ** 2 for axis in axes]
    slopes = np.gradient(smooth, *spacing)
    hessian = [
        np.gradient(slopes[one], spacing[other], axis=other)[own]
        for one, other in combinations_with_replacement(axes, 2)
    ]
    gradient = np.sqrt(sum(squares) / smooth.ndim)
    return [smooth[own], gradient, *hessian_matrix_eigvals(hessian)]
