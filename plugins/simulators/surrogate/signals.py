"""Signals of detectors: their range, their counting noise, and how the network gives them.

A fast electron is counted once or not: a yield is 0 to 1, and counts are binomial. It frees any
number of secondary electrons, and those of one fast electron are counted together: yields may
exceed 1, and the variance of counts is `spread` times their mean, with `spread` above 1. It is
measured on pairs of images of the same faces with different electrons.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from fib_plugins.simulators.surrogate.known import SECONDARY
from fibcore.channels import Channel

TYPICAL_VARIANCE, SECONDARY_VARIANCE = 0.2, 2.0
"""Of the count of one electron; squared errors are in units of it."""


def are_secondary(channels: Sequence[Channel]) -> np.ndarray:
    """Return for each channel whether it counts secondary electrons."""
    return np.array([channel.detector in SECONDARY for channel in channels])


def activated(logits: torch.Tensor, secondary: np.ndarray) -> torch.Tensor:
    """Return the yields that outputs of the network give, axes (slice, channel, y, x)."""
    if not secondary.any():
        return logits.sigmoid()
    chosen = torch.from_numpy(secondary).to(logits.device)[:, None, None]
    return torch.where(chosen, functional.softplus(logits), logits.sigmoid())


def loss_of(
    predicted: torch.Tensor, counted: torch.Tensor, secondary: np.ndarray | None = None
) -> torch.Tensor:
    """Return the loss of predicted yields: the mean squared deviation from counted fractions.

    Its expectation is smallest at the expected yields, as that of the binomial likelihood is. The
    likelihood would weight errors by one over the variance, most where few electrons return; a
    network of limited size is more accurate if they weigh as they are judged. Channels have one
    variance each, by the kind of their signal.
    """
    if secondary is None or not secondary.any():
        return functional.mse_loss(predicted, counted) / TYPICAL_VARIANCE
    variances = np.where(secondary, SECONDARY_VARIANCE, TYPICAL_VARIANCE).astype(np.float32)
    weights = torch.from_numpy(1.0 / variances).to(predicted.device)[:, None, None]
    return ((predicted - counted) ** 2 * weights).mean()


def counted(
    image: np.ndarray, electrons: int, spread: float | None, rng: np.random.Generator
) -> np.ndarray:
    """Return a yield as counted with so many electrons, with its counting noise.

    Args:
        image: expected yields.
        electrons: incident electrons per pixel.
        spread: variance of counts over their mean, at least 1; None: a binomial.
        rng: random generator.
    """
    expected = image.astype(np.float64)
    if spread is None:
        return np.asarray(rng.binomial(electrons, expected) / electrons)
    expected *= electrons
    if spread > 1.0:  # a mean that scatters by a gamma law gives counts of this variance
        excess = spread - 1.0
        expected = rng.gamma(expected / excess, excess)
    return np.asarray(rng.poisson(expected) / electrons)
