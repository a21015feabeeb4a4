"""The progress of a training: its history, its best weights so far, and when to stop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from fib_plugins.training.weights import tensors_of

if TYPE_CHECKING:
    from fib_plugins.training.schedule import Schedule

BETTER = 1e-4
"""A validation loss is better if it is lower by this fraction; otherwise training at a negligible
rate would never stop."""


@dataclass
class Progress:
    """What a checkpoint holds besides networks and optimisers.

    Attributes:
        epoch: epochs done.
        history: one row per epoch.
        best_epoch: epoch of the lowest validation loss; 0 before the first.
        best_loss: that loss.
        best: weights after that epoch.
    """

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    best: dict[str, torch.Tensor] = field(default_factory=dict)

    def add(self, row: dict[str, Any], loss: float, network: nn.Module) -> None:
        """Record an epoch.

        Args:
            row: its row in the history, without the column `epoch`, which is added first.
            loss: what epochs are compared by, at least 0; lower is better.
            network: its weights are kept if no earlier epoch was as good.
        """
        self.epoch += 1
        self.history.append({"epoch": self.epoch, **row})
        if loss < self.best_loss * (1.0 - BETTER):
            self.best_epoch, self.best_loss = self.epoch, loss
            self.best = {n: t.detach().clone() for n, t in tensors_of(network).items()}

    def exhausted(self, patience: int) -> bool:
        """Return whether at least this many epochs have passed since the best one."""
        return self.epoch - self.best_epoch >= patience


def plateau(
    optimizer: torch.optim.Optimizer, schedule: Schedule
) -> torch.optim.lr_scheduler.ReduceLROnPlateau:
    """Return a scheduler that lowers the learning rate when validation stops improving."""
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=schedule.learning_rate_factor,
        patience=schedule.learning_rate_patience,
        threshold=BETTER,
    )
