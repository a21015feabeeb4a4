"""The regions of the field that decide, and the windows that single them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fib_plugins.correctors.limits import limits_of
from fibcore import FibError

Part = tuple[int | None, int | None]
Region = dict[Literal["y", "x"], Part]
Rectangle = tuple[tuple[int, int], tuple[int, int]]
"""First pixel and the one after the last, along (y, x)."""

SMALLEST_PX = 24
"""Shortest edge of a region, in pixels."""
LARGEST_PIXELS = 2 * 2**20
"""Regions of more pixels are binned before slices are compared."""
TAPER_PX = 12
"""Width over which a window falls to 0 at each edge, binned pixels; less in small regions."""


@dataclass(frozen=True)
class Window:
    """What is compared: a rectangle of each slice, binned, times a window.

    Attributes:
        rectangle: in pixels of the slices.
        parts: regions within it, in binned pixels; overlapping ones count once.
        factor: pixels along the edge of a binned one.
    """

    rectangle: Rectangle
    parts: tuple[Rectangle, ...]
    factor: int

    @property
    def shape(self) -> tuple[int, int]:
        """Binned pixels along (y, x)."""
        rows, columns = ((stop - start) // self.factor for start, stop in self.rectangle)
        return rows, columns

    @property
    def padded(self) -> tuple[int, int]:
        """Size of the Fourier transforms, (y, x): fast, and with some room beyond the edges."""
        from scipy.fft import next_fast_len

        rows, columns = self.shape
        return next_fast_len(rows, True), next_fast_len(columns, True)

    @property
    def taper(self) -> int:
        """Width over which the window falls to 0, binned pixels."""
        edges = [stop - start for part in self.parts for start, stop in part]
        return min(TAPER_PX, min(edges) // 6)

    def weights(self, moved: tuple[int, int] = (0, 0)) -> np.ndarray:
        """Return the window: float32 of `shape`, 0 to 1.

        Args:
            moved: binned pixels (y, x) by which another slice is displaced: only pixels that it
                shows, too, keep a weight.
        """
        seen = tuple(
            (max(0, -by), min(size, size - by)) for by, size in zip(moved, self.shape, strict=True)
        )
        window = np.zeros(self.shape, dtype=np.float32)
        for part in self.parts:
            cut = [(max(a, c), min(b, d)) for (a, b), (c, d) in zip(part, seen, strict=True)]
            if any(stop - start < 2 for start, stop in cut):
                continue
            y, x = (slice(*each) for each in cut)
            flanks = [tapered(stop - start, self.taper) for start, stop in cut]
            window[y, x] = np.maximum(window[y, x], flanks[0][:, np.newaxis] * flanks[1])
        return window


def tapered(size: int, taper: int) -> np.ndarray:
    """Return a window of Tukey: 1, with flanks of a raised cosine of `taper` pixels."""
    inside = np.minimum(np.arange(size), np.arange(size)[::-1]) + 1.0
    return 0.5 - 0.5 * np.cos(np.pi * np.clip(inside / (min(taper, size // 2) + 1.0), 0.0, 1.0))


def window_of(regions: Sequence[Region], field: tuple[int, int]) -> Window:
    """Return the window of one or several regions; without any, that of the field.

    Args:
        regions: axis -> [start, stop] in pixels, negative from the end, None: to the end.
        field: pixels of a slice (y, x).

    Raises:
        FibError: a region does not lie within the field, or is too small.
    """
    found = [_rectangle(region, field) for region in regions or [Region()]]
    around = tuple(
        (min(each[axis][0] for each in found), max(each[axis][1] for each in found))
        for axis in (0, 1)
    )
    (top, bottom), (left, right) = around
    factor = 1
    while (bottom - top) * (right - left) > LARGEST_PIXELS * factor**2:
        factor += 1
    rows, columns = (bottom - top) // factor, (right - left) // factor
    parts = tuple(
        (
            ((y[0] - top) // factor, min(rows, (y[1] - top) // factor)),
            ((x[0] - left) // factor, min(columns, (x[1] - left) // factor)),
        )
        for y, x in found
    )
    return Window(((top, bottom), (left, right)), parts, factor)


def _rectangle(region: Mapping[Any, Part], field: tuple[int, int]) -> Rectangle:
    found = []
    for axis, size in zip("yx", field, strict=True):
        start, stop = limits_of(region, axis, size)
        if stop - start < SMALLEST_PX:
            what = f"region {axis}: [{start}, {stop}]" if region else f"the field along {axis}"
            raise FibError(
                f"{what} has {stop - start} pixels; slices are compared in regions of at least "
                f"{SMALLEST_PX} x {SMALLEST_PX} pixels: use larger ones"
            )
        found.append((start, stop))
    return (found[0], found[1])
