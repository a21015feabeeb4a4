"""The slices of a stack linked to their ideal images, here or by the workers of a cluster."""

from __future__ import annotations

import numpy as np

from fib_plugins.metrics.recording_link import LinkedSlice, blurred, link_slice
from fib_plugins.threads import in_threads
from fibcore import Context

SHARED_ABOVE_VOXELS = 2**22
"""Stacks up to this size take about as long as it takes to share them among workers."""
PART_PIXELS = 2**20
"""Pixels of the slices that a worker links at a time, about."""


class LinkOfSlices:
    """Links slice after slice; it can be pickled, for the workers of a cluster.

    Args:
        record: grey values in axes (z, y, x). May be memory-mapped.
        ideal: the same volume without the instrument. May be memory-mapped.
        fwhm_nm: of the blur between them.
        voxel_size_nm: (z, y, x).
        threads: number of CPU threads; the result does not depend on it.
    """

    def __init__(
        self,
        record: np.ndarray,
        ideal: np.ndarray,
        fwhm_nm: float,
        voxel_size_nm: tuple[float, float, float],
        threads: int,
    ) -> None:
        self._record, self._ideal, self._fwhm_nm = record, ideal, fwhm_nm
        self._voxel_size_nm, self._threads = voxel_size_nm, threads

    def __call__(self, part: range) -> tuple[list[LinkedSlice], np.ndarray]:
        """Return some slices, and their residuals: float32 in axes (z, y, x)."""
        residuals = np.empty((len(part), *self._record.shape[1:]), np.float32)
        return self.into(residuals, part), residuals

    def into(self, residuals: np.ndarray, part: range) -> list[LinkedSlice]:
        """Return some slices; write their residuals to an array in axes (z, y, x)."""

        def link(place: int) -> LinkedSlice:
            z = part[place]
            ideal = blurred(self._ideal[z], self._fwhm_nm, self._voxel_size_nm)
            linked, residuals[place] = link_slice(self._record[z], ideal)
            return linked

        return in_threads(link, range(len(part)), self._threads)


def link_slices(work: LinkOfSlices, residuals: np.ndarray, context: Context) -> list[LinkedSlice]:
    """Return all slices of a stack, in order.

    If the context has other workers, they share the slices of large stacks.

    Args:
        work: links them.
        residuals: receives the residuals: float32 in axes (z, y, x) of the stack.
        context: surroundings of the step.
    """
    count = len(residuals)
    if not context.spreads or residuals.size <= SHARED_ABOVE_VOXELS:
        return work.into(residuals, range(count))
    slices = max(1, PART_PIXELS // residuals[0].size)
    parts = [range(z, min(z + slices, count)) for z in range(0, count, slices)]
    linked: dict[int, LinkedSlice] = {}
    for part, (found, own) in context.spread(work, parts):
        residuals[part.start : part.stop] = own
        linked.update(zip(part, found, strict=True))
    return [linked[z] for z in range(count)]
