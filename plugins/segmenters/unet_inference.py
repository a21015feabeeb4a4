"""Inference of the U-Net segmenter: windows blended into whole slices, slab after slab along z.

MONAI's sliding-window inference cuts slices that exceed the window into overlapping windows and
blends them with Gaussian weights, so that no tile shows. Along z the stack is streamed: memory
does not depend on the number of slices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.unet_patches import starts
from fib_plugins.training.in_order import in_order
from fib_plugins.training.runtime import fabric_on
from fibcore import Context, Images

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet_parameters import UNetParameters

SIGMA = 0.125
"""Width of the blending weights in units of the window: MONAI's (and nnU-Net's) default."""


def probabilities(
    unet: UNetParameters,
    network: nn.Module,
    images: Images,
    grey_scale: GreyScale,
    context: Context,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first slice, probability) slab by slab, in order along z.

    Probabilities are float32 in axes (phase, slice, y, x) and sum to 1 over the phases.
    """
    from monai.inferers import sliding_window_inference

    fabric = fabric_on(context.device, unet.precision)
    module = fabric.setup_module(network.eval())
    height, width = images.shape[1:]
    roi = [min(unet.window, n + -n % unet.halvings) for n in (height, width)]
    if not unet.flat:
        roi = [unet.patch_depth, *roi]
    # MONAI rounds the step from window to window down: half a voxel more keeps it what it is.
    overlap = [max(0.0, 1.0 - (_step(unet, edge) + 0.5) / edge) for edge in roi]
    at_once = max(1, unet.voxels_per_batch // math.prod(roi))

    def blended(inputs: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            result = sliding_window_inference(
                torch.from_numpy(padded(unet, inputs)).to(fabric.device),
                roi,
                sw_batch_size=at_once,
                predictor=lambda window: module(window).float().softmax(dim=1),
                overlap=overlap,
                mode="gaussian",
                sigma_scale=SIGMA,
            )
        return cast(torch.Tensor, result)[..., :height, :width].cpu().numpy()

    if not unet.flat:
        yield from _blended_along_z(unet, images, grey_scale, blended)
        return

    def slab(z: int) -> tuple[int, np.ndarray]:
        own = np.arange(z, min(z + at_once, images.shape[0]))
        return z, blended(with_neighbours(unet, images, grey_scale, own)).swapaxes(0, 1)

    on_cpu = context.device == "cpu"
    workers = context.threads // unet.cpu_threads if on_cpu else 1
    yield from in_order(slab, range(0, images.shape[0], at_once), workers, unet.cpu_threads)


def _step(unet: UNetParameters, edge: int) -> int:
    """Return the step from window to window: a multiple of what the network halves.

    Then every voxel has the same place in the network's coarser grids, whichever window shows
    it, and windows differ in nothing but what they see beyond their edges.
    """
    steps = round(edge * (1.0 - unet.overlap) / unet.halvings)
    return max(1, steps) * unet.halvings


def padded(unet: UNetParameters, inputs: np.ndarray) -> np.ndarray:
    """Return inputs whose last two axes can be halved, their edges repeated as needed."""
    padding = [(0, -n % unet.halvings) for n in inputs.shape[-2:]]
    return np.pad(inputs, [(0, 0)] * (inputs.ndim - 2) + padding, mode="edge")


def with_neighbours(
    unet: UNetParameters, images: Images, grey_scale: GreyScale, own: np.ndarray
) -> np.ndarray:
    """Return z-scores in axes (slice, channel, y, x); end slices stand for what lies beyond."""
    last = images.shape[0] - 1
    slices = (own[:, None] + np.array(unet.slice_offsets)).clip(0, last)
    read = np.arange(slices.min(), slices.max() + 1)
    inputs = grey_scale.apply(images, read)[:, slices - read[0]]
    return np.ascontiguousarray(inputs.swapaxes(0, 1)).reshape(len(own), -1, *images.shape[1:])


def _blended_along_z(
    unet: UNetParameters,
    images: Images,
    grey_scale: GreyScale,
    blended: Callable[[np.ndarray], np.ndarray],
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the probabilities of 3-D windows, blended along z with Gaussian weights as in plane.

    No more than the slices of one window are held at a time.
    """
    number, depth = images.shape[0], unet.patch_depth
    apart = (np.arange(depth) - (depth - 1) / 2) / (SIGMA * depth)
    weight = np.exp(-0.5 * apart**2).clip(1e-3).astype(np.float32)
    # The last slice is repeated until windows end where the stack ends.
    padded = max(depth, number + -number % unet.halvings)
    begins = starts(padded, depth, _step(unet, depth))
    total: np.ndarray | None = None
    weights = np.zeros(depth, np.float32)
    for z, following in zip(begins, [*begins[1:], number], strict=True):
        inputs = grey_scale.apply(images, np.arange(z, z + depth).clip(max=number - 1))
        window = blended(inputs[np.newaxis])[0] * weight[:, None, None]
        total = window if total is None else total + window
        weights += weight
        done = following - z
        yield z, total[:, :done] / weights[:done, None, None]
        total = np.concatenate([total[:, done:], np.zeros_like(total[:, :done])], axis=1)
        weights = np.concatenate([weights[done:], np.zeros(done, np.float32)])
