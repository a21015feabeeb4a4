"""Losses and pictures of a training within an epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass
class EpochState:
    """Steps and losses of the epoch so far, for a checkpoint in the middle of it.

    Attributes:
        step: steps done in this epoch.
        sums: sum of each loss over them.
        samples: one picture of each epoch done.
    """

    step: int = 0
    sums: dict[str, torch.Tensor] = field(default_factory=dict)
    samples: list[torch.Tensor] = field(default_factory=list)

    def add(self, losses: dict[str, torch.Tensor]) -> None:
        """Count a step and add its losses to the sums, on their device."""
        self.step += 1
        for name, loss in losses.items():
            self.sums[name] = (
                self.sums[name] + loss.double() if name in self.sums else loss.double()
            )

    def means(self) -> dict[str, float]:
        """Return the mean of each loss, and start a new epoch."""
        found = {name: float(total) / self.step for name, total in self.sums.items()}
        self.step, self.sums = 0, {}
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return the state, for a checkpoint."""
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        vars(self).update(state)
