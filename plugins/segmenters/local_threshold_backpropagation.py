"""Segmentation by the last slice in which a structure is seen (Salzer et al.)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from fib_plugins.segmenters.shine_through.base import ShineThroughSegmenter
from fib_plugins.segmenters.shine_through.grey_stack import GreyStack
from fib_plugins.segmenters.shine_through.local_levels import bytes_of_refinement, refine
from fib_plugins.segmenters.shine_through.walk import WalkParameters, along_sight, walk_back
from fibcore import Context
from fibcore.context import held_bytes

REACH = 3
"""Slices within which the grey value drops where a structure ends."""
WEAK = 1e-3
"""Weight of Otsu's level, compared with 1 for the end of a structure in every voxel."""


class LocalThresholdBackpropagation(WalkParameters, ShineThroughSegmenter):
    """Local threshold backpropagation: structures are found where they are seen for the last time.

    M. Salzer, A. Spettl, O. Stenzel, J.-H. Smatt, M. Linden, I. Manke, V. Schmidt, A two-stage
    approach to the segmentation of FIB-SEM images of highly porous materials, Mater. Charact. 69
    (2012) 115-126; M. Salzer, S. Thiele, R. Zengerle, V. Schmidt, On the importance of FIB-SEM
    specific segmentation algorithms for porous media, Mater. Charact. 95 (2014) 36-43.

    **From the papers** (their summaries): a structure in an open pore brightens gradually as the
    milling approaches it, and disappears suddenly. Its last occurrence along z is found, and the
    grey value there gives a local threshold, which is propagated backwards to the voxels before it
    in z. A second stage improves the result by local thresholds that follow from the first.

    **Chosen here**: the rule for a last occurrence (`noise_multiple`, `least_drop`), the place of
    the threshold (`position`), its average over the ends in the neighbourhood (`radius_px`,
    `memory_slices`; published: each pixel by itself, 0), Gaussian windows in the second stage, the
    majority filter, and the line of sight of a tilted beam (`beam_tilt_deg`). Voxels with no end
    behind them are cut at Otsu's level.

    Slices are read from the last to the first; memory does not grow with their number. The second
    stage keeps an array like the labels.
    """

    name: ClassVar[str] = "local_threshold_backpropagation"
    bytes_per_pixel: ClassVar[int] = 85

    position: float = Field(
        default=0.7,
        gt=0,
        lt=1,
        description="place of a threshold between the grey value after the end of a structure (0) "
        "and at its end (1)",
    )
    radius_px: float = Field(
        default=4.0,
        ge=0,
        le=50,
        description="standard deviation of the Gaussian window within slices over which thresholds "
        "are averaged, pixels; 0: each pixel has its own",
    )
    memory_slices: float = Field(
        default=5.0,
        gt=0,
        le=1000,
        description="slices after which the weight of a threshold has fallen to 37 %",
    )
    refinements: int = Field(
        default=1,
        ge=0,
        le=10,
        description="how often the second stage is repeated; 0: first stage only",
    )

    def _bytes_of_blocks(self, shape: tuple[int, int, int]) -> int:
        first = self.bytes_per_pixel * shape[1] * shape[2]  # ends before the second stage begins
        voxels = shape[0] * shape[1] * shape[2]
        return held_bytes(voxels) + max(bytes_of_refinement(shape, self.radius_px) - first, 0)

    def _segment(
        self,
        stack: GreyStack,
        voxel_size_nm: tuple[float, float, float],
        labels: np.ndarray,
        context: Context,
    ) -> None:
        rows, depth = self.rows_per_slice(voxel_size_nm), len(labels)
        thresholds = _Thresholds(self, stack)
        for face in walk_back(stack, self.drop(stack), REACH, rows):
            own = face.grey - (1.0 - self.position) * face.drop
            labels[face.z] = face.grey >= thresholds.before(own, face.ends, rows)
            context.progress(depth - face.z, depth, "slices followed back")
        for _ in range(self.refinements):
            refine(stack, labels, self.radius_px, self.position, context)


class _Thresholds:
    """Thresholds on the way back."""

    def __init__(self, plugin: LocalThresholdBackpropagation, stack: GreyStack) -> None:
        shape = stack.shape[1:]
        self._radius, self._otsu = plugin.radius_px, np.float32(stack.level)
        self._kept = np.float32(np.exp(-1.0 / plugin.memory_slices))
        self._sum, self._weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)

    def before(self, own: np.ndarray, ends: np.ndarray, rows: float) -> np.ndarray:
        """Return the thresholds of a slice with these thresholds at the ends in it."""
        from scipy.ndimage import gaussian_filter

        self._sum, self._weight = along_sight(self._sum, rows), along_sight(self._weight, rows)
        if self._radius:
            found = ends.astype(np.float32)
            self._sum = self._kept * self._sum + gaussian_filter(own * found, self._radius)
            self._weight = self._kept * self._weight + gaussian_filter(found, self._radius)
        else:
            self._sum = np.where(ends, own, self._sum)
            self._weight = np.where(ends, np.float32(1.0), self._weight)
        weak = np.float32(WEAK)
        return np.asarray((self._sum + weak * self._otsu) / (self._weight + weak))
