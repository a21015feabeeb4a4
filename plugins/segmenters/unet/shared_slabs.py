"""Slabs of a stack, segmented one at a time by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.segmentation import Segmentation
from fib_plugins.segmenters.unet.exact import Tiles
from fib_plugins.segmenters.unet.predictor import predictor_of
from fibcore import Context, Images, Material

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters


class SlabOnWorker:
    """Segments one slab after another; it can be pickled, for the workers of a cluster.

    Args:
        unet: the parameters.
        network: the network.
        images: the stack.
        grey_scale: that of the stack.
        phases: phase number -> material.
        context: surroundings of the step.
    """

    def __init__(
        self,
        unet: UNetParameters,
        network: nn.Module,
        images: Images,
        grey_scale: GreyScale,
        phases: Mapping[int, Material],
        context: Context,
    ) -> None:
        self._unet, self._network, self._images = unet, network, images
        self._grey_scale, self._phases, self._save = grey_scale, phases, unet.save_probability
        self._surroundings = (context.seed, context.device_asked, context.threads)
        self._tiles: Tiles | None = None

    def __call__(self, z: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Return phases, axes (z, y, x), and if wanted probabilities of the slab from `z` on."""
        seed, device, threads = self._surroundings
        context = Context(seed, device=device, threads=threads)
        if self._tiles is None:
            predict, where, dtype = predictor_of(self._unet, self._network, context.device)
            self._tiles = Tiles(
                self._unet, predict, self._images, self._grey_scale, context, where, dtype
            )
        part = self._images.with_data(self._images.data[:, z : z + self._tiles.together])
        result = Segmentation(part, self._phases, self._save, context)
        self._tiles.one(z, result)
        return result.arrays
