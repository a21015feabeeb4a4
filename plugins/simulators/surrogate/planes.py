"""The planes of a pyramid, and the labels that they are made of."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from fib_plugins.electrons.mapped import release
from fib_plugins.simulators.surrogate.geometry import Geometry
from fibcore import Labels

SLICES_AT_ONCE = 8


class Surroundings:
    """A structure, continued beyond its sides and below its last slice.

    Args:
        labels: the structure.
        media: number of the medium of each phase, (256,) uint8.
        lateral: ``periodic`` or ``mirror``.
        below: ``mirror``, ``repeat``, or the phase that fills all space below.
    """

    def __init__(self, labels: Labels, media: np.ndarray, lateral: str, below: str | int) -> None:
        self._labels, self._media, self._lateral = labels.data, media, lateral
        self._below = below
        self.shape = labels.shape

    def sides(
        self, rows: tuple[int, int], columns: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and columns of the structure that appear in some, also beyond its sides.

        Args:
            rows: first row, and the one after the last.
            columns: the same along x.
        """
        _, height, width = self.shape
        return _inside(rows, height, self._lateral), _inside(columns, width, self._lateral)

    def cut(
        self, slices: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
    ) -> np.ndarray:
        """Return the media of a box, uint8 in axes (z, y, x).

        Args:
            slices: first slice, and the one after the last, which may lie below the structure.
            rows: the same along y; both may lie beyond the sides.
            columns: the same along x.
        """
        depth = self.shape[0]
        places = np.ix_(*self.sides(rows, columns))
        found = np.empty([stop - start for start, stop in (slices, rows, columns)], np.uint8)
        filled = slices[1] - slices[0]
        if not isinstance(self._below, str):
            filled = max(0, min(slices[1], depth) - slices[0])
            found[filled:] = self._media[self._below]
        inside = _inside(slices, depth, "mirror")
        if self._below == "repeat":
            inside = np.minimum(np.arange(*slices), depth - 1)
        for own, z in enumerate(inside[:filled].tolist()):
            found[own] = self._media[self._labels[z][places]]
        if not self._labels.flags.writeable:
            release(self._labels)
        return found


def _inside(indices: tuple[int, int], length: int, continued: str) -> np.ndarray:
    """Return the indices, those outside of 0 to length folded back into it."""
    index = np.arange(*indices)
    if continued == "periodic":
        return index % length
    folded = index % (2 * length)
    return np.where(folded < length, folded, 2 * length - 1 - folded)


class Planes:
    """The pyramid below each of some slices.

    Args:
        geometry: its levels.
        media: uint8 in axes (z, y, x): the slices and the ``geometry.depth - 1`` below them, with
            the geometry's margin around the window, or without any if it repeats along y and x.
        count: number of media.
        margins: whether there is a margin.
    """

    def __init__(
        self, geometry: Geometry, media: torch.Tensor, count: int, *, margins: bool
    ) -> None:
        self.geometry, self._count, self._margins = geometry, count, margins
        self._media = media
        self._means: list[torch.Tensor] = []
        if len(geometry.scales) > 1:
            self._pool()

    def _pool(self) -> None:
        """Compute the running means of the coarser levels, float32 in axes (slice, medium, y, x).

        Entry z of a level is the mean over its voxels that begin at slice z.
        """
        (_, *first), *_ = self.geometry.steps
        parts = self._media.split(SLICES_AT_ONCE)  # full resolution takes the most memory
        finer = torch.cat([functional.avg_pool2d(shown(p, self._count), first) for p in parts])
        thickness = 1
        for level, (z, y, x) in enumerate(self.geometry.steps):
            if level:
                finer = functional.avg_pool2d(finer, (y, x))
            if z == 2:
                finer = 0.5 * (finer[:-thickness] + finer[thickness:])
            thickness *= z
            self._means.append(finer)

    def at(self, z: int) -> list[torch.Tensor]:
        """Return the planes of each level below slice z, float32 in axes (plane, y, x)."""
        geometry = self.geometry
        found = []
        for level, (thickness, _, _) in enumerate(geometry.scales):
            places = slice(z, z + (geometry.planes - 1) * thickness + 1, thickness)
            if level == 0:
                planes = shown(self._media[places], self._count)
            else:
                planes = self._means[level - 1][places]
            planes = planes.flatten(0, 1)
            if self._margins:
                y, x = (
                    whole // scale - own
                    for whole, scale, own in zip(
                        geometry.margin,
                        geometry.scales[level][1:],
                        geometry.margins[level],
                        strict=True,
                    )
                )
                planes = planes[:, y : planes.shape[1] - y, x : planes.shape[2] - x]
            found.append(planes)
        return found


def channels_of(media: int) -> int:
    """Return the number of channels that show so many media: one for each except the first."""
    return max(1, media - 1)


def shown(media: torch.Tensor, count: int) -> torch.Tensor:
    """Return 1 where a voxel is of a medium and -1 elsewhere, for each medium but the first.

    Args:
        media: numbers of media, uint8 in axes (z, y, x).
        count: number of media.

    Returns:
        float32 in axes (z, medium, y, x).
    """
    numbers = torch.arange(1, channels_of(count) + 1, device=media.device, dtype=media.dtype)
    return (media[:, None] == numbers[:, None, None]).float().mul_(2.0).sub_(1.0)


def batch_of(pixels: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    """Return the planes of several slices as the input of the network, level by level."""
    return [
        torch.stack(level).contiguous(memory_format=torch.channels_last)
        for level in zip(*pixels, strict=True)
    ]
