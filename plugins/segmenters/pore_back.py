"""Segmentation by markers along z and a watershed (Prill et al.)."""

from __future__ import annotations

from itertools import product
from typing import ClassVar

import numpy as np
from pydantic import Field

from fib_plugins.segmenters.shine_through.base import ShineThroughSegmenter
from fib_plugins.segmenters.shine_through.grey_stack import GreyStack
from fib_plugins.segmenters.shine_through.walk import (
    LOWEST,
    WalkParameters,
    along_sight,
    walk_back,
)
from fib_plugins.threads import bytes_in_threads, in_threads, threads_for
from fibcore import Context
from fibcore.context import held_bytes

PORE, SOLID = 1, 2
BLOCK = (32, 256, 256)
"""Voxels (z, y, x) that are flooded at a time."""
HALO = 8
"""Voxels around a block that are flooded with it, so that its borders do not matter."""
BYTES_PER_VOXEL = 50
"""Memory of a block with its halo."""
EDGE_PX = 0.7
"""Width of the derivative of a Gaussian that finds edges."""


class PoreBack(WalkParameters, ShineThroughSegmenter):
    """Morphological segmentation with correction of pore backs: markers along z, then a watershed.

    T. Prill, K. Schladitz, D. Jeulin, M. Faessel, C. Wieser, Morphological segmentation of FIB-SEM
    data of highly porous media, J. Microsc. 250 (2013) 77-87.

    **From the paper** (its summary and descriptions by others): edges along z show where a
    structure is in the face; markers of solid and pore follow from them, and a constrained
    watershed decides on the voxels between. Solid seen in the back of a pore must become pore.

    **Chosen here**: markers. Solid are the voxels in which a structure is seen last, and those
    before it (from slice to slice, towards the first) that are within `solid_share` of the contrast
    as bright as it becomes. Pore are the voxels just after such an end, those darker than the
    brightest value still to come by more than `pore_back_share` of the contrast (the back of a
    pore, still to come nearer), and dark ones (`dark_share`). The watershed floods the gradient of
    the smoothed grey values in the volume. Majority filter and `beam_tilt_deg` are ours, too.

    Markers are kept in an array like the labels. The watershed works in blocks of 32 x 256 x 256
    voxels that overlap, so that memory does not grow with the stack.
    """

    name: ClassVar[str] = "pore_back"
    bytes_per_pixel: ClassVar[int] = 60

    solid_share: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="markers of solid: by which part of the contrast a voxel may be darker than "
        "the brightest value up to the end of the structure behind it",
    )
    pore_back_share: float = Field(
        default=0.35,
        gt=0,
        le=1,
        description="markers of pore: by which part of the contrast it must be darker",
    )
    dark_share: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="markers of pore, too: voxels up to this part of the contrast brighter than "
        "the mean of Otsu's dark class",
    )

    fading: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="by which part of the contrast the brightest value fades for each slice of its "
        "distance, so that noise does not add up",
    )

    def _bytes_of_blocks(self, shape: tuple[int, int, int]) -> int:
        block = 1
        for size, most in zip(shape, BLOCK, strict=True):
            block *= min(size, most + 2 * HALO)
        count = len(_blocks(shape))
        voxels = shape[0] * shape[1] * shape[2]
        flooding = bytes_in_threads(BYTES_PER_VOXEL * block, count)
        marking = self.bytes_per_pixel * shape[1] * shape[2]  # before, and counted already
        return held_bytes(voxels) + max(flooding - marking, 0)

    def _segment(
        self,
        stack: GreyStack,
        voxel_size_nm: tuple[float, float, float],
        labels: np.ndarray,
        context: Context,
    ) -> None:
        markers = context.empty("markers", labels.shape, np.uint8)
        self._mark(stack, self.rows_per_slice(voxel_size_nm), markers, context)
        blocks = _blocks(stack.shape)
        bytes_each = BYTES_PER_VOXEL * int(np.prod([size + 2 * HALO for size in BLOCK]))
        done = 0

        def flood(block: tuple[slice, ...]) -> None:
            nonlocal done
            labels[block] = _flooded(stack, markers, block)
            done += 1
            context.progress(done, len(blocks), "blocks flooded")

        in_threads(flood, blocks, threads_for(bytes_each, context.threads))

    def _mark(self, stack: GreyStack, rows: float, markers: np.ndarray, context: Context) -> None:
        depth, contrast = len(markers), stack.contrast
        dark = stack.dark + self.dark_share * contrast
        brightest = np.full(stack.shape[1:], LOWEST, np.float32)
        for face in walk_back(stack, self.drop(stack), 1, rows):
            grey = face.grey
            to_come = along_sight(brightest, rows) - np.float32(self.fading * contrast)
            brightest = np.where(face.ends, grey, np.maximum(to_come, grey))
            markers[face.z] = 0
            back = grey < brightest - self.pore_back_share * contrast
            markers[face.z][back | (grey < dark)] = PORE
            as_bright = grey >= brightest - self.solid_share * contrast
            markers[face.z][as_bright & (grey > stack.level)] = SOLID
            if face.z + 1 < depth:
                after = along_sight(face.ends.astype(np.float32), -rows) > 0.5
                markers[face.z + 1][after] = PORE
            markers[face.z][face.ends] = SOLID
            context.progress(depth - face.z, depth, "slices followed back")


def _blocks(shape: tuple[int, int, int]) -> list[tuple[slice, ...]]:
    parts = [
        [slice(start, min(start + size, end)) for start in range(0, end, size)]
        for size, end in zip(BLOCK, shape, strict=True)
    ]
    return list(product(*parts))


def _flooded(stack: GreyStack, markers: np.ndarray, block: tuple[slice, ...]) -> np.ndarray:
    """Return the labels of a block."""
    from scipy.ndimage import gaussian_gradient_magnitude
    from skimage.segmentation import watershed

    outer = tuple(
        slice(max(0, part.start - HALO), min(size, part.stop + HALO))
        for part, size in zip(block, stack.shape, strict=True)
    )
    inner = tuple(
        slice(part.start - around.start, part.stop - around.start)
        for part, around in zip(block, outer, strict=True)
    )
    planes = [stack.plane(z)[outer[1:]] for z in range(outer[0].start, outer[0].stop)]
    edges = gaussian_gradient_magnitude(np.stack(planes), EDGE_PX)
    given = np.array(markers[outer], np.int32)
    if not given.any():
        return np.zeros(given.shape, np.uint8)[inner]
    return np.asarray(watershed(edges, given)[inner] == SOLID)
