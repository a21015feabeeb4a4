"""The noise that is added to translations: its strength at each grey value.

A generator without a source of randomness cannot make noise, and the cycle loss penalises noise,
since it requires the same image back. Learning its strength from the discriminator was tried:
within a thousand steps it fell to a third of the target's. Counting and read noise need not be
learned. Their variance is a polynomial of the grey value of degree two at most (constant: read
noise; linear: Poisson counting; quadratic: binomial counting), which can be measured. White noise
is therefore added after the generator, as strong as the target's, minus that of the source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import nn

from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.image_statistics.noise_level import (
    deviation_of,
    noise_level,
    responses_to_noise,
)
from fibcore import Images

SLICES = 8
"""Number of slices of a stack in which its noise is measured."""
SMOOTH = 1.0
"""Standard deviation in pixels of the filter that separates grey values from noise."""
FLAT = 0.5
"""Share of the pixels, those of least slope, that count as flat."""
GROUPS = 12
"""Number of groups of pixels by brightness."""


@dataclass(frozen=True)
class NoiseLaw:
    """Variance of white noise against the grey value, as scaled for the networks.

    Attributes:
        coefficients: float32 in axes (channel, power): variance = sum of coefficient * grey^power,
            powers 0 to 2.
        span: float32 in axes (channel, end): between these grey values the law was measured.
        level: standard deviation of the noise of each channel, over all grey values.
    """

    coefficients: np.ndarray
    span: np.ndarray
    level: np.ndarray

    @classmethod
    def of(cls, images: Images, grey_range: GreyRange, threads: int = 1) -> NoiseLaw:
        """Measure the noise of a stack.

        Pixels in flat parts are grouped by the brightness of their surroundings; a polynomial is
        fitted to the variance of the groups.

        Args:
            images: the stack.
            grey_range: the grey values that become -1 to 1.
            threads: number of slices measured at a time.
        """
        chosen = np.unique(np.linspace(0, images.shape[0] - 1, SLICES).round().astype(int))
        scaled = grey_range.scaled(images.data[:, chosen])
        coefficients, spans, levels = [], [], []
        for channel in scaled:
            grey, deviation = _by_brightness(channel)
            coefficients.append(np.polynomial.polynomial.polyfit(grey, deviation**2, 2))
            spans.append(grey[[0, -1]])
            levels.append(noise_level(channel, threads))
        return cls(*(np.array(part, np.float32) for part in (coefficients, spans, levels)))

    def without(self, other: NoiseLaw) -> NoiseLaw:
        """Return the law of the noise to be added to images with the noise of another law."""
        return self.with_level(np.sqrt((self.level**2 - other.level**2).clip(0.0)))

    def with_level(self, level: np.ndarray) -> NoiseLaw:
        """Return a law with the same dependence on the grey value and another level."""
        factor = (level / np.maximum(self.level, 1e-6)).astype(np.float32)
        return NoiseLaw(self.coefficients * factor[:, np.newaxis] ** 2, self.span, level)


def _by_brightness(slices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return grey values, ascending, and the deviation of the noise at each."""
    grey, responses = [], []
    for plane in slices:
        smooth = gaussian_filter(plane, SMOOTH)[1:-1, 1:-1]
        slope = np.hypot(*np.gradient(smooth))
        flat = slope <= np.quantile(slope, FLAT)
        grey.append(smooth[flat])
        responses.append(responses_to_noise(plane)[flat])
    level, response = np.concatenate(grey), np.concatenate(responses)
    groups = np.array_split(np.argsort(level, kind="stable"), GROUPS)
    return (
        np.array([level[group].mean(dtype=np.float64) for group in groups]),
        np.array([deviation_of(response[group]) for group in groups]),
    )


class Noise(nn.Module):
    """White noise of a law that is part of a network's weights, but not learned.

    Args:
        channels: number of voltages.
    """

    coefficients: torch.Tensor
    span: torch.Tensor
    level: torch.Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("coefficients", torch.zeros(channels, 3))
        self.register_buffer("span", torch.zeros(channels, 2))
        self.register_buffer("level", torch.zeros(channels))

    def follow(self, law: NoiseLaw) -> None:
        """Set the law."""
        self.coefficients.copy_(torch.from_numpy(law.coefficients))
        self.span.copy_(torch.from_numpy(law.span))
        self.level.copy_(torch.from_numpy(law.level))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the standard deviation of the noise of images (patch, channel, y, x)."""
        low, high = self.span[None, :, :, None, None].unbind(2)
        grey = images.detach().float().clamp(low, high)
        constant, linear, quadratic = self.coefficients[None, :, :, None, None].unbind(2)
        return (constant + grey * (linear + grey * quadratic)).clamp(min=0.0).sqrt()
