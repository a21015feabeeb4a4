"""Sums over the blocks of a volume, from which its figures follow, and their scatter.

Every figure is a ratio of two sums, so that those of the volume, of its blocks, and of blocks
joined are all known from one measurement. Local thickness and components are those of the whole
volume: the borders of blocks change neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from fib_plugins.metrics.error_bars.quantities import SUMS, Quantity
from fib_plugins.structure_statistics.connectivity import SLAB_VOXELS
from fib_plugins.structure_statistics.packed_bits import Phase
from fib_plugins.structure_statistics.surface import specific_surface
from fib_plugins.structure_statistics.thickness import thickness_parts
from fib_plugins.structure_statistics.tiles import Box, slices_of
from fibcore import Labels

SMALLEST_BLOCK = 4
"""Voxels along an edge of a block."""


@dataclass(frozen=True)
class Blocks:
    """Sums over the blocks of a volume.

    Attributes:
        sums: float64 in axes (block along z, y, x, one of `SUMS`); thickness sums are nan if the
            volume has one phase only.
        surface: specific surface of the volume in 1/nm; that of blocks misses their borders.
        shape: the volume's shape (z, y, x).
    """

    sums: np.ndarray
    surface: float
    shape: tuple[int, int, int]

    def figure(self, quantity: Quantity) -> float:
        """Return a quantity of the volume; nan if it has none."""
        if quantity.numerator == "surface":
            return self.surface
        above, below = self._ratio(quantity)
        return _figure(float(above.sum()), float(below.sum()), quantity)

    def deviations(self, quantity: Quantity) -> np.ndarray:
        """Return by how much each block shifts a quantity of the volume, on its scale.

        The mean is 0. To first order it is the block's figure minus that of the volume, times the
        block's share of the denominator: blocks without solid have no diameter, and no weight.
        """
        above, below = self._ratio(quantity)
        if not np.isfinite(above).all() or not below.any():
            return np.full(above.shape, np.nan)
        ratio = above.sum() / below.sum()
        sign = -1.0 if quantity.complement else 1.0
        figure = _figure(above.sum(), below.sum(), quantity)
        shift = sign * (above - ratio * below) / below.mean()
        return shift * float(quantity.scale.slope(figure))

    def halved(self) -> Blocks:
        """Return two blocks along each axis joined to one, where there is an even number."""
        sums = self.sums
        for axis in range(3):
            if sums.shape[axis] % 2 == 0:
                even, odd = (np.take(sums, range(i, sums.shape[axis], 2), axis) for i in (0, 1))
                sums = even + odd
        return Blocks(sums, self.surface, self.shape)

    def _ratio(self, quantity: Quantity) -> tuple[np.ndarray, np.ndarray]:
        places = SUMS.index(quantity.numerator), SUMS.index(quantity.denominator)
        above, below = (self.sums[..., place] for place in places)
        return above, below


def _figure(above: float, below: float, quantity: Quantity) -> float:
    if not below:
        return float("nan")
    return 1.0 - above / below if quantity.complement else above / below


def divisions(shape: tuple[int, ...], most: int) -> list[int]:
    """Return the number of blocks along each axis: a power of 2, at most `most`."""
    found = []
    for n in shape:
        count = most
        while count > 1 and n < count * SMALLEST_BLOCK:
            count //= 2
        found.append(count)
    return found


def measured_blocks(labels: Labels, most: int, threads: int) -> Blocks:
    """Measure a structure in blocks.

    Args:
        labels: phases above 0 are solid. May be memory-mapped.
        most: blocks along an axis, a power of 2; fewer where it has few voxels.
        threads: number of CPU threads; the result does not depend on it.
    """
    data, voxel = labels.data, labels.voxel_size_nm
    edges = [
        _edges(n, count) for n, count in zip(data.shape, divisions(data.shape, most), strict=True)
    ]
    sums = np.zeros((*(len(each) for each in edges), len(SUMS)))
    for block, box in _boxes(edges):
        part = data[slices_of(box)]
        voxels, solid = part.size, int(np.count_nonzero(part))
        surface = specific_surface(part, voxel, threads) * voxels if min(part.shape) > 1 else 0.0
        sums[block][:3] = voxels, solid, surface
        sums[block][SUMS.index("pore")] = voxels - solid
    _add_islands(data, edges, sums)
    all_solid = sums[..., SUMS.index("solid")].sum()
    phases: tuple[tuple[Phase, str], ...] = (("solid", "ligament_nm"), ("pore", "pore_nm"))
    for phase, name in phases:
        if not 0 < all_solid < data.size:
            sums[..., SUMS.index(name)] = np.nan
            continue
        for place, thickness in thickness_parts(data, voxel, phase, threads):
            _add(thickness, place, edges, sums[..., SUMS.index(name)])
    whole = specific_surface(data, voxel, threads)
    return Blocks(sums, whole, data.shape)


def _add_islands(data: np.ndarray, edges: list[list[tuple[int, int]]], sums: np.ndarray) -> None:
    """Count solid voxels outside the largest component, slab after slab (mostly there is one)."""
    from scipy import ndimage

    slices = max(2, SLAB_VOXELS // (data.shape[1] * data.shape[2]))
    for first in range(0, len(data), slices):
        numbers, count = ndimage.label(data[first : first + slices])
        sizes = np.zeros(count + 1, np.int64)
        for plane in numbers:
            sizes += np.bincount(plane.reshape(-1), minlength=count + 1)
        sizes[0] = 0
        largest = int(np.argmax(sizes))
        box = ((first, first + len(numbers)), (0, data.shape[1]), (0, data.shape[2]))
        islands = (numbers > 0) & (numbers != largest)
        _add(islands, box, edges, sums[..., SUMS.index("islands")])


def _edges(n: int, count: int) -> list[tuple[int, int]]:
    borders = [n * i // count for i in range(count + 1)]
    return list(pairwise(borders))


def _boxes(edges: list[list[tuple[int, int]]]) -> Iterator[tuple[tuple[int, ...], Box]]:
    for place in product(*(range(len(each)) for each in edges)):
        yield place, tuple(each[i] for each, i in zip(edges, place, strict=True))


def _add(
    part: np.ndarray, where: Box, edges: list[list[tuple[int, int]]], sums: np.ndarray
) -> None:
    """Add the values of a part of the volume to the sums of the blocks that it lies in."""
    for place, box in _boxes(edges):
        common = tuple(
            (max(first, low), min(last, high))
            for (first, last), (low, high) in zip(box, where, strict=True)
        )
        if all(first < last for first, last in common):
            sums[place] += part[slices_of(common, where)].sum(dtype=np.float64)
