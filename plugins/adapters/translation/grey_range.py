"""Scaling of each channel's grey values to a range of about -1 to 1, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.image_statistics.histogram import Histogram
from fibcore import FibError, Images


@dataclass(frozen=True)
class GreyRange:
    """The grey values that become -1 and 1: between them lie the inner 99.8 % of a stack.

    The range is between quantiles rather than extremes, so that a hot pixel does not compress it.
    Nothing is clipped: values beyond become less than -1 or more than 1.

    Attributes:
        low: float64, grey value of each channel that becomes -1.
        high: float64, grey value of each channel that becomes 1.
    """

    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, images: Images, what: str) -> GreyRange:
        """Measure the range of each channel.

        Args:
            images: the stack.
            what: its name in messages, e.g. ``the source``.

        Raises:
            FibError: values that are not finite, or (almost) the same everywhere.
        """
        ranges = []
        for channel, name in zip(images.data, images.names, strict=True):
            low, high = Histogram.of(channel, f"the {name} images of {what}").inner_range()
            if high <= low:
                raise FibError(
                    f"the {name} images of {what} have the same grey value almost everywhere; "
                    f"there is no look to learn. Check the file, or leave the blank part out"
                )
            ranges.append((low, high))
        return cls(*np.array(ranges).T)

    def scaled(self, slices: np.ndarray) -> np.ndarray:
        """Return grey values (channel, ..., y, x) as float32 in which the range is -1 to 1."""
        low, high = self._for(slices)
        return (slices.astype(np.float32) - low) * (2.0 / (high - low)) - np.float32(1.0)

    def restored(self, scaled: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        """Return the grey values of scaled ones; integers are rounded and clipped."""
        low, high = self._for(scaled)
        values = (scaled + np.float32(1.0)) * (0.5 * (high - low)) + low
        if dtype.kind == "u":
            values = np.rint(values).clip(0, np.iinfo(dtype).max)
        return values.astype(dtype)

    def overlaps(self, other: GreyRange) -> bool:
        """Return whether the ranges of each channel have grey values in common."""
        return bool(np.all((self.low < other.high) & (other.low < self.high)))

    def to_json(self) -> list[list[float]]:
        """Return low and high of each channel."""
        return np.stack([self.low, self.high], axis=1).tolist()

    @classmethod
    def from_json(cls, pairs: list[list[float]]) -> GreyRange:
        """Return the range from the result of `to_json`."""
        return cls(*np.array(pairs, float).T)

    def __str__(self) -> str:
        return ", ".join(f"{a:.4g} to {b:.4g}" for a, b in zip(self.low, self.high, strict=True))

    def _for(self, slices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        axes = (slice(None),) + (np.newaxis,) * (slices.ndim - 1)
        return self.low.astype(np.float32)[axes], self.high.astype(np.float32)[axes]
