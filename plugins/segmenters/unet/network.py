"""The network of the U-Net segmenter: MONAI's DynUNet.

DynUNet is the network of nnU-Net (Isensee et al., Nature Methods 18 (2021) 203): a plain U-Net of
two convolutions per level, in 2-D and 3-D alike, with depth, width and normalisation to choose.
MONAI's BasicUNet has a fixed depth, its UNet no plain second convolution at full resolution, and
its SegResNet was slower on a CPU and learned no more per training step in first trials.
Batch normalisation is the default: its statistics can be adapted to the stack to be segmented.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def build_network(
    *, flat: bool, channels: int, classes: int, base_channels: int, depth: int, norm: str, seed: int
) -> nn.Module:
    """Return a U-Net with random weights that depend on `seed` alone.

    Args:
        flat: convolve in (y, x); else in (z, y, x).
        channels: number of input channels.
        classes: number of output channels, one per phase (softmax makes them probabilities).
        base_channels: feature channels at full resolution; they double at each level.
        depth: number of halvings of the resolution.
        norm: ``batch`` or ``instance``.
        seed: of the initial weights (He et al. 2015, DynUNet's own).
    """
    from monai.networks.nets import DynUNet

    strides = [1] + [2] * depth
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = DynUNet(
            spatial_dims=2 if flat else 3,
            in_channels=channels,
            out_channels=classes,
            kernel_size=[3] * (depth + 1),
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=[base_channels * 2**level for level in range(depth + 1)],
            norm_name=(norm, {"affine": True}),
        )
    # Channels last is a quarter faster on the CPU, and the layout of tensor cores.
    layout = torch.channels_last if flat else torch.channels_last_3d
    return network.to(memory_format=layout)  # type: ignore[call-overload]  # torch's stub lacks it


def folded(network: nn.Module) -> nn.Module:
    """Return a copy of a network, for inference, whose batch normalisation is part of the weights.

    At inference batch normalisation is a factor and a summand of each channel, which the weights
    and biases of the convolution before it can contain. Results differ by rounding only.

    Args:
        network: of `build_network`, with norm ``batch``.
    """
    from monai.networks.blocks.dynunet_block import UnetBasicBlock

    network = copy.deepcopy(network).eval()
    for block in network.modules():
        if isinstance(block, UnetBasicBlock):
            block.conv1.conv = fuse_conv_bn_eval(block.conv1.conv, block.norm1)
            block.conv2.conv = fuse_conv_bn_eval(block.conv2.conv, block.norm2)
            block.norm1, block.norm2 = nn.Identity(), nn.Identity()
    return network


def in_bfloat16(network: nn.Module) -> nn.Module:
    """Return a folded network whose weights and features are bfloat16; it is changed.

    It takes bfloat16 and returns float32: the last layer is computed in 32 bits, since phases whose
    scores differ by less than bfloat16 resolves would otherwise be equal.
    """
    network.to(torch.bfloat16)
    last = network.output_block
    assert isinstance(last, nn.Module)
    last.float().register_forward_pre_hook(lambda _, features: (features[0].float(),))
    return network
