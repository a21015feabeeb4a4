"""Z-scores: grey values by mean and standard deviation of a stack, or of each of its slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.image_statistics.histogram import Histogram
from fibcore import FibError, Images


@dataclass(frozen=True)
class GreyScale:
    """Offset and divisor that turn grey values into z-scores.

    Attributes:
        centre: float64 in axes (channel, slice), with a single slice for the whole stack, or all.
        scale: standard deviation, in the same axes.
    """

    centre: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, images: Images, per_slice: bool = False) -> GreyScale:
        """Measure mean and standard deviation of each channel, or of each of its slices.

        Raises:
            FibError: values that are not finite, or grey values that do not vary.
        """
        found = []
        for name, channel in zip(images.names, images.data, strict=True):
            if per_slice:
                parts = [
                    Histogram.of(channel[z : z + 1], f"slice {z} of the {name} images")
                    for z in range(len(channel))
                ]
            else:
                parts = [Histogram.of(channel, f"the {name} images")]
            moments = [part.moments() for part in parts]
            if any(deviation == 0 for _, deviation in moments):
                raise FibError(
                    f"the {name} images have the same grey value almost everywhere; there is "
                    f"nothing to distinguish phases by. Check the file"
                )
            found.append(moments)
        array = np.array(found)
        return cls(array[..., 0], array[..., 1])

    def apply(self, images: Images, z: Sequence[int] | np.ndarray) -> np.ndarray:
        """Return slices `z` as float32 z-scores in axes (channel, slice, y, x)."""
        z = np.asarray(z)
        row = np.zeros_like(z) if self.centre.shape[1] == 1 else z
        centre = self.centre[:, row, None, None].astype(np.float32)
        scale = self.scale[:, row, None, None].astype(np.float32)
        return (images.data[:, z].astype(np.float32) - centre) / scale
