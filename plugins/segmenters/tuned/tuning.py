"""Training of a network on a few labels, from a start or from nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fib_plugins.segmenters.unet.labelled_loss import LabelledLoss
from fib_plugins.segmenters.unet.patches import Patches, Variation
from fib_plugins.training.optimizers import adam
from fib_plugins.training.runtime import fabric_on
from fib_plugins.unlabelled import UNLABELLED
from fibcore import Context

if TYPE_CHECKING:
    from fib_plugins.segmenters.tuned.parameters import TunedParameters

MOST_CENTRES = 2**20
"""Labelled voxels around which patches are cut, evenly spread among all."""


@dataclass(frozen=True)
class Way:
    """A way to train.

    Attributes:
        steps: number of training steps.
        rate: learning rate of the first step; it falls to 0 in a line.
        pull: weight of half the squared distance from the first weights (L2-SP: Li, Grandvalet,
            Davoine, ICML 2018).
        few: whether only the affine part of normalization layers and the last layer learn.
        renews: whether normalization uses, and learns, the statistics of batches.
    """

    steps: int
    rate: float
    pull: float = 0.0
    few: bool = False
    renews: bool = False

    @property
    def stops(self) -> list[int]:
        """The numbers of steps that are compared."""
        return sorted({max(1, self.steps // 4), max(1, self.steps // 2), self.steps})


def ways(params: TunedParameters) -> dict[str, Way]:
    """Return the ways of a tuning to train a network, by candidate."""
    return {
        "cautious": Way(params.steps_cautious, params.learning_rate, few=True),
        "full": Way(params.steps, params.learning_rate_full, params.pull_to_start),
        "alone": Way(params.steps, params.learning_rate, renews=True),
    }


def few_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the affine parameters of normalization layers, and those of the last layer."""
    layers = (nn.InstanceNorm2d, nn.InstanceNorm3d, _BatchNorm)
    found = [
        p for layer in network.modules() if isinstance(layer, layers) for p in layer.parameters()
    ]
    last = network.output_block
    assert isinstance(last, nn.Module)
    return [*found, *last.parameters()]


def tuned(
    way: Way,
    network: nn.Module,
    patches: Patches,
    name: tuple[str, ...],
    context: Context,
    tick: Callable[[], None],
) -> Iterator[int]:
    """Train a network; yield the number of steps taken at each stop.

    Args:
        way: how.
        network: the network, which is changed.
        patches: images and labels.
        name: name of the random numbers.
        context: surroundings of the training.
        tick: called after each step.
    """
    unet = patches.unet
    fabric = fabric_on(context.device, unet.precision)
    learning = few_parameters(network) if way.few else list(network.parameters())
    module, optimizer = fabric.setup(network, adam(learning, way.rate, fabric.device))
    first = [parameter.detach().clone() for parameter in learning]
    loss_of = LabelledLoss(0.0, 1.0)
    rng = context.rng_for("tuning", *name)
    corners = _corners(patches, way.steps * unet.batch_size, rng)
    channels = len(patches.volume)
    variation = Variation.draw(unet, rng, len(corners), channels)
    for step, (inputs, target) in enumerate(patches.batches(corners, variation), start=1):
        # Statistics of a few patches would replace those of the whole training.
        module.train(way.renews)
        for group in optimizer.param_groups:
            rate = way.rate * (1.0 - (step - 1) / way.steps)
            group["lr"] = torch.tensor(rate, device=fabric.device) if _on_gpu(fabric) else rate
        optimizer.zero_grad()
        loss = loss_of(module(inputs).float(), target)
        if way.pull:
            apart = sum(((p - q) ** 2).sum() for p, q in zip(learning, first, strict=True))
            loss = loss + 0.5 * way.pull * apart
        fabric.backward(loss)
        optimizer.step()
        tick()
        if step in way.stops:
            yield step


def _on_gpu(fabric: object) -> bool:
    device: torch.device = fabric.device  # type: ignore[attr-defined]
    return device.type == "cuda"


def _corners(patches: Patches, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return the corners (z, y, x) of patches, each with a random label in its middle half."""
    unet = patches.unet
    target = patches.target[0].cpu().numpy()
    centres = np.flatnonzero(target != UNLABELLED)
    centres = centres[:: -(-len(centres) // MOST_CENTRES)]
    places = np.stack(np.unravel_index(rng.choice(centres, count), target.shape), axis=1)
    edges = np.array([1 if unet.flat else unet.patch_depth, unet.patch, unet.patch])
    within = rng.integers(edges // 4, edges - edges // 4, (count, 3))
    return (places - within).clip(0, np.array(target.shape) - edges)
