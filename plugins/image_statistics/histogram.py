"""Histograms of the grey values of image stacks of any size and depth.

A stack is read slice by slice, so that memory does not grow with the number of slices. 16-bit
values are never reduced to 8 bits: integers are counted one by one, float32 values in 65536 bins
between their extremes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fibcore import FibError

FLOAT_BINS = 65536
TAIL = 0.001
"""Share of the grey values that is clipped at either end before mean and deviation are computed, so
that hot pixels and dead corners do not determine the contrast."""


@dataclass(frozen=True)
class Histogram:
    """The number of pixels at each grey value, from the darkest that occurs to the brightest.

    Attributes:
        counts: int64, one per bin.
        values: float64, grey value of each bin, ascending.
    """

    counts: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, slices: np.ndarray, what: str) -> Histogram:
        """Count the grey values of slices, axes (z, y, x).

        Args:
            slices: uint8, uint16 or float32; may be memory-mapped.
            what: their name in messages, e.g. ``the 2 kV images``.

        Raises:
            FibError: a value is not finite, or all are the same.
        """
        if slices.dtype.kind == "f":
            low = float(np.min([plane.min() for plane in slices]))
            high = float(np.max([plane.max() for plane in slices]))
            if not np.isfinite(low) or not np.isfinite(high):
                raise FibError(
                    f"{what} hold values that are not finite (NaN or infinite); replace them, "
                    f"e.g. by the mean grey value"
                )
            values = low + (np.arange(FLOAT_BINS) + 0.5) * (high - low) / FLOAT_BINS
            counts = np.zeros(FLOAT_BINS, np.int64)
            for plane in slices:
                counts += np.histogram(plane, FLOAT_BINS, (low, high))[0]
        else:
            bins = np.iinfo(slices.dtype).max + 1
            values = np.arange(bins, dtype=float)
            counts = np.zeros(bins, np.int64)
            for plane in slices:
                counts += np.bincount(plane.ravel(), minlength=bins)
        occupied = np.flatnonzero(counts)
        if len(occupied) < 2:
            raise FibError(
                f"{what} have the same grey value everywhere; there is nothing to distinguish "
                f"phases by. Check the file, or leave the blank part out"
            )
        box = slice(occupied[0], occupied[-1] + 1)
        return cls(counts[box], values[box])

    def inner_range(self) -> tuple[float, float]:
        """Return the grey values between which the inner 99.8 % lie."""
        shares = np.cumsum(self.counts) / self.counts.sum()
        low, high = self.values[np.searchsorted(shares, [TAIL, 1.0 - TAIL])]
        return float(low), float(high)

    def coarser(self, bins: int) -> Histogram:
        """Return a histogram with about `bins` bins across the inner 99.8 % of the grey values.

        The value of a bin is the brightest counted in it. A histogram without more bins than that
        is returned unchanged.
        """
        low, high = np.searchsorted(self.values, self.inner_range())
        width = -(-int(high - low + 1) // bins)
        begins = np.arange(0, len(self.counts), width)
        ends = np.minimum(begins + width, len(self.counts)) - 1
        return Histogram(np.add.reduceat(self.counts, begins), self.values[ends])

    def moments(self) -> tuple[float, float]:
        """Return mean and standard deviation of the grey values, clipped to the inner 99.8 %."""
        clipped = np.clip(self.values, *self.inner_range())
        mean = float(np.average(clipped, weights=self.counts))
        deviation = float(np.sqrt(np.average((clipped - mean) ** 2, weights=self.counts)))
        return mean, deviation
