"""Grey values of ideal images as signals: 0 is no electron, 1 is every electron coming back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument_base.parameters import InstrumentParameters
from fibcore import FibError, Images

SIGNAL_RANGE = (-0.5, 1.5)
"""Ideal signals beyond this show that black_level or white_level is wrong."""
MOST_SECONDARY = 20.0
"""The same of other detectors than ``bse``: an electron may set free several secondary ones."""


@dataclass(frozen=True)
class SignalScale:
    """The grey values of signal 0 and 1."""

    black: float
    white: float

    @classmethod
    def of(cls, settings: InstrumentParameters, images: Images) -> tuple[SignalScale, ...]:
        """Return the scale of each channel: as set, or from black to white of the images' type.

        Raises:
            FibError: black is not below white.
        """
        dtype = images.data.dtype
        full = 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)
        scales = []
        for channel in range(len(images.data)):
            black = settings.of_channel("black_level", channel) or 0.0
            white = settings.of_channel("white_level", channel)
            white = full if white is None else white
            if white <= black:
                raise FibError(
                    f"black_level {black:g} is not below white, {white:g} in {dtype.name} images; "
                    f"set white_level to the grey value of full signal"
                )
            scales.append(cls(black, white))
        return tuple(scales)

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
        backscattered = images.detectors[channel] in (None, "bse")
        if low < SIGNAL_RANGE[0] or high > (SIGNAL_RANGE[1] if backscattered else MOST_SECONDARY):
            reach = self.grey(np.array([low, high]))
            raise FibError(
                f"slice {z} of the {images.names[channel]} images has grey values from "
                f"{reach[0]:g} to {reach[1]:g}, but black is {self.black:g} and full signal "
                f"{self.white:g}; set black_level and white_level to the grey values of no signal "
                f"and of full signal"
            )
        return signal
