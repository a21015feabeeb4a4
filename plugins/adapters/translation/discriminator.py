"""The discriminator of the translators: MONAI's PatchGAN, with least-squares losses.

A PatchGAN (Isola et al., CVPR 2017) judges overlapping patches of 70 pixels rather than whole
images; least squares in place of the logarithm train steadily (Mao et al., ICCV 2017).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

LAYERS = 3
"""Convolutions between the first and the last one: patches of 70 pixels (Zhu et al. 2017)."""


def build_discriminator(channels: int, width: int, seed: int) -> nn.Module:
    """Return a discriminator with random weights that depend on `seed` alone.

    Args:
        channels: number of voltages.
        width: feature channels of the first convolution; they double with each.
        seed: of the initial weights.
    """
    from monai.networks.nets import PatchDiscriminator

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PatchDiscriminator(
            spatial_dims=2, channels=width, in_channels=channels, num_layers_d=LAYERS,
            norm="INSTANCE", bias=True,
        )  # fmt: skip
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def fooled(discriminator: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the generator's loss: how far `images` are from being taken for real ones."""
    return (_verdict(discriminator, images) - 1.0).square().mean()


def told_apart(discriminator: nn.Module, real: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """Return the discriminator's loss: 0 if it is always right, 0.25 if it cannot tell."""
    right, wrong = _verdict(discriminator, torch.cat([real, made.detach()])).chunk(2)
    return 0.5 * ((right - 1.0).square().mean() + wrong.square().mean())


def _verdict(discriminator: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, discriminator(images)[-1]).float()
