"""The inputs of the networks in each training step: patches, and all random numbers.

The random numbers of a step come from a stream named by epoch and step, so that steps can be
prepared ahead, and again after an interruption.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from fib_plugins.adapters.translation.method import Method
from fib_plugins.adapters.translation.patches import Patches, as_tensor, turned
from fibcore import Context


@dataclass(frozen=True)
class Batches:
    """Makes the inputs of the steps of each epoch.

    Attributes:
        source: returns the patches of each of the source's stacks in an epoch (from 1).
        target: patches of the target.
        places: corners (z, y, x) of the patches that are shown of each of these stacks.
        per_epoch: steps of an epoch.
        augment: whether patches of the source are mirrored and turned at random.
        square: whether pixels are square, so that patches may be turned by quarters.
        method: the method that learns from the inputs.
        context: seed of all random numbers.
    """

    source: Callable[[int], list[Patches]]
    target: Patches
    places: np.ndarray
    per_epoch: int
    augment: bool
    square: bool
    method: Method
    context: Context

    def of_epoch(self, epoch: int) -> Callable[[int], dict[str, torch.Tensor]]:
        """Return a function from a step's number (from 0) to its inputs in this epoch (from 1).

        The inputs are those of `Method.learn`, but on the host. All processes of a team draw the
        same ones, and take their shares of them.
        """
        size, share = self.method.shape[0], self.method.team.share
        stacks, places = self.source(epoch), len(self.places)
        order = _order(
            self.context.rng_for("epoch", epoch), places * len(stacks), self.per_epoch * size
        )

        def shown(number: int) -> np.ndarray:
            stack, place = divmod(number, places)
            return stacks[stack].cut(self.places[place : place + 1])

        def make(step: int) -> dict[str, torch.Tensor]:
            rng = self.context.rng_for("step", epoch, step)
            cut = np.concatenate([shown(n) for n in order[step * size : (step + 1) * size]])
            if self.augment:
                cut = turned(cut, rng, self.square)
            other = self.target.cut(self.target.at_random(rng, size))
            drawn = self.method.draw(rng, (epoch - 1) * self.per_epoch + step)
            own = {
                name: tensor[share] if name in self.method.of_each_patch else tensor
                for name, tensor in drawn.items()
            }
            return {"source": as_tensor(cut[share]), "target": as_tensor(other[share]), **own}

        return make


def _order(rng: np.random.Generator, places: int, count: int) -> np.ndarray:
    """Return `count` numbers of places in random order, each as often as the others."""
    return np.concatenate([rng.permutation(places) for _ in range(-(-count // places))])[:count]
