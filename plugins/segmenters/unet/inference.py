"""Inference of the U-Net segmenter: slices in exact tiles, or in windows that are blended.

With batch normalisation in 2d and 2.5d, tiles give what one pass over the whole slice gives (see
`tiles`). Otherwise MONAI's sliding-window inference cuts slices that exceed the window into
overlapping windows and blends them with Gaussian weights, so that no borders are visible: instance
normalisation depends on the window, and blocks in 3d are too shallow to show all that the network
could see.

The stack is streamed along z: memory does not depend on the number of slices. A GPU gets many tiles
or windows at a time, and does not wait while slices are read or stored.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.segmentation import Segmentation
from fib_plugins.segmenters.unet.exact import GPU_VOXELS, GPU_WORKERS, Tiles
from fib_plugins.segmenters.unet.parameters import INFERENCE_BYTES
from fib_plugins.segmenters.unet.patches import starts
from fib_plugins.segmenters.unet.predictor import Predictor, predictor_of
from fib_plugins.segmenters.unet.shared_slabs import SlabOnWorker
from fib_plugins.training.ordered_work import in_order
from fib_plugins.training.prefetch import ahead, to_device, to_host
from fib_plugins.training.runtime import items_at_once
from fibcore import Context, Images

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

SIGMA = 0.125
"""Width of the blending weights in units of the window: MONAI's (and nnU-Net's) default."""

SHARED_ABOVE_VOXELS = 2**22
"""Stacks up to this size take about as long as it takes to share them among workers."""
GPU_AHEAD = 1
"""Number of 3-D windows that are read ahead, and of those that may wait to be stored."""


def segment(
    unet: UNetParameters,
    network: nn.Module,
    images: Images,
    grey_scale: GreyScale,
    result: Segmentation,
    context: Context,
) -> Iterator[int]:
    """Add the probabilities of all slices to a result; yield how many slices are done, in order.

    Raises:
        FibError: a precision that the device does not support.
    """
    predict, device, dtype = predictor_of(unet, network, context.device)
    if unet.exact:
        tiles = Tiles(unet, predict, images, grey_scale, context, device, dtype)
        if context.spreads and images.data[0].size > SHARED_ABOVE_VOXELS:
            work = SlabOnWorker(unet, network, images, grey_scale, result.phases, context)
            for count, (z, part) in enumerate(context.spread(work, tiles.slabs), start=1):
                result.put(z, *part)
                yield min(count * tiles.together, images.shape[0])
        else:
            yield from tiles.all(result)
        return
    windows = _Windows(unet, predict, images.shape, device)
    slabs = _slices if unet.flat else _blended_along_z
    for z, slab in slabs(unet, images, grey_scale, windows, context):
        result.add(z, slab)
        yield z + slab.shape[1]


def _slices(
    unet: UNetParameters,
    images: Images,
    grey_scale: GreyScale,
    windows: _Windows,
    context: Context,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (first slice, probability) of slices, blended in plane.

    Probabilities are float32 in axes (phase, slice, y, x) and sum to 1 over the phases.
    """

    def slab(z: int) -> tuple[int, np.ndarray]:
        own = np.arange(z, min(z + windows.slices, images.shape[0]))
        inputs = with_neighbours(unet, images, grey_scale, own, windows.device)
        return z, to_host(windows.blended(inputs)).numpy().swapaxes(0, 1)

    on_cpu = windows.device.type == "cpu"
    workers = context.threads // unet.cpu_threads if on_cpu else GPU_WORKERS
    yield from in_order(slab, range(0, images.shape[0], windows.slices), workers, unet.cpu_threads)


