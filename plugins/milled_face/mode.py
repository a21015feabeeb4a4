"""The narrow mode that the milled face of a solid forms in the histogram of a stack.

A milled face is flat, so that after a blur, which removes noise, all of it has nearly one grey
value. What lies in pores has many. Edges of pores, and solid below the face that shines nearly as
bright, widen the lower flank of the mode; its upper flank is clean. The width is therefore taken
from the upper flank, and the share of the mode is the area under this flank and its mirror image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fib_plugins.image_statistics.histogram import Histogram
from fibcore import FibError

BINS = 4096
"""Bins of the histogram of blurred slices."""
HALF = float(np.sqrt(2.0 * np.log(2.0)))
"""Distance from the maximum to half of it, in standard deviations of a normal distribution."""
SMOOTHING = 0.05
"""Standard deviation of the smoothing before maxima are searched, in that of all grey values."""
OWN_SMOOTHING = 0.4
"""The same for one mode, in its own standard deviations."""
PROMINENCE = 0.35
"""A mode rises by this part of its height above the valleys beside it."""
HEIGHT = 0.1
"""Modes lower than this part of the highest one are texture."""
LEAST_SHARE = 0.1
MOST_SHARE = 0.97
"""A mode with less is a speck; with more, there is nothing beside it."""
WIDE, DOUBTFUL = 0.6, 0.4
"""Width of the mode over the spread of all grey values: from `WIDE` on there is no narrow mode,
from `DOUBTFUL` on it is not certain that there is one."""
ROUNDS = 5


@dataclass(frozen=True)
class Mode:
    """The mode of the solid, in grey values of the blurred images.

    Attributes:
        level: its maximum.
        deviation: standard deviation of the flank away from the pores.
        share: of the area under that flank and its mirror image, 0 to 1.
        spread: standard deviation of all grey values.
    """

    level: float
    deviation: float
    share: float
    spread: float

    @property
    def doubtful(self) -> bool:
        """Whether the mode is hardly narrower than all grey values together."""
        return self.deviation > DOUBTFUL * self.spread

    @classmethod
    def of(cls, histogram: Histogram, solid: Literal["bright", "dark"], what: str) -> Mode:
        """Find it in the histogram of blurred images.

        Of several modes, as of solid and resin, it is the brightest, or the darkest for dark solid.

        Args:
            histogram: bins of one width.
            solid: on which side of the pores the solid is.
            what: name of the images in messages, e.g. ``the 2 kV images``.

        Raises:
            FibError: no mode, or a single one that holds nearly all grey values.
        """
        counts, values = histogram.counts, histogram.values
        if solid == "dark":
            counts, values = counts[::-1], -values[::-1]
        step = float(values[-1] - values[0]) / (len(values) - 1)
        density = counts / (counts.sum() * step)
        spread = histogram.moments()[1]
        if (found := _brightest(density, step, spread)) is None:
            raise FibError(f"{what} have no mode that could be the milled face of the solid; {USE}")
        at, width = found
        for _ in range(ROUNDS):
            at, width = _refined(density, step, at, width)
        height = float(_smooth(density, OWN_SMOOTHING * width / step)[at])
        share = height * width * float(np.sqrt(2.0 * np.pi * (1.0 + OWN_SMOOTHING**2)))
        if share > MOST_SHARE or width > WIDE * spread:
            raise FibError(
                f"the histogram of {what} has one mode (standard deviation {width:.3g}, that of "
                f"all grey values {spread:.3g}): no narrow mode of a milled face stands out from "
                f"pores; {USE}"
            )
        level = float(values[at])
        return cls(-level if solid == "dark" else level, width, min(share, 1.0), spread)


USE = "use method otsu or manual, another channel, or images with less noise (a wider blur)"


def blurred_histogram(slices: Iterable[np.ndarray], blur_px: float, what: str) -> Histogram:
    """Return the histogram of slices (y, x) after a Gaussian blur, in bins of one width.

    Args:
        slices: iterated over twice; may be memory-mapped.
        blur_px: standard deviation of the blur within a slice, pixels.
        what: their name in messages.

    Raises:
        FibError: a value is not finite, or all are the same.
    """
    ends = [(float(plane.min()), float(plane.max())) for plane in slices]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    if not (np.isfinite(low) and np.isfinite(high)) or low == high:
        state = "values that are not finite" if low != high else "the same grey value everywhere"
        raise FibError(f"{what} hold {state}: there is nothing to distinguish phases by")
    counts = np.zeros(BINS, np.int64)
    for plane in slices:
        counts += np.histogram(blurred(plane, blur_px), BINS, (low, high))[0]
    values = low + (np.arange(BINS) + 0.5) * (high - low) / BINS
    occupied = np.flatnonzero(counts)
    box = slice(occupied[0], occupied[-1] + 1)
    return Histogram(counts[box], values[box])


def blurred(plane: np.ndarray, blur_px: float) -> np.ndarray:
    """Return a slice after a Gaussian blur, float32."""
    from scipy.ndimage import gaussian_filter

    plane = plane.astype(np.float32)
    return np.asarray(gaussian_filter(plane, blur_px)) if blur_px else plane


def _brightest(density: np.ndarray, step: float, spread: float) -> tuple[int, float] | None:
    """Return the bin and the width of the brightest mode; None if there is none."""
    from scipy.signal import find_peaks

    smooth = _smooth(density, max(SMOOTHING * spread / step, 1.0))
    padded = np.concatenate([[0.0], smooth, [0.0]])
    peaks = find_peaks(padded, height=HEIGHT * smooth.max())[0]
    peaks = [p - 1 for p in peaks if _prominence(padded, p) >= PROMINENCE * padded[p]]
    for peak in peaks[::-1]:
        width = _upper_width(smooth, step, peak)
        if smooth[peak] * width * np.sqrt(2.0 * np.pi) >= LEAST_SHARE:
            return int(peak), width
    return None


def _prominence(density: np.ndarray, peak: int) -> float:
    from scipy.signal import peak_prominences

    return float(peak_prominences(density, [peak])[0][0])


def _refined(density: np.ndarray, step: float, at: int, width: float) -> tuple[int, float]:
    """Return bin and width of a mode, after a smoothing by part of its own width."""
    smooth = _smooth(density, OWN_SMOOTHING * width / step)
    reach = max(int(2.0 * width / step), 1)
    start = max(at - reach, 0)
    at = start + int(np.argmax(smooth[start : at + reach + 1]))
    return at, _upper_width(smooth, step, at) / float(np.sqrt(1.0 + OWN_SMOOTHING**2))


def _upper_width(density: np.ndarray, step: float, at: int) -> float:
    """Return the standard deviation of the flank above a maximum, from where it falls to half."""
    half = 0.5 * density[at]
    below = np.flatnonzero(density[at:] <= half)
    if not len(below):
        return (len(density) - at) * step / HALF
    after = at + int(below[0])
    part = (density[after - 1] - half) / (density[after - 1] - density[after])
    return float(after - 1 + part - at) * step / HALF


def _smooth(density: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(density, max(sigma, 1.0), mode="constant"))
