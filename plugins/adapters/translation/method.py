"""Base of the methods that train a translator: networks on a device, optimisers, one step."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import torch
from torch import nn

from fib_plugins.adapters.translation.discriminator import build_discriminator
from fib_plugins.adapters.translation.generators import (
    Generator,
    build_generator,
    network_params,
)
from fib_plugins.adapters.translation.image_pool import ImagePool
from fib_plugins.training.optimizers import adam, rate_of
from fib_plugins.training.progress import plateau

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.noise import NoiseLaw
    from fib_plugins.adapters.translation.parameters import TranslationParameters
    from fib_plugins.training.team import Team

ADAM_BETAS = (0.5, 0.999)
"""Zhu et al. 2017, section 5.1 (after Radford et al., ICLR 2016)."""


class Method(ABC):
    """Networks that learn to translate, step by step.

    A subclass defines the generators, the discriminators and a step: `draw` makes all its random
    numbers on the host, `learn` does the rest on the device of the networks, and `step_done`
    follows it.

    Attributes:
        shape: of the patches of a step: (patch, channel, y, x).
        networks: by name; the one that translates is ``generator``.
        modules: the same, as Fabric runs them.
        generator: the network that translates, with the running mean of the weights. The weights
            of a GAN oscillate; their running mean translates better than the weights of a single
            step (Yazici et al., ICLR 2019).
        pools: translations of earlier steps, by the discriminator that sees them; of size 0 none.
        optimizers: ``generator`` and ``discriminator``.
        plateaus: schedulers of their learning rates.

    Args:
        params: the adapter.
        channels: number of voltages.
        seed_of: seed of a network's weights, by its name.
        team: the processes that train together.
        noise: the noise of source and target; None: translations get no noise.
    """

    learners: ClassVar[dict[str, tuple[str, ...]]]
    """Names of the networks of each optimiser, ``generator`` and ``discriminator``."""
    of_each_patch: ClassVar[frozenset[str]]
    """Names of the results of `draw` that have an entry for each patch."""

    def __init__(
        self,
        params: TranslationParameters,
        channels: int,
        seed_of: Callable[[str], int],
        team: Team,
        noise: tuple[NoiseLaw, NoiseLaw] | None = None,
    ) -> None:
        self.params, self.team, self.noise = params, team, noise
        fabric = team.fabric
        self.shape = (params.batch_size, channels, params.patch, params.patch)
        self.networks = self.build(channels, seed_of)
        if noise is not None:
            there, back = noise[1].without(noise[0]), noise[0].without(noise[1])
            for network, law in zip(self.translators(), (there, back), strict=False):
                if network.added is not None:
                    network.added.follow(law)
        self.modules = {
            name: fabric.setup_module(network) for name, network in self.networks.items()
        }
        self.generator = deepcopy(cast(Generator, self.networks["generator"]))
        pooled = self.learners["discriminator"] if params.pool_size else ()
        self.pools = {
            name: ImagePool(params.pool_size, self.shape).to(fabric.device) for name in pooled
        }
        self.optimizers = {
            group: adam(
                itertools.chain(*(self.networks[name].parameters() for name in names)),
                params.learning_rate,
                fabric.device,
                ADAM_BETAS,
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
        """Return the networks by name: ``generator``, other generators, then the rest."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, done: int) -> dict[str, torch.Tensor]:
        """Return all random numbers of a step, by name, on the host.

        Args:
            rng: random generator.
            done: steps before this one. The result depends on nothing else that changes, so that
                steps can be drawn ahead.
        """

    @abstractmethod
    def learn(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Learn from patches of either stack, and return the losses, each a tensor of one number.

        As `cuda_graphs.Replayed` requires, all is computed on the device, nothing is read back, and
        no operation depends on the number of steps.

        Args:
            inputs: on the device: ``source`` and ``target``, patches in axes (patch, channel, y,
                x), each on its own scale with most grey values from -1 to 1; and the results of
                `draw`. Of all entries per patch, the share of this process.
        """

    @torch.no_grad()
    def step_done(self, done: int) -> None:
        """Update the running mean of the weights after a step.

        Args:
            done: number of steps, including this one.
        """
        means = [mean.detach() for mean in self.generator.parameters()]
        weights = [weight.detach() for weight in self.networks["generator"].parameters()]
        if done == 1:
            torch._foreach_copy_(means, weights)
        else:
            torch._foreach_lerp_(means, weights, 1.0 - share_kept(self.params.averaging, done - 1))

    def translators(self) -> list[Generator]:
        """Return all generators, forward and backward."""
        return [network for network in self.networks.values() if isinstance(network, Generator)]

    @property
    def own_patches(self) -> int:
        """Number of patches of each step that belong to this process."""
        return len(range(self.shape[0])[self.team.share])

    @property
    def learning_rate(self) -> float:
        """The current learning rate."""
        return rate_of(self.optimizers["generator"])

    def parts(self) -> dict[str, Any]:
        """Return all objects that change while training, by name, for a checkpoint."""
        optimizers = {f"{name}_optimizer": part for name, part in self.optimizers.items()}
        plateaus = {f"{name}_plateau": part for name, part in self.plateaus.items()}
        pools = {f"{name}_pool": part for name, part in self.pools.items()}
        return {**self.networks, "average": self.generator, **pools, **optimizers, **plateaus}

    def epoch_done(self, score: float) -> None:
        """Lower the learning rates if the validation score has stopped improving."""
        for lowering in self.plateaus.values():
            lowering.step(score)

    def correct_noise(self, found: NoiseLaw) -> None:
        """Adjust the added noise until translations have as much of it as the target.

        Edges bias the measurement of noise, and networks keep or make some noise themselves: how
        much has to be added can only be measured on translations.

        Args:
            found: noise of translations by the current networks.
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

    def _discriminator(self, look: str, channels: int, seed_of: Callable[[str], int]) -> nn.Module:
        params = self.params
        seed = seed_of(f"{look}_judge")  # the name determines the weights
        return build_discriminator(
            channels, params.discriminator_channels, params.discriminator_norm, seed
        )

    def _drawn_exchanges(self, rng: np.random.Generator, done: int) -> dict[str, torch.Tensor]:
        """Return the decisions of the pools, for `draw`."""
        drawn: dict[str, torch.Tensor] = {}
        for name, pool in self.pools.items():
            given, kept = pool.draw(rng, done * self.params.batch_size)
            drawn |= {f"{name}_given": given, f"{name}_kept": kept}
        return drawn

    def _exchanged(
        self, discriminator: str, made: torch.Tensor, inputs: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return translations for a discriminator: these, or others of earlier steps."""
        if discriminator not in self.pools:
            return made
        shown: torch.Tensor = self.pools[discriminator](
            self.team.whole(made.detach(), self.shape[0]),
            inputs[f"{discriminator}_given"],
            inputs[f"{discriminator}_kept"],
        )
        return shown[self.team.share]

    def _learn(self, group: str, loss: torch.Tensor) -> None:
        optimizer = self._wrapped[group]
        optimizer.zero_grad()
        self.team.fabric.backward(loss)
        learners = (self.networks[name].parameters() for name in self.learners[group])
        self.team.average_gradients(itertools.chain(*learners), self.own_patches)
        optimizer.step()


def share_kept(most: float, steps: int) -> float:
    """Return the decay of the running mean of weights after so many steps.

    It is (1 + n) / (10 + n) after n steps, which averages over about a tenth of the steps done,
    but at most `most`.
    """
    return min(most, (1.0 + steps) / (10.0 + steps))


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


def white_noise(shape: tuple[int, ...], rng: np.random.Generator) -> torch.Tensor:
    """Return noise of variance 1, on the host."""
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32))
