"""Adaptation of batch normalisation to the stack to be segmented.

Adaptive batch normalisation (Li et al., Pattern Recognition 80 (2018) 109, arXiv:1603.04779): mean
and variance of each layer are set to those of this stack; weights stay. It needs no labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.unet.inference import blocks, with_neighbours
from fibcore import Context, Images

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

VOXELS = 256 * 64**2
"""Fewest voxels that are used: those of 256 patches of 64 x 64."""


def adapt(
    unet: UNetParameters,
    network: nn.Module,
    images: Images,
    grey_scale: GreyScale,
    batch_size: int,
    context: Context,
) -> None:
    """Set the statistics of the network's batch normalisation to those of a stack.

    They are the mean, over batches of patches like those of training, of each batch's mean and
    variance. The patches are spread evenly over the stack (Halton's sequence); they depend only on
    its shape.

    Args:
        unet: the parameters.
        network: the network, which is changed.
        images: the stack.
        grey_scale: that of the stack.
        batch_size: number of patches in a batch of training.
        context: surroundings of the step.
    """
    device = torch.device(context.device)
    network.to(device).eval()
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            layer.reset_running_stats()
            layer.momentum = None  # the mean of all batches, not an exponential one
            layer.train()
    corners = _corners(unet, images.shape, batch_size)
    batches = np.split(corners, len(corners) // batch_size)
    with torch.inference_mode():
        for batch in context.track(batches, "batches for batch normalisation"):
            patches = [_patch(unet, images, grey_scale, corner, device) for corner in batch]
            network(torch.stack(patches))
    network.eval()


def _corners(unet: UNetParameters, shape: tuple[int, int, int], batch_size: int) -> np.ndarray:
    """Return the corners (z, y, x) of whole batches of patches all over the stack."""
    from scipy.stats.qmc import Halton

    batches = -(-VOXELS // (batch_size * unet.voxels_per_patch))
    places = Halton(3, scramble=False).random(batches * batch_size)
    size = (1 if unet.flat else unet.patch_depth, unet.patch, unet.patch)
    room = np.maximum(np.array(shape) - size, 0) + 1
    return (places * room).astype(int)


def _patch(
    unet: UNetParameters,
    images: Images,
    grey_scale: GreyScale,
    corner: np.ndarray,
    device: torch.device,
) -> torch.Tensor:
    """Return the z-scores of a patch on the device, padded, axes (channel, [z,] y, x)."""
    z, y, x = corner
    part = images.with_data(images.data[..., y : y + unet.patch, x : x + unet.patch])
    if unet.flat:
        return with_neighbours(unet, part, grey_scale, np.array([z]), device)[0]
    slices = np.arange(z, z + unet.patch_depth).clip(max=images.shape[0] - 1)
    return blocks(unet, part, grey_scale, slices, device)