class _Windows:
    """A network applied to windows of slices or blocks.

    Attributes:
        device: device of the network.
        slices: number of slices to give at a time, in 2d and 2.5d.
    """

    def __init__(
        self,
        unet: UNetParameters,
        predict: Predictor,
        shape: tuple[int, int, int],
        device: torch.device,
    ) -> None:
        from monai.data.utils import compute_importance_map

        self._predict, self._size, self.device = predict, shape[1:], device
        size = [n + -n % unet.halvings for n in self._size]
        edges = [min(unet.window, n) for n in size]
        self._edges = edges if unet.flat else [unet.patch_depth, *edges]
        # MONAI rounds the step from window to window down: half a voxel more preserves it.
        self._overlap = [max(0.0, 1.0 - (_step(unet, n) + 0.5) / n) for n in self._edges]
        # Computed once: on a GPU, MONAI waits for it.
        self._weights = compute_importance_map(
            tuple(self._edges), mode="gaussian", sigma_scale=SIGMA, device=device
        )
        voxels = math.prod(self._edges)
        self._at_once = self.slices = max(1, unet.voxels_per_batch // voxels)
        if device.type == "cuda":
            each = GPU_WORKERS * INFERENCE_BYTES * unet.base_channels * voxels
            self._at_once = items_at_once(device, each, GPU_VOXELS // voxels)
            along = [len(starts(n, m, _step(unet, m))) for n, m in zip(size, edges, strict=True)]
            self.slices = max(1, self._at_once // math.prod(along))

    def blended(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return the probabilities of padded inputs, axes (item, phase, [z,] y, x), unpadded."""
        from monai.inferers import sliding_window_inference

        with torch.inference_mode():
            result = sliding_window_inference(
                inputs,
                self._edges,
                sw_batch_size=self._at_once,
                predictor=self._predict,
                overlap=self._overlap,
                roi_weight_map=self._weights,
            )
        height, width = self._size
        return cast(torch.Tensor, result)[..., :height, :width]


def _step(unet: UNetParameters, edge: int) -> int:
    """Return the step from window to window: a multiple of the network's coarsest pixel.

    Then a voxel has the same place in the network's coarser grids in all windows that contain it,
    and windows differ only in what is beyond their edges.
    """
    steps = round(edge * (1.0 - unet.overlap) / unet.halvings)
    return max(1, steps) * unet.halvings


def with_neighbours(
    unet: UNetParameters,
    images: Images,
    grey_scale: GreyScale,
    own: np.ndarray,
    device: torch.device,
) -> torch.Tensor:
    """Return padded z-scores in axes (slice, channel, y, x) on the device.

    Channels are (voltage, slice) of the neighbours; end slices are repeated beyond the ends.
    """
    slices = (own[:, None] + np.array(unet.slice_offsets)).clip(0, images.shape[0] - 1)
    read = np.arange(slices.min(), slices.max() + 1)
    scores = blocks(unet, images, grey_scale, read, device).flatten(0, 1)
    # A slice is copied once, and becomes a channel of all its neighbours on the device.
    voltages = np.arange(len(images.kv))[:, None] * len(read)
    planes = (voltages + (slices - read[0])[:, None]).ravel()
    shown = scores.index_select(0, to_device(torch.from_numpy(planes), device))
    shown = shown.reshape(len(own), -1, *scores.shape[1:])
    return shown.contiguous(memory_format=torch.channels_last)


def blocks(
    unet: UNetParameters,
    images: Images,
    grey_scale: GreyScale,
    slices: np.ndarray,
    device: torch.device,
) -> torch.Tensor:
    """Return z-scores of slices in axes (channel, slice, y, x) on the device.

    They are padded so that y and x can be halved, their edges repeated.
    """
    scores = to_device(torch.from_numpy(grey_scale.apply(images, slices)), device)
    down, right = (-n % unet.halvings for n in images.shape[1:])
    return nn.functional.pad(scores, (0, right, 0, down), mode="replicate")


def _blended_along_z(
    unet: UNetParameters,
    images: Images,
    grey_scale: GreyScale,
    windows: _Windows,
    context: Context,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the probabilities of 3-D windows, blended along z with Gaussian weights as in plane.

    No more than the slices of a few windows are held at a time.
    """
    number, depth, device = images.shape[0], unet.patch_depth, windows.device
    apart = (np.arange(depth) - (depth - 1) / 2) / (SIGMA * depth)
    weight = np.exp(-0.5 * apart**2).clip(1e-3).astype(np.float32)[:, None, None]
    sums = _Sums(to_device(torch.from_numpy(weight), device))
    # The last slice is repeated until windows end where the stack ends.
    padded = max(depth, number + -number % unet.halvings)
    begins = starts(padded, depth, _step(unet, depth))

    def read(z: int) -> torch.Tensor:
        shown = np.arange(z, z + depth).clip(max=number - 1)
        return blocks(unet, images, grey_scale, shown, device)[None]

    def blend(read: tuple[int, int, torch.Tensor]) -> tuple[int, np.ndarray]:
        z, following, inputs = read
        done = sums.add(windows.blended(inputs)[0], following - z)
        return z, to_host(done).numpy()

    forward = GPU_AHEAD if device.type == "cuda" else 0
    inputs = ahead(read, begins, forward)
    yield from ahead(blend, zip(begins, [*begins[1:], number], inputs, strict=True), forward)


class _Sums:
    """Weighted sums of windows that follow one another along z, as far as they overlap.

    Args:
        weight: of each slice of a window, axes (slice, 1, 1).
    """

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight, self._weights = weight, torch.zeros_like(weight)
        self._total: torch.Tensor | None = None

    def add(self, window: torch.Tensor, final: int) -> torch.Tensor:
        """Add a window, axes (phase, slice, y, x); return the means of its first, `final` slices.

        The next window begins behind these. The window is overwritten.
        """
        with torch.inference_mode():
            window *= self._weight
            if self._total is not None:
                window += self._total
            weights = self._weights + self._weight
            done = window[:, :final] / weights[:final]
            # What follows has no sums yet.
            behind = (0, 0, 0, 0, 0, final)
            self._total = nn.functional.pad(window[:, final:], behind)
            self._weights = nn.functional.pad(weights[final:], behind)
        return done
