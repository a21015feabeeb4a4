"""Segmentation along the optical flow from slice to slice (Moroni and Thiele)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import ClassVar

import numpy as np
from pydantic import Field

from fib_plugins.segmenters.shine_through.base import ShineThroughSegmenter
from fib_plugins.segmenters.shine_through.grey_stack import GreyStack
from fib_plugins.threads import bytes_in_threads, in_threads, threads_for
from fibcore import Context

FLOW_BYTES = 115
"""Memory of the estimation of the flow, per pixel of a tile."""
PAIR_BYTES = 24
"""Memory of two slices and their flow, per pixel."""
TILE, HALO = 1024, 64
"""Edge of the tiles in which flow is estimated, and pixels around them, in pixels."""
LEAST_FLOW_BLUR_PX = 1.0
"""Blur of slices before their flow is estimated, which needs smooth gradients."""
FAR_PX = 3.0
"""Flow beyond is taken for an error, pixels per slice."""


class OpticalFlow(ShineThroughSegmenter):
    """Follows structures from slice to slice by optical flow; those that brighten are pores.

    R. Moroni, S. Thiele, FIB/SEM tomography segmentation by optical flow estimation,
    Ultramicroscopy 219 (2020) 113090.

    **From the paper** (its summary and descriptions by others): the dense optical flow between
    consecutive slices uses the shine-through to segment, since structures behind the face change
    and move from slice to slice, as seen by a beam at an angle to the face, while what lies in the
    face stays.

    **Chosen here**: the decision. Each voxel is followed along the flow into the slices after it.
    If it becomes brighter by more than `brightening` of the contrast before it disappears (a drop
    by `noise_multiple` of the noise), it is solid behind the face, thus pore; if not, and if it is
    not dark (below Otsu's level by a tenth of the contrast), it is solid. The direction of the flow
    alone was tried as well: on ligaments of a few noisy pixels it hardly differs between solid and
    pore. The flow is the iterative Lucas-Kanade method of scikit-image (G. Le Besnerais,
    F. Champagnat, Dense optical flow by iterative local window registration, IEEE ICIP 2005). It
    follows the tilt of the beam by itself; the majority filter is ours, too.

    Slices are read from the last to the first; memory does not grow with their number.
    """

    name: ClassVar[str] = "optical_flow"
    bytes_per_pixel: ClassVar[int] = 50

    window_px: int = Field(
        default=8,
        ge=2,
        le=100,
        description="radius of the window in which the flow is even, pixels",
    )
    brightening: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="part of the contrast by which a voxel must brighten to be behind the face",
    )
    fading: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="by which part of the contrast the brightest value fades for each slice of its "
        "distance, so that noise does not add up",
    )
    noise_multiple: float = Field(
        default=3.0,
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

    def _bytes_of_blocks(self, shape: tuple[int, int, int]) -> int:
        return bytes_in_threads(_bytes_of_flow(shape[1], shape[2]), shape[0] - 1)

    def _segment(
        self,
        stack: GreyStack,
        voxel_size_nm: tuple[float, float, float],
        labels: np.ndarray,
        context: Context,
    ) -> None:
        from scipy.ndimage import map_coordinates

        depth, contrast = len(labels), stack.contrast
        drop = max(self.noise_multiple * 2**0.5 * stack.noise, self.least_drop * contrast)
        least = stack.level - 0.1 * contrast
        places = np.indices(stack.shape[1:], np.float32)
        after = brightest = stack.plane(depth - 1)
        labels[depth - 1] = after >= stack.level
        for z, flow in self._flows(stack, context):
            grey = stack.plane(z)
            there = places + flow
            seen_next = map_coordinates(after, there, order=1, mode="nearest")
            to_come = map_coordinates(brightest, there, order=1, mode="nearest")
            to_come -= np.float32(self.fading * contrast)
            brightest = np.where(grey - seen_next > drop, grey, np.maximum(grey, to_come))
            in_face = grey >= brightest - self.brightening * contrast
            labels[z] = in_face & (grey >= least)
            after = grey
            context.progress(depth - z, depth, "slices followed back")

    def _flows(self, stack: GreyStack, context: Context) -> Iterator[tuple[int, np.ndarray]]:
        """Yield slices, the last but one first, and their flow to the next, axes (y or x, y, x)."""
        height, width = stack.shape[1:]
        threads = threads_for(_bytes_of_flow(height, width), context.threads)
        for last in range(len(stack.data) - 2, -1, -threads):
            slices = range(last, max(last - threads, -1), -1)
            yield from zip(
                slices, in_threads(lambda z: self._flow(stack, z), slices, threads), strict=True
            )

    def _flow(self, stack: GreyStack, z: int) -> np.ndarray:
        from skimage.registration import optical_flow_ilk

        blur = max(stack.smooth_px, LEAST_FLOW_BLUR_PX)
        first, second = (
            (stack.plane(i, blur) - np.float32(stack.dark)) / np.float32(stack.contrast)
            for i in (z, z + 1)
        )
        flow = np.empty((2, *first.shape), np.float32)
        for inner, outer in _tiles(*first.shape):
            found = optical_flow_ilk(
                first[outer], second[outer], radius=self.window_px, gaussian=True
            )
            rows, columns = (
                slice(part.start - around.start, part.stop - around.start)
                for part, around in zip(inner, outer, strict=True)
            )
            flow[:, *inner] = np.nan_to_num(found[:, rows, columns])
        return np.clip(flow, -FAR_PX, FAR_PX)


def _tiles(height: int, width: int) -> Iterator[tuple[tuple[slice, slice], tuple[slice, slice]]]:
    """Yield tiles of a slice, and the same with `HALO` pixels around them."""
    for y, x in product(range(0, height, TILE), range(0, width, TILE)):
        parts = ((y, height), (x, width))
        inner = tuple(slice(start, min(start + TILE, end)) for start, end in parts)
        outer = tuple(
            slice(max(start - HALO, 0), min(start + TILE + HALO, end)) for start, end in parts
        )
        yield (inner[0], inner[1]), (outer[0], outer[1])


def _bytes_of_flow(height: int, width: int) -> int:
    tile = min(height, TILE + 2 * HALO) * min(width, TILE + 2 * HALO)
    return FLOW_BYTES * tile + PAIR_BYTES * height * width
