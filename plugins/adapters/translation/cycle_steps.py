"""One training step of a CycleGAN: two generators and two discriminators.

Zhu et al., ICCV 2017: least-squares adversarial loss, 10 times the cycle loss (their equation 2
with lambda 10), 5 times the identity loss (their section 5.2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fib_plugins.adapters.translation.discriminator import discriminator_loss, generator_loss
from fib_plugins.adapters.translation.generators import Translation
from fib_plugins.adapters.translation.method import Method, frozen, white_noise
from fib_plugins.adapters.translation.structure_loss import structure_loss

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.parameters import CycleParameters


class CycleSteps(Method):
    """The networks of a CycleGAN and how they learn."""

    params: CycleParameters
    learners: ClassVar[dict[str, tuple[str, ...]]] = {
        "generator": ("generator", "backward"),
        "discriminator": ("target_discriminator", "source_discriminator"),
    }
    of_each_patch: ClassVar[frozenset[str]] = frozenset({"noise_there", "noise_back"})

    def build(self, channels: int, seed_of: Callable[[str], int]) -> dict[str, nn.Module]:
        """Return two generators, forward and backward, and a discriminator for either look."""
        networks: dict[str, nn.Module] = {
            name: self._generator(channels, seed_of(name)) for name in self.learners["generator"]
        }
        return networks | {
            f"{look}_discriminator": self._discriminator(look, channels, seed_of)
            for look in ("target", "source")
        }

    def draw(self, rng: np.random.Generator, done: int) -> dict[str, torch.Tensor]:
        """Return the noise of translations in either direction, and exchanges with the pools."""
        return {
            "noise_there": white_noise(self.shape, rng),
            "noise_back": white_noise(self.shape, rng),
            **self._drawn_exchanges(rng, done),
        }

    def learn(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Learn from patches (patch, channel, y, x) of either stack; return the losses."""
        params, run = self.params, self.modules
        source, target = inputs["source"], inputs["target"]
        of_target, of_source = run["target_discriminator"], run["source_discriminator"]

        with frozen(of_target, of_source):
            there, kept_target = self._translations("generator", source, target)
            back, kept_source = self._translations("backward", target, source)
            made_target = there.with_noise(inputs["noise_there"])
            made_source = back.with_noise(inputs["noise_back"])
            losses = {
                "adversarial_loss": generator_loss(of_target, made_target)
                + generator_loss(of_source, made_source),
                "cycle_loss": functional.l1_loss(run["backward"](made_target).mean, source)
                + functional.l1_loss(run["generator"](made_source).mean, target),
            }
            total = losses["adversarial_loss"] + params.cycle_weight * losses["cycle_loss"]
            if kept_target is not None and kept_source is not None:
                losses["identity_loss"] = functional.l1_loss(
                    kept_target.mean, target
                ) + functional.l1_loss(kept_source.mean, source)
                total = total + params.identity_weight * losses["identity_loss"]
            if params.structure_weight:
                losses["structure_loss"] = structure_loss(source, there.mean) + structure_loss(
                    target, back.mean
                )
                total = total + params.structure_weight * losses["structure_loss"]
            self._learn("generator", total)

        shown_target = self._exchanged("target_discriminator", made_target, inputs)
        shown_source = self._exchanged("source_discriminator", made_source, inputs)
        loss = discriminator_loss(of_target, target, shown_target) + discriminator_loss(
            of_source, source, shown_source
        )
        self._learn("discriminator", loss)
        losses["generator_loss"], losses["discriminator_loss"] = total, 0.5 * loss
        return {name: loss.detach() for name, loss in losses.items()}

    def _translations(
        self, name: str, images: torch.Tensor, already: torch.Tensor
    ) -> tuple[Translation, Translation | None]:
        """Return translations of images, and of others that have the wanted look already.

        Both are computed at once, which is faster; the others only if the identity loss counts.
        """
        if not self.params.identity_weight:
            return self.modules[name](images), None
        made: Translation = self.modules[name](torch.cat([images, already]))
        return made.halves()
