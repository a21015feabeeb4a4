"""Slices through a network in exact tiles: batch normalisation, 2d and 2.5d."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.segmentation import Segmentation
from fib_plugins.segmenters.unet.parameters import INFERENCE_BYTES
from fib_plugins.segmenters.unet.tiles import (
    SLICES,
    Span,
    largest,
    most_voxels,
    slices_at_once,
    tiles,
)
from fib_plugins.training.ordered_work import in_order
from fib_plugins.training.prefetch import to_device, to_host
from fib_plugins.training.runtime import cpu_threads, items_at_once
from fibcore import Context, Images

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

GPU_WORKERS = 3
"""Number of slabs in work at a time on a GPU: one is read, one computed, one copied back."""
GPU_VOXELS = 2**24
"""Most voxels at a time on a GPU, those of 64 windows of 512 x 512: more make none faster."""


class Tiles:
    """A network applied to slabs of slices in exact tiles.

    On the CPU each tile is computed by one thread, several slabs at a time: that is faster than all
    threads on one tile, and the bytes do not depend on their number.

    Args:
        unet: the parameters.
        predict: makes probabilities, axes (slice, phase, y, x), of inputs.
        images: the stack.
        grey_scale: that of the stack.
        context: surroundings of the step.
        device: where the network is.
        dtype: type of its features.

    Attributes:
        slabs: first slice of each slab.
        together: number of slices of a slab.
    """

    def __init__(
        self,
        unet: UNetParameters,
        predict: Callable[[torch.Tensor], torch.Tensor],
        images: Images,
        grey_scale: GreyScale,
        context: Context,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._unet, self._predict, self._images = unet, predict, images
        self._grey_scale, self._device, self._dtype = grey_scale, device, dtype
        shape = images.shape[1:]
        most = most_voxels(unet.base_channels, dtype.itemsize)
        self._places, voxels = tiles(shape, unet.depth, most), largest(shape, unet.depth, most)
        self._at_once, self._workers = slices_at_once(voxels, most), context.threads
        if device.type != "cpu":
            each = GPU_WORKERS * INFERENCE_BYTES * unet.base_channels * voxels
            self._at_once = items_at_once(device, each, max(1, GPU_VOXELS // voxels))
            self._workers = GPU_WORKERS
        self.together = max(SLICES, self._at_once)
        self.slabs = range(0, images.shape[0], self.together)

    def all(self, result: Segmentation) -> Iterator[int]:
        """Add the probabilities of all slices; yield how many slices are done, in order."""
        with cpu_threads(1):
            yield from in_order(lambda z: self.slab(z, result), self.slabs, self._workers, 1)

    def one(self, z: int, result: Segmentation) -> None:
        """Add the probabilities of the slab from slice `z` on to the result of this slab alone."""
        with cpu_threads(1):
            numbers = range(len(self._places))

            def tile(number: int) -> None:
                self._tile(z, self._places[number], result, first=z)

            for _ in in_order(tile, numbers, self._workers, 1):
                pass

    def slab(self, z: int, result: Segmentation) -> int:
        """Add the probabilities of the slab from slice `z` on; return the slice behind it."""
        for place in self._places:
            self._tile(z, place, result)
        return min(z + self.together, self._images.shape[0])

    def _tile(self, z: int, place: tuple[Span, Span], result: Segmentation, first: int = 0) -> None:
        """Add the probabilities of one tile of a slab.

        Args:
            z: first slice of the slab.
            place: the tile.
            result: where probabilities go.
            first: slice of the stack that is the first of the result.
        """
        own = range(z, min(z + self.together, self._images.shape[0]))
        rows, columns = place
        shown = (rows.shown, columns.shown)
        inputs = _inputs(self._unet, self._images, self._grey_scale, own, *shown)
        inputs = to_device(inputs.to(self._dtype), self._device)
        # Own pixels end where the slice ends, before its padding.
        inner = np.s_[:, :, rows.inner, columns.inner]
        for number in range(0, len(own), self._at_once):
            with torch.inference_mode():
                given = _with_neighbours(self._unet, inputs, number, self._at_once)
                made = self._predict(given)[inner]
            probability = to_host(made).numpy().swapaxes(0, 1)
            result.add(own[number] - first, probability, rows.own.start, columns.own.start)


def _inputs(
    unet: UNetParameters,
    images: Images,
    grey_scale: GreyScale,
    own: range,
    rows: slice,
    columns: slice,
) -> torch.Tensor:
    """Return z-scores of slices and their neighbours, axes (y, x, voltage, slice).

    End slices are repeated beyond the ends of the stack, edges where a tile ends beyond the slice.
    """
    offsets = unet.slice_offsets
    slices = np.arange(own[0] + offsets[0], own[-1] + offsets[-1] + 1)
    part = images.with_data(images.data[..., rows, columns])
    scores = grey_scale.apply(part, slices.clip(0, images.shape[0] - 1))
    height, width = scores.shape[2:]
    beyond = (0, columns.stop - columns.start - width, 0, rows.stop - rows.start - height)
    padded = nn.functional.pad(torch.from_numpy(scores), beyond, mode="replicate")
    return padded.permute(2, 3, 0, 1).contiguous()


def _with_neighbours(
    unet: UNetParameters, inputs: torch.Tensor, first: int, number: int
) -> torch.Tensor:
    """Return so many slices from the first one on, axes (slice, channel, y, x), channels last.

    Channels are (voltage, slice) of the neighbours.

    Args:
        unet: the parameters.
        inputs: of `_inputs`.
        first: number of the first slice, counted from that of the inputs.
        number: how many slices, or as many as there are.
    """
    shown = inputs.unfold(3, len(unet.slice_offsets), 1)[:, :, :, first : first + number]
    return shown.permute(3, 0, 1, 2, 4).flatten(3).contiguous().permute(0, 3, 1, 2)
