"""What the ways to train a translator share: networks on a device, optimisers, one step."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import nn

from fib_plugins.adapters.translation.generators import Generator
from fib_plugins.adapters.translation.image_pool import ImagePool
from fib_plugins.training.progress import BETTER

if TYPE_CHECKING:
    from lightning.fabric import Fabric

    from fib_plugins.adapters.translation.noise import NoiseLaw
    from fib_plugins.adapters.translation.parameters import TranslationParameters

ADAM_BETAS = (0.5, 0.999)
"""Zhu et al. 2017, section 5.1 (after Radford et al., ICLR 2016)."""


class Method(ABC):
    """Networks that learn to translate, step by step.

    Attributes:
        networks: by name; the one that translates is ``generator``.
        modules: the same, as Fabric runs them.
        pools: translations of earlier steps.
        optimizers: ``generator`` and ``judge``.
        plateaus: what lowers their learning rates.
    """

    params: TranslationParameters
    fabric: Fabric
    networks: dict[str, nn.Module]
    pools: dict[str, ImagePool]

    @abstractmethod
    def step(
        self, source: torch.Tensor, target: torch.Tensor, rng: np.random.Generator
    ) -> dict[str, torch.Tensor]:
        """Learn from patches (patch, channel, y, x) of either stack; return the losses."""

    @property
    def generator(self) -> Generator:
        """The network that translates."""
        return cast(Generator, self.networks["generator"])

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
        return {**self.networks, **self.pools, **optimizers, **plateaus}

    def epoch_done(self, score: float) -> None:
        """Lower the learning rates if the validation score has not become better for long."""
        for plateau in self.plateaus.values():
            plateau.step(score)

    def _add(self, name: str, noise: NoiseLaw) -> None:
        """Let a generator's translations get noise of this law, if it adds any."""
        generator = cast(Generator, self.networks[name])
        if generator.added is not None:
            generator.added.follow(noise)

    def _set_up(self, generators: Sequence[str], judges: Sequence[str]) -> None:
        """Place the networks on the device; give each group its optimiser."""
        params = self.params
        self.modules = {
            name: self.fabric.setup_module(network) for name, network in self.networks.items()
        }
        groups = {"generator": generators, "judge": judges}
        self.optimizers = {
            group: torch.optim.Adam(
                itertools.chain(*(self.networks[name].parameters() for name in names)),
                lr=params.learning_rate,
                betas=ADAM_BETAS,
            )
            for group, names in groups.items()
        }
        self._wrapped: dict[str, Any] = {
            group: self.fabric.setup_optimizers(optimizer)
            for group, optimizer in self.optimizers.items()
        }
        self.plateaus = {
            group: torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer,
                factor=params.learning_rate_factor,
                patience=params.learning_rate_patience,
                threshold=BETTER,
            )
            for group, optimizer in self.optimizers.items()
        }

    def _learn(self, group: str, loss: torch.Tensor) -> None:
        optimizer = self._wrapped[group]
        optimizer.zero_grad()
        self.fabric.backward(loss)
        optimizer.step()


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
