"""What the training of a U-Net goes on from after an interruption."""

from __future__ import annotations

import hashlib
import json
import math
import os
import pickle
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fib_plugins.segmenters.grey_values import GreyScale
from fib_plugins.segmenters.unet_network import tensors_of
from fibcore import Context, Images, Labels

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet_parameters import UNetParameters


@dataclass
class Progress:
    """How far training has come: what a checkpoint holds beside network and optimiser.

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


def fingerprint(
    unet: UNetParameters, images: Images, labels: Labels, grey_scale: GreyScale, seed: int
) -> str:
    """Return a digest of what decides the course of training, to know a checkpoint by."""
    facts = {
        "params": unet.model_dump(mode="json"),
        "shape": images.data.shape,
        "phases": sorted(labels.phases),
        "grey_values": [grey_scale.centre.tolist(), grey_scale.scale.tolist()],
        "solid": [int(np.count_nonzero(plane)) for plane in labels.data],
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Checkpoint:
    """The file that training goes on from; replaced as a whole after every epoch."""

    def __init__(
        self,
        path: Path,
        fingerprint: str,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        plateau: torch.optim.lr_scheduler.ReduceLROnPlateau,
    ) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.network, self.optimizer, self.plateau = network, optimizer, plateau

    def save(self, progress: Progress) -> None:
        """Write the state; a kill at any moment leaves the old file or the new one."""
        beside = self.path.with_suffix(".part")
        state = {
            "fingerprint": self.fingerprint,
            "progress": vars(progress),
            "network": tensors_of(self.network),
            "optimizer": self.optimizer.state_dict(),
            "plateau": self.plateau.state_dict(),
        }
        with beside.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self.path)

    def load(self, context: Context) -> Progress:
        """Set network, optimiser and plateau to the saved state; return the progress.

        Where there is no checkpoint, or it belongs to another training, that is the beginning.
        """
        if not self.path.exists():
            return Progress()
        try:
            # weights_only: tensors and plain values are read, code in the file is not run.
            state = torch.load(self.path, map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
            reason = str(error).partition("\n")[0]
            context.log.warning(
                "checkpoint %s cannot be read (%s): training begins anew", self.path, reason
            )
            return Progress()
        if state["fingerprint"] != self.fingerprint:
            context.log.warning(
                "checkpoint %s belongs to a training with other parameters or data: training "
                "begins anew",
                self.path,
            )
            return Progress()
        with torch.no_grad():
            for name, tensor in tensors_of(self.network).items():
                tensor.copy_(state["network"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.plateau.load_state_dict(state["plateau"])
        return Progress(**state["progress"])
