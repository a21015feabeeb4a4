"""The networks that translate: a U-Net with residual blocks, and the reference ResNet.

Both return an image without noise and the strength of the noise to be added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from fib_plugins.adapters.translation.noise import Noise
from fib_plugins.adapters.translation.normalization import NormName, norm_layer

GeneratorName = Literal["unet", "resnet"]


class Translation(NamedTuple):
    """The output of a generator, both in axes (patch, channel, y, x).

    Attributes:
        mean: without noise; the range of most grey values is -1 to 1.
        deviation: standard deviation of the noise, or None if there is none.
    """

    mean: torch.Tensor
    deviation: torch.Tensor | None

    def with_noise(self, noise: torch.Tensor) -> torch.Tensor:
        """Return the images with noise, given white noise of variance 1."""
        return self.mean if self.deviation is None else self.mean + self.deviation * noise

    def halves(self) -> tuple[Translation, Translation]:
        """Return the translations of the first half of the patches, and of the second."""
        half = len(self.mean) // 2
        first, second = slice(0, half), slice(half, None)
        if self.deviation is None:
            return Translation(self.mean[first], None), Translation(self.mean[second], None)
        return (
            Translation(self.mean[first], self.deviation[first]),
            Translation(self.mean[second], self.deviation[second]),
        )


def build_generator(
    name: GeneratorName,
    *,
    channels: int,
    base_channels: int,
    depth: int,
    blocks: int,
    norm: NormName,
    noise: bool,
    seed: int,
) -> Generator:
    """Return a generator with random weights that depend on `seed` alone.

    Args:
        name: ``unet`` or ``resnet``.
        channels: number of voltages.
        base_channels: feature channels at full resolution; they double with each halving.
        depth: how often the resolution is halved.
        blocks: residual blocks at the lowest resolution.
        norm: normalisation layers.
        noise: whether noise is added.
        seed: of the initial weights: normal with deviation 0.02 (Zhu et al. 2017).
    """
    network = UNetGenerator if name == "unet" else ResNetGenerator
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = network(channels, base_channels, depth, blocks, norm, noise)
        generator.apply(_initialise)
    # channels_last is faster for PixelNorm and for the CPU's convolutions.
    return generator.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _initialise(layer: nn.Module) -> None:
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


class Generator(nn.Module, ABC):
    """Base of both generators: the head that turns features into an image, and the noise.

    Attributes:
        widths: feature channels of each resolution, from fine to coarse.
        reach: largest distance in pixels at which a pixel can influence another.
        multiple: edges of images must be multiples of this.
    """

    widths: list[int]
    reach: int
    multiple: int

    def __init__(self, width: int, channels: int, noise: bool) -> None:
        super().__init__()
        self.channels = channels
        self.last = nn.Conv2d(width, channels, 7)
        self.added = Noise(channels) if noise else None
        self.head = nn.Sequential(nn.ReflectionPad2d(3), self.last)

    @abstractmethod
    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the encoder's features, axes (patch, feature, y, x), from fine to coarse."""

    @abstractmethod
    def decode(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return the head's input at full resolution, axes (patch, feature, y, x)."""

    def forward(self, images: torch.Tensor) -> Translation:
        """Translate images in axes (patch, channel, y, x), most grey values from -1 to 1."""
        mean = self.head(self.decode(self.features(images))).float()
        return Translation(mean, None if self.added is None else self.added(mean))


class UNetGenerator(Generator):
    """The paper's generator: a U-Net encoder with residual blocks, the decoder of Zhu et al. 2017.

    Each level halves the resolution by a strided convolution, followed by a residual block. The
    decoder doubles it by transposed convolutions, and receives the encoder's features of the same
    resolution in addition to its own (Ronneberger et al., MICCAI 2015).
    """

    def __init__(
        self, channels: int, base: int, depth: int, blocks: int, norm: NormName, noise: bool
    ) -> None:
        super().__init__(2 * base, channels, noise)
        self.widths = widths = [base * 2**level for level in range(depth + 1)]
        self.stem = _stem(channels, base, norm)
        self.down = nn.ModuleList(
            nn.Sequential(*_halving(wide // 2, wide, norm), ResidualBlock(wide, norm))
            for wide in widths[1:]
        )
        self.middle = nn.Sequential(*(ResidualBlock(widths[-1], norm) for _ in range(blocks)))
        self.up = nn.ModuleList(
            _doubling(wide if wide == widths[-1] else 2 * wide, wide // 2, norm)
            for wide in reversed(widths[1:])
        )
        self.multiple = 2**depth
        # Stem and head reach 3 pixels each, other convolutions 1 pixel of their level, halving and
        # doubling 1/2; a pixel of level n is 2^n pixels.
        levels = sum(2**level for level in range(1, depth + 1))
        self.reach = 6 + (1 + 2) * levels + 2 * blocks * self.multiple

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of each resolution, from fine to coarse."""
        found = [self.stem(images)]
        for level in self.down:
            found.append(level(found[-1]))
        found[-1] = self.middle(found[-1])
        return found

    def decode(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return features at full resolution, the encoder's and the decoder's."""
        *finer, made = features
        for level, beside in zip(self.up, reversed(finer), strict=True):
            made = torch.cat([level(made), beside], dim=1)
        return made


class ResNetGenerator(Generator):
    """The reference of Zhu et al. 2017 (after Johnson et al. 2016): residual blocks in the middle.

    Theirs has 64 channels, two halvings, nine blocks (six for images of 128 pixels) and instance
    normalisation.
    """

    def __init__(
        self, channels: int, base: int, depth: int, blocks: int, norm: NormName, noise: bool
    ) -> None:
        super().__init__(base, channels, noise)
        self.widths = widths = [base * 2**level for level in range(depth + 1)]
        self.stem = _stem(channels, base, norm)
        self.down = nn.ModuleList(
            nn.Sequential(*_halving(wide // 2, wide, norm)) for wide in widths[1:]
        )
        self.middle = nn.Sequential(*(ResidualBlock(widths[-1], norm) for _ in range(blocks)))
        self.up = nn.ModuleList(_doubling(wide, wide // 2, norm) for wide in reversed(widths[1:]))
        self.multiple = 2**depth
        levels = sum(2**level for level in range(1, depth + 1))
        self.reach = 6 + levels + 2 * blocks * self.multiple

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Return the features of each resolution, from fine to coarse."""
        found = [self.stem(images)]
        for level in self.down:
            found.append(level(found[-1]))
        found[-1] = self.middle(found[-1])
        return found

    def decode(self, features: list[torch.Tensor]) -> torch.Tensor:
        """Return features at full resolution, computed from the coarsest only."""
        made = features[-1]
        for level in self.up:
            made = level(made)
        return made


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions whose result is added to their input (He et al., CVPR 2016)."""

    def __init__(self, width: int, norm: NormName) -> None:
        super().__init__()
        self.change = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            norm_layer(norm, width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            norm_layer(norm, width),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features plus the result of the convolutions."""
        return features + self.change(features)


def _stem(channels: int, width: int, norm: NormName) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        nn.Conv2d(channels, width, 7),
        norm_layer(norm, width),
        nn.ReLU(),
    )


def _halving(before: int, after: int, norm: NormName) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, stride=2, padding=1),
        norm_layer(norm, after),
        nn.ReLU(),
    ]


def _doubling(before: int, after: int, norm: NormName) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1),
        norm_layer(norm, after),
        nn.ReLU(),
    )


@torch.no_grad()
def set_upright(generator: Generator, images: torch.Tensor) -> None:
    """Invert an untrained generator if it swaps bright and dark.

    Whether random weights do is chance, and training often keeps the swap: for a GAN, a structure
    and its negative may look alike.

    Args:
        generator: network with random weights.
        images: some patches to test it with, axes (patch, channel, y, x).
    """
    made = generator(images).mean
    for channel in range(generator.channels):
        pair = torch.stack([images[:, channel].flatten(), made[:, channel].flatten()])
        if torch.corrcoef(pair)[0, 1] < 0:
            generator.last.weight[channel] *= -1.0


def network_params(params: Any) -> dict[str, Any]:
    """Return what `build_generator` takes besides a seed and the number of channels."""
    return {
        "name": params.generator,
        "base_channels": params.base_channels,
        "depth": params.depth,
        "blocks": params.blocks,
        "norm": params.norm,
        "noise": params.noise == "measured",
    }
