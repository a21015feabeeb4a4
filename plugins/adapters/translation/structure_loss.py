"""A loss that keeps structure where it is: local correlation of images before and after.

Of what could be compared, correlation in a window forgives any change of brightness and contrast,
and white noise for the most part, but not an edge elsewhere, structure that appears or goes, or
bright and dark swapped; it needs no labels and no second network. Local cross-correlation is the
usual measure of image registration (Avants et al., Medical Image Analysis 12 (2008) 26). There it
is squared, so that inverted images count as alike; here it is not.
"""

from __future__ import annotations

import torch
from torch.nn import functional

FLATNESS = 1e-2
"""Variance, in units of half the grey-value range, below which a window shows nothing."""


def structure_loss(before: torch.Tensor, after: torch.Tensor, window: int = 9) -> torch.Tensor:
    """Return 1 minus the local correlation: 0 (alike) to 2 (inverted).

    Windows count by the variance of what they show before.

    Args:
        before: images in axes (patch, channel, y, x).
        after: their translations.
        window: edge of the window in pixels.
    """

    def mean(images: torch.Tensor) -> torch.Tensor:
        return functional.avg_pool2d(images, window, stride=max(1, window // 3))

    mean_before, mean_after = mean(before), mean(after)
    variance_before = (mean(before * before) - mean_before**2).clamp(min=0.0)
    variance_after = (mean(after * after) - mean_after**2).clamp(min=0.0)
    covariance = mean(before * after) - mean_before * mean_after
    correlation = covariance / ((variance_before + FLATNESS) * (variance_after + FLATNESS)).sqrt()
    return 1.0 - (variance_before * correlation).sum() / (variance_before.sum() + FLATNESS)
