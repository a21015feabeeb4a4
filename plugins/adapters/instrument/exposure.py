"""Exposure: the gain and offset that an operator sets for a stack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fib_plugins.adapters.instrument_base.signal_scale import SignalScale
from fib_plugins.image_statistics.histogram import Histogram
from fibcore import FibError, Images

EXPOSED = (0.01, 0.99)
"""Quantiles of the grey values of a stack from which an operator sets brightness and contrast."""


@dataclass(frozen=True)
class Exposure:
    """Gain and offset of each channel."""

    gain: Sequence[float]
    offset: Sequence[float]

    @classmethod
    def of(
        cls, settings: AcquisitionParameters, images: Images, scales: Sequence[SignalScale]
    ) -> Exposure:
        """Return gain and offset as set, or as an operator would set them for this stack.

        Raises:
            FibError: the exposure depends on the images, which are constant or not finite.
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
            found = scales[channel].signal(histogram.values[np.searchsorted(shares, EXPOSED)])
            if found[0] == found[1]:
                raise FibError(
                    f"98 % of the {images.names[channel]} images have one grey value, so that "
                    f"exposure_range cannot be applied; set gain and offset instead"
                )
            gains.append(float((wanted[1] - wanted[0]) / (found[1] - found[0])))
            offsets.append(float(wanted[0] - gains[-1] * found[0]))
        return cls(gains, offsets)
