"""What the grey values of a prepared sample show: contrast, noise, blur, phases, charging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.image_statistics.levels import otsu_level
from fib_plugins.image_statistics.noise_level import noise_level
from fib_plugins.milled_face.mode import Mode, blurred, blurred_histogram
from fib_plugins.reconstruct.finding import plugin, quiet_context
from fibcore import FibError, Images

BLUR_PX = 1.5
"""Slices are blurred by this before their structure is searched."""
LEAST_COMMON = 0.12
"""Correlation of blurred neighbouring slices below which they show no structure."""
LEAST_CONTRAST = 1.6
"""Deviation of blurred slices over that of white noise alone, below which there is no structure."""
PROMINENCE, HEIGHT = 0.12, 0.05
"""A mode of the histogram rises by this part of the highest above its valleys, and is as high."""
NEAR_PX, FAR_PX = 2, 8
"""Distance behind edges in which trails of charging are searched."""


@dataclass(frozen=True)
class GreyLevels:
    """Of one channel.

    Attributes:
        name: of the channel.
        contrast: bright minus dark class (Otsu), grey values.
        noise: standard deviation, grey values.
        blur_nm: diameter of the beam (FWHM); nan if it cannot be estimated.
        common: correlation of neighbouring slices.
        over_noise: deviation of blurred slices over that of white noise alone.
        modes: number of modes of the histogram of blurred slices.
        face_share: share of the narrow mode of a milled face; nan without one.
        trail: how much brighter pixels are behind (+x) than before bright regions, as a share of
            the contrast.
    """

    name: str
    contrast: float
    noise: float
    blur_nm: float
    common: float
    over_noise: float
    modes: int
    face_share: float
    trail: float

    @property
    def shows_structure(self) -> bool:
        """Whether it shows anything that is not noise of single slices."""
        return self.common >= LEAST_COMMON and self.over_noise >= LEAST_CONTRAST


def grey_levels(images: Images) -> list[GreyLevels]:
    """Return those of each channel of a prepared sample."""
    blurs = _blurs(images)
    found = []
    for number, name in enumerate(images.names):
        data = images.data[number]
        smooth = np.stack([blurred(plane, BLUR_PX) for plane in data])
        noise = noise_level(data)
        level = otsu_level(Histogram(*_counted(smooth)))
        bright = smooth > level
        contrast = float(smooth[bright].mean() - smooth[~bright].mean()) if bright.any() else 0.0
        white = noise / (2.0 * np.sqrt(np.pi) * BLUR_PX)
        spread = float(np.median(smooth.std(axis=(1, 2))))
        found.append(
            GreyLevels(
                name=name,
                contrast=contrast,
                noise=noise,
                blur_nm=blurs[number],
                common=_common(smooth),
                over_noise=spread / white if white > 0 else np.inf,
                modes=_modes(smooth),
                face_share=_face_share(data, name),
                trail=_trail(smooth, bright, contrast),
            )
        )
    return found


def _counted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    counts, edges = np.histogram(values, 512)
    return counts, (edges[1:] + edges[:-1]) / 2


def _common(smooth: np.ndarray) -> float:
    """Return the mean correlation of neighbouring slices."""
    flat = smooth.reshape(len(smooth), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1)
    norms[norms == 0] = 1.0
    return float(np.mean(np.sum(flat[1:] * flat[:-1], axis=1) / (norms[1:] * norms[:-1])))


def _modes(smooth: np.ndarray) -> int:
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import find_peaks

    low, high = np.percentile(smooth, (0.2, 99.8))
    counts = np.histogram(smooth, 200, (low, high if high > low else low + 1.0))[0]
    density = np.pad(gaussian_filter1d(counts.astype(float), 4.0), 1)
    top = density.max()
    return len(find_peaks(density, height=HEIGHT * top, prominence=PROMINENCE * top)[0])


def _face_share(data: np.ndarray, name: str) -> float:
    try:
        return Mode.of(blurred_histogram(list(data), BLUR_PX, name), "bright", name).share
    except FibError:
        return float("nan")


def _trail(smooth: np.ndarray, bright: np.ndarray, contrast: float) -> float:
    """Return how much brighter dark pixels are behind bright ones along x than before them."""
    if contrast <= 0:
        return 0.0
    left, right = ~bright.copy(), ~bright.copy()
    after, before = np.zeros_like(bright), np.zeros_like(bright)
    for distance in range(NEAR_PX, FAR_PX + 1):
        after[..., distance:] |= bright[..., :-distance]
        before[..., :-distance] |= bright[..., distance:]
    behind, ahead = right & after & ~before, left & before & ~after
    if not behind.any() or not ahead.any():
        return 0.0
    return float(smooth[behind].mean() - smooth[ahead].mean()) / contrast


def _blurs(images: Images) -> list[float]:
    """Return the beam diameter of each channel, as `adapter/acquisition` estimates it."""
    none = [float("nan")] * len(images.names)
    context = quiet_context()
    instrument: Any = plugin("adapter/acquisition", estimate=["output", "blur"])
    try:
        instrument.fit(target=images, context=context)
    except FibError:
        return none
    for row in context.kept["estimates"]:
        if row["parameter"] == "blur_fwhm_nm":
            none[max(int(row["channel"]), 0)] = float(row["value"])
    return none
