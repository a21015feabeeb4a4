"""Normalisation layers whose result does not depend on how a slice is cut into tiles.

Instance normalisation (Ulyanov et al., arXiv:1607.08022), the usual choice of image translators,
divides by statistics of its input: a patch in training, a tile or a slice in inference. Tiles
become visible then, and the brightness of slices depends on their solid fraction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

NormName = Literal["pixel", "instance"]


def norm_layer(name: NormName, channels: int) -> nn.Module:
    """Return a normalisation layer for so many channels."""
    return PixelNorm(channels) if name == "pixel" else PatchNorm(channels)


class PixelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel, with scale and shift.

    Ba et al., arXiv:1607.06450, per pixel as in ConvNeXt (Liu et al., CVPR 2022). A pixel's
    result depends only on the inputs of the convolutions.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return features (patch, channel, y, x) with mean 0 and deviation 1 over the channels."""
        last = features.permute(0, 2, 3, 1)
        return functional.layer_norm(last, self.weight.shape, self.weight, self.bias).permute(
            0, 3, 1, 2
        )


class PatchNorm(nn.BatchNorm2d):
    """Instance normalisation in training; in inference the mean statistics of many patches.

    Training normalises each patch by its own mean and variance. `take_statistics` shows patches
    to a network and stores the means over them, which `eval` then uses for tiles of any size.
    """

    taking = False

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return normalised features (patch, channel, y, x)."""
        if not self.training:
            return super().forward(features)
        if self.taking:
            variance, mean = torch.var_mean(features.float(), dim=(0, 2, 3), correction=0)
            assert self.num_batches_tracked is not None
            assert self.running_mean is not None
            assert self.running_var is not None
            self.num_batches_tracked += 1
            self.running_mean += (mean - self.running_mean) / self.num_batches_tracked
            self.running_var += (variance - self.running_var) / self.num_batches_tracked
        return functional.instance_norm(features, weight=self.weight, bias=self.bias, eps=self.eps)


@torch.no_grad()
def take_statistics(network: nn.Module, patches: Iterable[torch.Tensor]) -> None:
    """Set the statistics of all `PatchNorm` layers to their means over patches, one at a time.

    A network without such layers is not changed. The network is left in evaluation mode.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, PatchNorm)]
    if layers:
        network.train()
        for layer in layers:
            layer.reset_running_stats()
            layer.taking = True
        for patch in patches:
            network(patch)
        for layer in layers:
            layer.taking = False
    network.eval()
