"""Tiles of slices that together give what one pass over the whole slice gives.

A convolutional network without statistics of its input looks only so far. A tile that shows as much
around the pixels it yields is therefore exact: no window's edge can be seen, and none has to be
blended away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product

TENSOR_BYTES = 2**25 - 2**16
"""Most memory of the largest tensor, features at full resolution before the last convolutions.
The C library of Linux returns blocks of 2^25 bytes and more to the system whenever they are freed;
getting them back took a third of the time."""
SLICES = 4
"""Slices that are read at a time, with neighbours that they share. The network takes as many at a
time where they are small: more made none faster."""
FEATURE_BYTES = 15
"""Memory per pixel of a tile, feature channel at full resolution, and byte of a number; measured:
11 to 18."""
INPUT_BYTES = 16
"""Memory per pixel of a tile and slice shown."""
EDGES = 4
"""Least edge of tiles, in units of what they show in addition along an axis: at least 56 % of what
is computed is used."""


@dataclass(frozen=True)
class Span:
    """A stretch of an axis: the pixels that a tile yields, and those that it shows.

    Attributes:
        own: pixels that the tile yields.
        shown: pixels that the network sees; they may lie up to one coarsest pixel beyond the end.
    """

    own: slice
    shown: slice

    @property
    def length(self) -> int:
        """Number of pixels shown."""
        return int(self.shown.stop - self.shown.start)

    @property
    def inner(self) -> slice:
        """The own pixels, counted from the first one shown."""
        return slice(self.own.start - self.shown.start, self.own.stop - self.shown.start)


def reach(depth: int) -> tuple[int, int]:
    """Return how many pixels a U-Net sees before and behind a group of pixels along an axis.

    A group is a coarsest pixel, 2^depth pixels that begin at a multiple of that. The numbers are
    multiples of it, too. They differ since convolutions with a stride of 2 look one pixel back
    only.

    Args:
        depth: number of halvings; each resolution has two convolutions of 3 pixels.
    """
    return 5 * 2**depth, 4 * 2**depth


def most_voxels(base_channels: int, itemsize: int) -> int:
    """Return the most pixels of a tile.

    Args:
        base_channels: feature channels at full resolution.
        itemsize: bytes of a feature.
    """
    return TENSOR_BYTES // (2 * base_channels * itemsize)


def slices_at_once(voxels: int, most: int) -> int:
    """Return how many tiles of so many pixels a CPU thread takes at a time; see `most_voxels`."""
    return max(1, min(SLICES, most // voxels))


def memory(shape: tuple[int, int], depth: int, width: tuple[int, int], shown: int) -> int:
    """Return the bytes that one thread needs for inference in tiles.

    Args:
        shape: pixels of the slices in y and x.
        depth: number of halvings of the network.
        width: arguments of `most_voxels`.
        shown: slices of all voltages that are inputs of a slice.
    """
    most = most_voxels(*width)
    voxels = largest(shape, depth, most)
    features = FEATURE_BYTES * math.prod(width) * slices_at_once(voxels, most)
    return voxels * (features + INPUT_BYTES * (SLICES + shown))


def tiles(shape: tuple[int, int], depth: int, most: int) -> list[tuple[Span, Span]]:
    """Return tiles (rows, columns) that cover slices, with the least to compute.

    Args:
        shape: pixels of the slices in y and x.
        depth: number of halvings of the network.
        most: most pixels of a tile; more where `EDGES` needs it.
    """
    most = max(most, (EDGES * sum(reach(depth))) ** 2)
    rows, columns = (_Axis(length, depth) for length in shape)
    grids = []
    for number in range(1, rows.groups + 1):
        beside = columns.fewest(most // rows.longest(number))
        if beside:
            grids.append((rows.computed(number) * columns.computed(beside), number, beside))
    _, number, beside = min(grids)
    return list(product(rows.spans(number), columns.spans(beside)))


def largest(shape: tuple[int, int], depth: int, most: int) -> int:
    """Return the pixels of the largest tile; arguments as of `tiles`."""
    return max(rows.length * columns.length for rows, columns in tiles(shape, depth, most))


class _Axis:
    """An axis of so many pixels, which is divided between groups of 2^depth pixels."""

    def __init__(self, length: int, depth: int) -> None:
        self._length, self._group = length, 2**depth
        self._before, self._behind = reach(depth)
        self.groups = math.ceil(length / self._group)

    def longest(self, number: int) -> int:
        """Return the most pixels that one of so many spans shows."""
        if number == 1:
            return self.groups * self._group
        return math.ceil(self.groups / number) * self._group + self._before + self._behind

    def computed(self, number: int) -> int:
        """Return the pixels that so many spans show together."""
        return self.groups * self._group + (number - 1) * (self._before + self._behind)

    def fewest(self, most: int) -> int | None:
        """Return the smallest number of spans that show at most so many pixels each."""
        if self.longest(1) <= most:
            return 1
        own = (most - self._before - self._behind) // self._group
        return math.ceil(self.groups / own) if own > 0 else None

    def spans(self, number: int) -> list[Span]:
        """Return so many spans, about equally long."""
        group, end = self._group, self.groups * self._group
        edges = [self.groups * part // number * group for part in range(number + 1)]
        return [
            Span(
                slice(start, min(stop, self._length)),
                slice(max(0, start - self._before), min(stop + self._behind, end)),
            )
            for start, stop in pairwise(edges)
        ]
