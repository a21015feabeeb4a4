"""One training step of CUT: a generator, a discriminator, and a contrastive loss.

Park et al., ECCV 2020 (arXiv:2007.15651): the encoder's features at a place of the translation
must be closer to those at the same place of the input than to those at other places (their
equation 3, PatchNCE). The same loss for images of the target keeps them unchanged (equation 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    from fib_plugins.adapters.translation.parameters import ContrastiveParameters

EMBEDDING = 256
"""Length of the vector that describes a place (Park et al., section 3)."""


class ContrastiveSteps(Method):
    """The networks of CUT and how they learn."""

    params: ContrastiveParameters
    learners: ClassVar[dict[str, tuple[str, ...]]] = {
        "generator": ("generator", "embedding"),
        "discriminator": ("target_discriminator",),
    }
    of_each_patch: ClassVar[frozenset[str]] = frozenset({"noise"})

    def build(self, channels: int, seed_of: Callable[[str], int]) -> dict[str, nn.Module]:
        """Return a generator, an embedding of its encoder's features, and a discriminator."""
        generator = self._generator(channels, seed_of("generator"))
        return {
            "generator": generator,
            "embedding": Embedding(generator.widths, seed_of("embedding")),
            "target_discriminator": self._discriminator("target", channels, seed_of),
        }

    def draw(self, rng: np.random.Generator, done: int) -> dict[str, torch.Tensor]:
        """Return noise, places of the patches at each resolution, and exchanges with the pool."""
        drawn = {"noise": white_noise(self.shape, rng)}
        for stack in ("source", "target") if self.params.identity_weight else ("source",):
            for level in range(self.params.depth + 1):
                pixels = (self.params.patch >> level) ** 2
                places = rng.permutation(pixels)[: self.params.places]
                drawn[f"{stack}_places_{level}"] = torch.from_numpy(places)
        return drawn | self._drawn_exchanges(rng, done)

    def learn(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Learn from patches (patch, channel, y, x) of either stack; return the losses."""
        params, run = self.params, self.modules
        source, target = inputs["source"], inputs["target"]
        discriminator = run["target_discriminator"]
        there: Translation
        kept: Translation | None

        with frozen(discriminator):
            if params.identity_weight:
                there, kept = run["generator"](torch.cat([source, target])).halves()
            else:
                there, kept = run["generator"](source), None
            made = there.with_noise(inputs["noise"])
            losses = {
                "adversarial_loss": generator_loss(discriminator, made),
                "contrastive_loss": self._contrast("source", there, inputs),
            }
            total = losses["adversarial_loss"] + params.contrast_weight * losses["contrastive_loss"]
            if kept is not None:
                losses["identity_loss"] = self._contrast("target", kept, inputs)
                total = total + params.identity_weight * losses["identity_loss"]
            if params.structure_weight:
                losses["structure_loss"] = structure_loss(source, there.mean)
                total = total + params.structure_weight * losses["structure_loss"]
            self._learn("generator", total)

        shown = self._exchanged("target_discriminator", made, inputs)
        loss = discriminator_loss(discriminator, target, shown)
        self._learn("discriminator", loss)
        losses["generator_loss"], losses["discriminator_loss"] = total, loss
        return {name: loss.detach() for name, loss in losses.items()}

    def _contrast(
        self, stack: str, made: Translation, inputs: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        """Return the PatchNCE loss of a stack's patches, mean over the encoder's resolutions."""
        generator, embedding = self.modules["generator"], self.modules["embedding"]
        # In single precision: Fabric converts a network's output, not its features.
        found = generator.features(made.mean), generator.features(inputs[stack])
        places = [inputs[f"{stack}_places_{level}"] for level in range(len(found[0]))]
        own, other = (embedding(levels, places) for levels in found)
        losses = [
            patch_nce_loss(queries, keys.detach(), self.params.temperature)
            for queries, keys in zip(own, other, strict=True)
        ]
        return torch.stack(losses).mean()


class Embedding(nn.Module):
    """Two layers per resolution that map the encoder's features at some places to unit vectors.

    Args:
        widths: feature channels of each resolution.
        seed: of the initial weights.
    """

    def __init__(self, widths: Sequence[int], seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.heads = nn.ModuleList(
                nn.Sequential(
                    nn.Linear(width, EMBEDDING), nn.ReLU(), nn.Linear(EMBEDDING, EMBEDDING)
                )
                for width in widths
            )

    def forward(
        self, features: Sequence[torch.Tensor], places: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        """Return vectors (patch, place, number) of each resolution, of length 1."""
        vectors = []
        for head, level, chosen in zip(self.heads, features, places, strict=True):
            at_places = level.flatten(2)[:, :, chosen].transpose(1, 2)
            vectors.append(functional.normalize(head(at_places).float(), dim=-1))
        return vectors


def patch_nce_loss(queries: torch.Tensor, keys: torch.Tensor, temperature: float) -> torch.Tensor:
    """Return the cross entropy of finding each query's own key among those of its patch.

    Args:
        queries: unit vectors in axes (patch, place, number).
        keys: those of the same places before translation.
        temperature: divides similarities; lower values make the loss sharper (Park et al.: 0.07).
    """
    likeness = queries @ keys.transpose(1, 2) / temperature
    own = torch.arange(likeness.shape[1], device=likeness.device).expand(likeness.shape[0], -1)
    return functional.cross_entropy(likeness.flatten(0, 1), own.flatten())
