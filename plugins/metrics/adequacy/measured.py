"""The features of a stack, and of the virtual stacks that it is compared with."""

from __future__ import annotations

from functools import partial

import numpy as np

from fib_plugins.channels import in_order
from fib_plugins.metrics.adequacy.features import features_of
from fib_plugins.metrics.adequacy.patches import MORE, Patches, common_shape, draw_patches
from fibcore import Context, FibError, Images, VolumeSpec


class Measured:
    """Features of patches of stacks, the measured stack first.

    Args:
        images: the measured stack.
        virtual: spec of the virtual stacks.
        count: number of patches of a virtual stack.
        edge: edge of a patch in pixels.
        context: surroundings of the step.

    Attributes:
        images: the measured stack, with its channels in the order of the virtual ones.
        virtual_spec: spec of the virtual stacks, cut to the size of the measured one.
        drawn: patches of the measured stack.
        features: of each stack, axes (patch, feature).
        halves: of each stack, see `Patches`.
        groups: name of the group of each feature.
        planes: grey values of patches of each virtual stack, axes (patch, channel, y, x).
    """

    def __init__(
        self, images: Images, virtual: VolumeSpec, count: int, edge: int, context: Context
    ) -> None:
        self._count, self._edge, self._context = count, edge, context
        self._shape = common_shape(images.shape, virtual.shape)
        self.images = in_order(images, virtual.channels, partial(context.empty, "in-order"))
        self.virtual_spec = VolumeSpec(Images, self._shape, virtual.voxel_size_nm, virtual.kv)
        self.features: list[np.ndarray] = []
        self.halves: list[np.ndarray] = []
        self.groups: list[str] = []
        self.planes: list[np.ndarray] = []
        larger = float(np.prod(images.shape) / np.prod(self._shape))
        self.drawn = self._measure(self.images, int(count * min(larger, MORE)))

    def add(self, images: Images) -> Images:
        """Measure a virtual stack; return its middle, as large as the measured stack at most."""
        starts = [(own - cut) // 2 for own, cut in zip(images.shape, self._shape, strict=True)]
        part = tuple(slice(a, a + n) for a, n in zip(starts, self._shape, strict=True))
        images = images.with_data(images.data[(slice(None), *part)])
        drawn = self._measure(images, self._count)
        self.planes.append(drawn.grey[:, :, 0].astype(images.data.dtype))
        return images

    def _measure(self, images: Images, count: int) -> Patches:
        rng = self._context.rng_for("patches", len(self.features))
        drawn = draw_patches(images.data, self._edge, count, rng, self._shape[0])
        if not np.isfinite(drawn.grey).all():
            raise FibError(
                "the images hold values that are not finite (NaN or infinite); replace them, e.g. "
                "by the mean grey value"
            )
        planes = np.moveaxis(drawn.grey[:, :, 0], 1, 0)
        levels = [float(np.quantile(plane, (0.05, 0.95)).mean()) for plane in planes]
        features, self.groups = features_of(drawn.grey, levels, self.images.names)
        self.features.append(features)
        self.halves.append(drawn.halves)
        return drawn
