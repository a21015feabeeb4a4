"""Statistics for comparing two stacks of images: grey values, spectrum, noise, patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.image_comparison.grey_distribution import grey_distance, scaled
from fib_plugins.image_comparison.patch_distance import patch_distance, projections, random_patches
from fib_plugins.image_comparison.power_spectrum import (
    FLOOR,
    Rings,
    radial_power,
    spectrum_distance,
)
from fib_plugins.image_comparison.sampling import Sampling
from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.image_statistics.noise_level import noise_level
from fibcore import FibError, Images

DISTANCES = (
    "grey_distance",
    "scaled_grey_distance",
    "spectrum_distance",
    "patch_distance",
    "noise_distance",
)
"""Names of the distances between two stacks, 0 for equal stacks; see `DomainGap`."""


@dataclass(frozen=True)
class ChannelStatistics:
    """Statistics of one channel of a stack.

    Attributes:
        histogram: of its grey values.
        mean: of the grey values, without the outermost 0.2 %.
        deviation: their standard deviation.
        power: spectral density in each ring over the variance, in nm^2.
        noise: over the standard deviation.
    """

    histogram: Histogram
    mean: float
    deviation: float
    power: np.ndarray
    noise: float

    @classmethod
    def of(
        cls,
        slices: np.ndarray,
        what: str,
        pixel_size_nm: tuple[float, float],
        rings: Rings,
        threads: int = 1,
    ) -> ChannelStatistics:
        """Measure a channel.

        Args:
            slices: grey values, axes (z, y, x); may be memory-mapped.
            what: their name in messages.
            pixel_size_nm: (y, x).
            rings: of the spectrum.
            threads: number of CPU threads; the result does not depend on it.

        Raises:
            FibError: values that are not finite, or do not vary.
        """
        histogram = Histogram.of(slices, what)
        mean, deviation = histogram.moments()
        if deviation == 0:
            raise FibError(
                f"{what} have the same grey value almost everywhere; there is nothing to compare. "
                f"Check the file"
            )
        power = radial_power(slices, pixel_size_nm, rings, threads) / deviation**2
        least = FLOOR * pixel_size_nm[0] * pixel_size_nm[1]
        noise = noise_level(slices, threads) / deviation
        return cls(histogram, mean, deviation, np.maximum(power, least), noise)

    def gap(self, reference: ChannelStatistics) -> dict[str, float]:
        """Return the distances of one channel from that of a reference, and its noise."""
        plain = grey_distance(self.histogram, reference.histogram)
        return {
            "grey_distance": plain / reference.deviation,
            "scaled_grey_distance": grey_distance(
                scaled(self.histogram), scaled(reference.histogram)
            ),
            "spectrum_distance": spectrum_distance(self.power, reference.power),
            "noise_distance": abs(self.noise - reference.noise),
            "noise": self.noise,
        }


@dataclass(frozen=True)
class StackStatistics:
    """Statistics of a stack.

    Attributes:
        channels: statistics of each channel.
        projections: of patches of all channels together, sorted.
        slices: number of slices that were measured.
    """

    channels: list[ChannelStatistics]
    projections: np.ndarray
    slices: int

    @classmethod
    def of(
        cls,
        images: Images,
        what: str,
        sampling: Sampling,
        threads: int = 1,
    ) -> StackStatistics:
        """Measure a stack.

        Args:
            images: any number of channels and slices.
            what: their name in messages.
            sampling: the slices, patches and frequencies to measure.
            threads: number of CPU threads; the result does not depend on it.

        Raises:
            FibError: values that are not finite, or do not vary.
        """
        images = sampling.part_of(images)
        pixel_nm = images.voxel_size_nm[1:]
        channels = [
            ChannelStatistics.of(slices, f"the {name} {what}", pixel_nm, sampling.rings, threads)
            for name, slices in zip(images.names, images.data, strict=True)
        ]
        scales = np.array([(channel.mean, channel.deviation) for channel in channels])
        centre, scale = scales.T[:, :, None, None]
        patches = random_patches(images.data, sampling.patch_pixels, sampling.places)
        projected = projections((patches - centre) / scale, sampling.directions)
        return cls(channels, projected, len(images.data[0]))

    @property
    def noise(self) -> float:
        """Noise over the standard deviation, mean over the channels."""
        return float(np.mean([channel.noise for channel in self.channels]))

    def distances(self, reference: StackStatistics) -> dict[str, float]:
        """Return the `DISTANCES` from a reference by name, each the mean over the channels."""
        pairs = zip(self.channels, reference.channels, strict=True)
        gaps = [one.gap(other) for one, other in pairs]
        found = {name: float(np.mean([gap[name] for gap in gaps])) for name in gaps[0]}
        found["patch_distance"] = patch_distance(self.projections, reference.projections)
        return {name: found[name] for name in DISTANCES}
