"""What the ways to train a translator share: networks on a device, optimisers, one step."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from fib_plugins.adapters.translation.discriminator import build_discriminator
from fib_plugins.adapters.translation.generators import (
    Generator,
    build_generator,
    network_params,
)
from fib_plugins.adapters.translation.image_pool import ImagePool
from fib_plugins.training.progress import plateau

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from fib_plugins.adapters.translation.noise import NoiseLaw
    from fib_plugins.adapters.translation.parameters import TranslationParameters

ADAM_BETAS = (0.5, 0.999)
"""Zhu et al. 2017, section 5.1 (after Radford et al., ICLR 2016)."""


class Method(ABC):
    """Networks that learn to translate, step by step.

    A subclass says which networks there are, which of them translate and which judge, and what a
    step is.

    Attributes:
        networks: by name; the one that translates is ``generator``.
        modules: the same, as Fabric runs them.
        average: running mean of the weights of ``generator``. The two networks of a GAN chase
            each other; the mean of where the generator has been is better than where it is
            (Yazici et al., ICLR 2019).
        pools: translations of earlier steps, by the judge that is shown them.
        optimizers: ``generator`` and ``judge``.
        plateaus: what lowers their learning rates.

    Args:
        params: the adapter.
        channels: number of voltages.
        seed_of: seed of a network's weights, by its name.
        fabric: where the networks are computed.
        noise: that of source and of target; none: translations get none.
    """

    learners: ClassVar[dict[str, tuple[str, ...]]]
    """Names of the networks of each optimiser, ``generator`` and ``judge``."""

    def __init__(
        self,
        params: TranslationParameters,
        channels: int,
        seed_of: Callable[[str], int],
        fabric: Fabric,
        noise: tuple[NoiseLaw, NoiseLaw] | None = None,
    ) -> None:
        self.params, self.fabric, self.noise = params, fabric, noise
        self.networks = self.build(channels, seed_of)
        if noise is not None:
            there, back = noise[1].without(noise[0]), noise[0].without(noise[1])
            for network, law in zip(self.translators(), (there, back), strict=False):
                if network.added is not None:
                    network.added.follow(law)
        self.modules = {
            name: fabric.setup_module(network) for name, network in self.networks.items()
        }
        self.average = AveragedModel(
            self.networks["generator"], avg_fn=running_mean(params.averaging)
        )
        self.pools = {judge: ImagePool(params.pool_size) for judge in self.learners["judge"]}
        self.optimizers = {
            group: torch.optim.Adam(
                itertools.chain(*(self.networks[name].parameters() for name in names)),
                lr=params.learning_rate,
                betas=ADAM_BETAS,
            )
            for group, names in self.learners.items()
        }
        self._wrapped: dict[str, Any] = {
            group: fabric.setup_optimizers(optimizer)
            for group, optimizer in self.optimizers.items()
        }
        self.plateaus = {
            group: plateau(optimizer, params) for group, optimizer in self.optimizers.items()
        }

    @abstractmethod
    def build(self, channels: int, seed_of: Callable[[str], int]) -> dict[str, nn.Module]:
        """Return the networks by name; those that translate come first, the way there before."""

    @abstractmethod
    def step(
        self, source: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Learn from patches of either stack, and return the losses, each a tensor of one number.

        Args:
            source: patches in axes (patch, channel, y, x), most grey values from -1 to 1.
            target: as many of the target, on its own scale.
            rng: where noise and choices of this step come from.
        """

    @property
    def generator(self) -> Generator:
        """The network that translates, with averaged weights."""
        return cast(Generator, self.average.module)

    def translators(self) -> list[Generator]:
        """Return all networks that translate, there and back."""
        return [network for network in self.networks.values() if isinstance(network, Generator)]

    @property
    def learning_rate(self) -> float:
        """The learning rate now."""
        return float(self.optimizers["generator"].param_groups[0]["lr"])

    def parts(self) -> dict[str, Any]:
        """Return all that changes while training, by name, for a checkpoint."""
        optimizers = {f"{name}_optimizer": part for name, part in self.optimizers.items()}
        plateaus = {f"{name}_plateau": part for name, part in self.plateaus.items()}
        pools = {f"{name}_pool": part for name, part in self.pools.items()}
        return {**self.networks, "average": self.average, **pools, **optimizers, **plateaus}

    def epoch_done(self, score: float) -> None:
        """Lower the learning rates if the validation score has not become better for long."""
        for lowering in self.plateaus.values():
            lowering.step(score)

    def correct_noise(self, found: NoiseLaw) -> None:
        """Change the noise that is added by what translations have too much or too little of it.

        Edges look a little like noise to whoever measures it, and networks leave some in or make
        some: what has to be added shows only in what comes out.

        Args:
            found: noise of translations of the present networks.
        """
        added = self.generator.added
        if self.noise is None or added is None:
            return
        wanted = self.noise[1]
        level = added.level.cpu().numpy() ** 2 + wanted.level**2 - found.level**2
        law = wanted.with_level(np.sqrt(level.clip(0.0)))
        for network in (cast(Generator, self.networks["generator"]), self.generator):
            if network.added is not None:
                network.added.follow(law)

    def _generator(self, channels: int, seed: int) -> Generator:
        return build_generator(channels=channels, **network_params(self.params), seed=seed)

    def _judge(self, channels: int, seed: int) -> nn.Module:
        params = self.params
        return build_discriminator(
            channels, params.discriminator_channels, params.discriminator_norm, seed
        )

    def _learn(self, group: str, loss: torch.Tensor) -> None:
        optimizer = self._wrapped[group]
        optimizer.zero_grad()
        self.fabric.backward(loss)
        optimizer.step()
        if group == "generator":
            self.average.update_parameters(self.networks["generator"])


def running_mean(kept: float) -> Callable[..., torch.Tensor]:
    """Return how a mean of weights goes on: it keeps this share, at the beginning less.

    After n steps it keeps at most (1 + n) / (10 + n), which averages over a tenth of the steps
    done, however few or many they are.
    """

    def follow(mean: torch.Tensor, now: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        done = float(steps)
        return mean.lerp(now, 1.0 - min(kept, (1.0 + done) / (10.0 + done)))

    return follow


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Compute no gradients of these networks' weights inside the block."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)


def white_noise(like: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return noise of variance 1, shaped and placed like a tensor, the same on every device."""
    noise = rng.standard_normal(like.shape, dtype=np.float32)
    return torch.from_numpy(noise).to(like.device)
