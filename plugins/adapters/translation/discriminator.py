"""The discriminator of the translators: MONAI's PatchGAN, with least-squares losses.

A PatchGAN (Isola et al., CVPR 2017) classifies overlapping patches of 70 pixels rather than whole
images; least-squares losses instead of logarithms make training stable (Mao et al., ICCV 2017).

Instance normalisation removes mean and contrast from the discriminator's features, so that grey
values and the strength of noise hardly count. Spectral normalisation keeps them and training
stable; in first trials translations came closer to the target in the same number of steps.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

DiscriminatorNorm = Literal["spectral", "instance"]
NORMS: dict[str, Any] = {"spectral": None, "instance": "INSTANCE"}
LAYERS = 3
"""Convolutions between the first and the last one: patches of 70 pixels (Zhu et al. 2017)."""


def build_discriminator(channels: int, width: int, norm: DiscriminatorNorm, seed: int) -> nn.Module:
    """Return a discriminator with random weights that depend on `seed` alone.

    Args:
        channels: number of voltages.
        width: feature channels of the first convolution; they double with each.
        norm: ``spectral``: the weights of each convolution are divided by their largest singular
            value (Miyato et al., ICLR 2018); ``instance``: features are normalised in each image,
            as in Zhu et al. 2017.
        seed: of the initial weights.
    """
    from monai.networks.nets import PatchDiscriminator

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PatchDiscriminator(
            spatial_dims=2, channels=width, in_channels=channels, num_layers_d=LAYERS,
            norm=NORMS[norm], bias=True,
        )  # fmt: skip
        if norm == "spectral":
            for layer in network.modules():
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def generator_loss(discriminator: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the mean square distance of the outputs for `images` from 1, that of real ones."""
    return (_output(discriminator, images) - 1.0).square().mean()


def discriminator_loss(
    discriminator: nn.Module, real: torch.Tensor, made: torch.Tensor
) -> torch.Tensor:
    """Return half the mean square error of the outputs: 0 if all are right, 0.25 for guesses."""
    right, wrong = _output(discriminator, torch.cat([real, made.detach()])).chunk(2)
    return 0.5 * ((right - 1.0).square().mean() + wrong.square().mean())


def _output(discriminator: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return cast(torch.Tensor, discriminator(images)[-1]).float()
