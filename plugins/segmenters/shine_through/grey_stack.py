"""One channel as the segmenters read it: smoothed slices, solid bright, with its noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.image_statistics.levels import otsu_level
from fib_plugins.image_statistics.noise_level import noise_level
from fib_plugins.milled_face.mode import blurred, blurred_histogram

SAMPLED = 64
"""Slices from which noise and levels are estimated, evenly spaced."""
FIRST_BLUR_PX = 1.0
"""Blur before the level is estimated."""
NOISE_SHARE = 1 / 15
"""Noise after smoothing, as a part of the contrast, if the width is not given."""
MOST_BLUR_PX = 3.0
LEAST_BLUR_PX = 0.4
"""Below, a sampled Gaussian hardly smooths."""


@dataclass(frozen=True)
class GreyStack:
    """A stack of slices, axes (z, y, x), and what is estimated from it.

    Grey values are negated if the solid is dark, so that solid is always the brighter phase.

    Attributes:
        data: the channel as it was recorded.
        sign: -1 if the solid is dark, else 1.
        smooth_px: standard deviation of the blur of each slice, pixels.
        noise: standard deviation of white noise after it.
        level: Otsu's, of blurred slices.
        dark: mean grey value of the class below this level.
        bright: mean grey value of the class above it.
    """

    data: np.ndarray
    sign: float
    smooth_px: float
    noise: float
    level: float
    dark: float
    bright: float

    @classmethod
    def of(
        cls, data: np.ndarray, what: str, *, dark: bool, smooth_px: float | None, threads: int
    ) -> GreyStack:
        """Estimate noise and levels.

        Args:
            data: the channel, axes (z, y, x); may be memory-mapped.
            what: its name in messages.
            dark: whether the solid is dark.
            smooth_px: blur of each slice; None: chosen by noise and contrast.
            threads: for the estimation of the noise.

        Raises:
            FibError: a value is not finite, or all are the same.
        """
        chosen = np.unique(np.linspace(0, len(data) - 1, SAMPLED).round().astype(int))
        sample = [data[z] for z in chosen]
        histogram = blurred_histogram(sample, FIRST_BLUR_PX, what)
        level = otsu_level(histogram)
        above = histogram.values > level
        means = [
            float(np.average(histogram.values[part], weights=histogram.counts[part]))
            for part in (~above, above)
        ]
        noise = noise_level(sample, threads)  # type: ignore[arg-type]  # any sequence of slices
        if smooth_px is None:
            smooth_px = min(_gain(noise, NOISE_SHARE * (means[1] - means[0])), MOST_BLUR_PX)
            smooth_px = smooth_px if smooth_px >= LEAST_BLUR_PX else 0.0
        after = noise / max(1.0, 2.0 * np.sqrt(np.pi) * smooth_px)
        sign = -1.0 if dark else 1.0
        low, high = sorted(sign * mean for mean in means)
        return cls(data, sign, smooth_px, float(after), sign * level, low, high)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along (z, y, x)."""
        z, y, x = self.data.shape
        return (z, y, x)

    @property
    def contrast(self) -> float:
        """Difference between the means of the two classes."""
        return self.bright - self.dark

    def plane(self, z: int, blur_px: float | None = None, rows: slice = slice(None)) -> np.ndarray:
        """Return a slice, axes (y, x), float32, solid bright, after `smooth_px` or another blur.

        Args:
            z: its number.
            blur_px: standard deviation of the blur, pixels.
            rows: the rows to return.
        """
        blur = self.smooth_px if blur_px is None else blur_px
        wider = widened(rows, int(4 * blur) + 1, self.data.shape[1])
        plane = blurred(self.data[z, wider], blur)
        return self.sign * plane[within(rows, wider, self.data.shape[1])]

    def estimates(self) -> dict[str, float]:
        """Return the row of the table `estimates`."""
        return {
            "smooth_px": self.smooth_px,
            "noise_grey_value": self.noise,
            "level_grey_value": self.sign * self.level,
            "contrast_grey_value": self.contrast,
        }


def _gain(noise: float, wanted: float) -> float:
    """Return the width of a Gaussian that reduces white noise to `wanted`; 0 if it is lower.

    A normalised Gaussian of standard deviation s pixels multiplies the standard deviation of white
    noise by 1 / (2 sqrt(pi) s).
    """
    return noise / (2.0 * float(np.sqrt(np.pi)) * wanted) if noise > wanted else 0.0


def widened(part: slice, by: int, size: int) -> slice:
    """Return a part of an axis of `size` elements with `by` more of them on either side."""
    start, stop, _ = part.indices(size)
    return slice(max(start - by, 0), min(stop + by, size))


def within(part: slice, wider: slice, size: int) -> slice:
    """Return where a part of an axis lies in a wider part."""
    start, stop, _ = part.indices(size)
    return slice(start - wider.start, stop - wider.start)
