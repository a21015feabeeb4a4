"""A channel of a stack as used for estimates: levels of its middle part.

Levels are grey values as fractions of the full scale, before gamma.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument import effects
from fib_plugins.adapters.instrument_base.signal_scale import SignalScale
from fib_plugins.image_statistics.histogram import Histogram
from fibcore import Images

MOST_SLICES = 48
"""Number of consecutive slices in the middle of a stack that are used."""
MOST_PIXELS = 768
"""Edge of the middle part of larger slices that is used."""


@dataclass(frozen=True)
class Recording:
    """A channel of a stack, as levels.

    Attributes:
        images: the stack.
        channel: which channel.
        scale: grey values of black and full scale.
        gamma: that of the instrument.
        blur_fwhm_nm: of the beam that its slices are blurred with.
    """

    images: Images
    channel: int
    scale: SignalScale
    gamma: float
    blur_fwhm_nm: float = 0.0

    def plane(self, z: int) -> np.ndarray:
        """Return slice `z`, float32."""
        level = self.scale.slice_of(self.images, self.channel, z)
        if self.gamma != 1:
            level = np.maximum(level, 0.0) ** np.float32(1.0 / self.gamma)
        if self.blur_fwhm_nm:
            sigma = self.blur_fwhm_nm / effects.FWHM_PER_SIGMA
            y_nm, x_nm = self.pixel_nm
            level = effects.blurred(level, (sigma / y_nm, sigma / x_nm))
        return level

    def middle(self) -> list[np.ndarray]:
        """Return a run of slices in the middle of the stack, without blank ones."""
        depth = self.images.shape[0]
        start = max(0, (depth - MOST_SLICES) // 2)
        planes = [self.plane(z) for z in range(start, min(depth, start + MOST_SLICES))]
        return [plane for plane in planes if np.ptp(plane) > 0] or planes

    def all(self) -> Iterator[np.ndarray]:
        """Yield every slice."""
        return (self.plane(z) for z in range(self.images.shape[0]))

    @classmethod
    def of(cls, images: Images, channel: int, scale: SignalScale, gamma: float) -> Recording:
        """Return the middle part of a channel."""
        top, left = (max(0, (size - MOST_PIXELS) // 2) for size in images.shape[1:])
        data = images.data[..., top : top + MOST_PIXELS, left : left + MOST_PIXELS]
        return cls(images.with_data(data), channel, scale, gamma)

    @property
    def pixel_nm(self) -> tuple[float, float]:
        """Size of pixels (y, x) in nm."""
        return self.images.voxel_size_nm[1:]

    @property
    def step(self) -> float:
        """Distance of grey levels; 0 for float32."""
        kind = self.images.data.dtype
        return 0.0 if kind.kind == "f" else 1.0 / float(np.iinfo(kind).max)


def require_contrast(recording: Recording, what: str) -> Histogram:
    """Return the histogram of a channel of the `what` (target, source).

    Raises:
        FibError: constant images, or values that are not finite.
    """
    name = recording.images.names[recording.channel]
    data = recording.images.data[recording.channel]
    return Histogram.of(data, f"the {name} images of the {what}")
