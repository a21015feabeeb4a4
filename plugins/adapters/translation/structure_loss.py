"""A loss that keeps structure in place: local correlation of images before and after.

Correlation in a window is insensitive to changes of brightness and contrast, and mostly to white
noise, but not to edges that move, structure that appears or disappears, or bright and dark swapped.
It needs no labels and no second network. Local cross-correlation is a usual measure in image
registration (Avants et al., Medical Image Analysis 12 (2008) 26). There it is squared, so that
inverted images count as similar; here it is not.
"""

from __future__ import annotations

import torch
from torch.nn import functional

FLATNESS = 1e-2
"""Variance, in units of half the grey-value range, below which a window counts as empty."""


def structure_loss(before: torch.Tensor, after: torch.Tensor, window: int = 9) -> torch.Tensor:
    """Return 1 minus the local correlation: 0 (same structure) to 2 (inverted).

    Windows are weighted by their variance before translation.

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
