"""The network of a surrogate: from planes of labels below a pixel to its yield.

It goes from coarse to fine. At each level convolutions see the planes of that level and, brought to
its resolution, what the coarser level has found. Distant structure is thus seen at the cost of few
pixels: a receptive field of more than a hundred pixels takes 57 000 multiplications per pixel.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.planes import channels_of

FIRST_LOGIT = -1.0
"""Where yields begin: a quarter."""


class Pointwise(nn.Linear):
    """A 1 x 1 convolution. In the layout of channels last it is one product of matrices."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the image, axes (item, channel, y, x), with other channels."""
        return super().forward(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SurrogateNetwork(nn.Module):
    """Convolutions from the coarsest level to the finest.

    Args:
        geometry: the pyramid.
        media: number of media.
        features: channels of the finest level; the others, whose details matter less, have two
            thirds as many.
        outputs: number of channels of the result.
    """

    def __init__(self, geometry: Geometry, media: int, features: int, outputs: int) -> None:
        super().__init__()
        self.geometry = geometry
        inputs = geometry.planes * channels_of(media)
        widths = [features, *(features * 2 // 3 for _ in geometry.steps)]
        levels = list(zip(widths, geometry.dilations, strict=True))
        self.first = nn.ModuleList(
            nn.Conv2d(inputs, width, 3, dilation=first) for width, (first, *_) in levels
        )
        self.further = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, width, 3, dilation=n) for n in further)
            for width, (_, *further) in levels
        )
        self.finer = nn.ModuleList(Pointwise(coarse, fine) for fine, coarse in pairwise(widths))
        self.join = Pointwise(features, features)
        self.own = Pointwise(inputs, features, bias=False)
        self.last = Pointwise(features, outputs)
        nn.init.constant_(self.last.bias, FIRST_LOGIT)

    def forward(self, planes: list[torch.Tensor], *, repeats: bool) -> torch.Tensor:
        """Return logits of the yield, axes (slice, output, y, x).

        Args:
            planes: of each level, axes (slice, plane, y, x), finest first.
            repeats: whether slices repeat along y and x; otherwise planes have the margins of the
                geometry, and the result is that of the window inside.
        """
        geometry, found = self.geometry, None
        for level in reversed(range(len(planes))):
            own, dilations = planes[level], geometry.dilations[level]
            if repeats:
                own = _wrapped(own, sum(dilations), sum(dilations))
            features = self.first[level](own)
            if found is not None:
                features = plus(features, self._brought(found, level, features.shape[2:], repeats))
            features = activated(features)
            further: Any = self.further[level]
            for convolution, n in zip(further, dilations[1:], strict=True):
                inner = features[:, :, n:-n, n:-n]
                features = plus(activated(convolution(features)), inner)
            found = features
        window = planes[0]
        if not repeats:
            y, x = geometry.margins[0]
            window = window[:, :, y:-y, x:-x]
        assert found is not None
        joined = activated(plus(self.join(found), self.own(window)))
        logits: torch.Tensor = self.last(joined)
        return logits

    def _brought(
        self, coarse: torch.Tensor, level: int, size: torch.Size, repeats: bool
    ) -> torch.Tensor:
        """Return the features of the next coarser level at the places of this one's."""
        _, *steps = self.geometry.steps[level]
        coarse = self.finer[level](coarse)
        if repeats:
            further = sum(self.geometry.dilations[level][1:])
            coarse = _wrapped(coarse, *(-(-further // step) + 1 for step in steps))
        fine = functional.interpolate(
            coarse, scale_factor=[float(s) for s in steps], mode="bilinear", align_corners=False
        )
        y, x = ((have - want) // 2 for have, want in zip(fine.shape[2:], size, strict=True))
        return fine[:, :, y : y + size[0], x : x + size[1]]


def activated(features: torch.Tensor) -> torch.Tensor:
    """Return SiLU of features; in their place unless their gradient is wanted."""
    return functional.silu(features, inplace=not torch.is_grad_enabled())


def plus(features: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the sum; in place of the first unless a gradient is wanted."""
    return features + others if torch.is_grad_enabled() else features.add_(others)


def _wrapped(image: torch.Tensor, y: int, x: int) -> torch.Tensor:
    """Return an image that repeats, continued by so many pixels beyond each side."""
    height, width = image.shape[2:]
    if y <= height and x <= width:
        return functional.pad(image, (x, x, y, y), mode="circular")
    rows, columns = (  # the image comes more than once, which `pad` does not do
        torch.arange(-reach, edge + reach, device=image.device) % edge
        for reach, edge in ((y, height), (x, width))
    )
    return image[:, :, rows][:, :, :, columns]


def build_network(
    geometry: Geometry, *, media: int, features: int, outputs: int, seed: int
) -> SurrogateNetwork:
    """Return a network with random weights that depend on `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SurrogateNetwork(geometry, media, features, outputs)
    # The layout that convolutions of few channels are fastest in, on the CPU and on a GPU.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
