"""Training of the network for backscatter coefficients: table 1's procedure, resumable.

Lightning Fabric places the loop on the device. With so small a network it adds 15 % to the time of
a step; Lightning's Trainer would more than double it.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.progress import plateau
from fib_plugins.training.runtime import fabric_on
from fib_plugins.training.weights import set_tensors
from fibcore import Context, FibError

from .ann_network import build_network

if TYPE_CHECKING:
    from .ann_parameters import ANNParameters


@dataclass(frozen=True)
class Trained:
    """The best network, on the CPU, and the history of its training."""

    network: nn.Module
    history: list[dict[str, Any]]
    best_epoch: int


def train(
    params: ANNParameters,
    inputs: np.ndarray,
    eta: np.ndarray,
    held_out: np.ndarray,
    context: Context,
) -> Trained:
    """Train a network on the rows that are not held out; return that of the best epoch.

    Args:
        params: duration, learning rate and batch size.
        inputs: scaled inputs, (rows, 3).
        eta: target values, (rows,).
        held_out: which rows determine the best epoch, (rows,).
        context: surroundings of the step.

    Raises:
        FibError: a training that diverges.
    """
    fabric = fabric_on(context.device, "32")
    x = torch.from_numpy(inputs.astype(np.float32)).to(fabric.device)
    y = torch.from_numpy(eta.astype(np.float32)[:, np.newaxis]).to(fabric.device)
    rows, others = np.flatnonzero(~held_out), torch.from_numpy(np.flatnonzero(held_out))

    network = build_network(int(context.rng_for("network").integers(2**63)))
    optimizer = torch.optim.Adam(network.parameters(), lr=params.learning_rate, fused=True)
    lowering = plateau(optimizer, params)
    module, fabric_optimizer = fabric.setup(network, optimizer)
    loss_of = nn.MSELoss()
    checkpoint = Checkpoint(
        context.scratch / "checkpoint.pt",
        _fingerprint(params, inputs, eta, context.seed),
        network=network,
        optimizer=optimizer,
        plateau=lowering,
    )
    progress = checkpoint.load(context)
    while progress.epoch < params.epochs and not progress.exhausted(params.early_stopping_patience):
        epoch = progress.epoch + 1
        rate = optimizer.param_groups[0]["lr"]
        order = torch.from_numpy(context.rng_for("epoch", epoch).permutation(rows))
        train_loss = 0.0
        module.train()
        for batch in order.split(params.batch_size):
            fabric_optimizer.zero_grad()
            loss = loss_of(module(x[batch]), y[batch])
            fabric.backward(loss)
            fabric_optimizer.step()
            train_loss += loss.item() * len(batch) / len(rows)
        module.eval()
        with torch.no_grad():
            validation_loss = loss_of(module(x[others]), y[others]).item()
        if not math.isfinite(validation_loss):
            raise FibError(
                f"training diverged in epoch {epoch} (the validation loss is {validation_loss}); "
                f"lower learning_rate (now {rate:g})"
            )
        lowering.step(validation_loss)
        row = {
            "train_loss": train_loss,
            "validation_loss": validation_loss,
            "learning_rate": rate,
        }
        progress.add(row, validation_loss, network)
        checkpoint.save(progress)
        rms = math.sqrt(progress.best_loss)
        context.progress(epoch, params.epochs, f"epochs, held-out rows within {rms:.4f} (rms)")

    set_tensors(network, progress.best)
    return Trained(network.cpu(), progress.history, progress.best_epoch)


def _fingerprint(params: ANNParameters, inputs: np.ndarray, eta: np.ndarray, seed: int) -> str:
    """Return a digest of all that determines the training, which identifies a checkpoint."""
    facts = hashlib.sha256(json.dumps([params.model_dump(mode="json"), seed]).encode())
    facts.update(inputs.tobytes())
    facts.update(eta.tobytes())
    return facts.hexdigest()
