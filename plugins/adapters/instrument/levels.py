"""Grey values and what they stand for: signals of ideal images, exposure of recorded ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fib_plugins.image_statistics.histogram import Histogram
from fibcore import FibError, Images

SIGNAL_RANGE = (-0.5, 1.5)
"""Ideal signals beyond this show that black_level or white_level is wrong."""
EXPOSED = (0.01, 0.99)
"""Shares of the grey values of a stack that an operator sets brightness and contrast by."""


@dataclass(frozen=True)
class SignalScale:
    """The grey values that stand for signal 0 and 1."""

    black: float
    white: float

    @classmethod
    def of(cls, settings: AcquisitionParameters, dtype: np.dtype) -> SignalScale:
        """Return the scale of ideal images: as set, or from black to white of their type."""
        full = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
        black = 0.0 if settings.black_level is None else settings.black_level
        white = full if settings.white_level is None else settings.white_level
        if white <= black:
            raise FibError(
                f"black_level {black:g} is not below white, {white:g} in {dtype.name} images; "
                f"set white_level to the grey value of full signal"
            )
        return cls(black, white)

    def signal(self, grey: np.ndarray) -> np.ndarray:
        """Return grey values as float32 signals."""
        scaled = (grey.astype(np.float32) - self.black) / (self.white - self.black)
        return scaled.astype(np.float32)

    def grey(self, signal: np.ndarray) -> np.ndarray:
        """Return signals as float32 grey values."""
        return (self.black + signal * (self.white - self.black)).astype(np.float32)

    def slice_of(self, images: Images, channel: int, z: int) -> np.ndarray:
        """Return the signal of a slice, axes (y, x), float32.

        Raises:
            FibError: values that are not finite, or far outside black and white.
        """
        signal = self.signal(np.asarray(images.data[channel, z]))
        low, high = float(signal.min()), float(signal.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise FibError(
                f"slice {z} of the {images.names[channel]} images holds values that are not finite "
                f"(NaN or infinite); replace them, e.g. by the mean grey value"
            )
        if low < SIGNAL_RANGE[0] or high > SIGNAL_RANGE[1]:
            reach = self.grey(np.array([low, high]))
            raise FibError(
                f"slice {z} of the {images.names[channel]} images has grey values from "
                f"{reach[0]:g} to {reach[1]:g}, but black is {self.black:g} and full signal "
                f"{self.white:g}; set black_level and white_level to the grey values of no signal "
                f"and of full signal"
            )
        return signal


@dataclass(frozen=True)
class Exposure:
    """Gain and offset of each channel."""

    gain: Sequence[float]
    offset: Sequence[float]

    @classmethod
    def of(cls, settings: AcquisitionParameters, images: Images, scale: SignalScale) -> Exposure:
        """Return gain and offset as set, or as an operator would set them for this stack.

        Raises:
            FibError: the exposure is to be found, and the images are constant or not finite.
        """
        channels = range(len(images.data))
        if settings.exposure_range is None:
            gains = [settings.of_channel("gain", channel) for channel in channels]
            return cls(gains, [settings.of_channel("offset", channel) for channel in channels])
        wanted = np.array(settings.exposure_range) ** (1.0 / settings.gamma)
        gains, offsets = [], []
        for channel in channels:
            histogram = Histogram.of(images.data[channel], f"the {images.names[channel]} images")
            shares = np.cumsum(histogram.counts) / histogram.counts.sum()
            found = scale.signal(histogram.values[np.searchsorted(shares, EXPOSED)])
            if found[0] == found[1]:
                raise FibError(
                    f"98 % of the {images.names[channel]} images have one grey value, which gives "
                    f"exposure_range nothing to go by; set gain and offset instead"
                )
            gains.append(float((wanted[1] - wanted[0]) / (found[1] - found[0])))
            offsets.append(float(wanted[0] - gains[-1] * found[0]))
        return cls(gains, offsets)
