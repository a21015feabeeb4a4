"""Training of the U-Net segmenter: table 1's procedure, resumable after every epoch.

Training and validation share no voxel: validation is the end of the stack along z, and the first
`slices_above` of its slices serve as neighbours only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fib_plugins.segmenters.grey_values import GreyScale
from fib_plugins.segmenters.unet_network import build_network, tensors_of, weights_of
from fib_plugins.segmenters.unet_patches import Patches, Variation
from fib_plugins.segmenters.unet_runtime import fabric_on
from fibcore import Context, FibError, Images, Labels

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


@dataclass(frozen=True)
class Trained:
    """What training gives: the best weights and how they came about."""

    weights: dict[str, np.ndarray]
    history: list[dict[str, Any]]
    best_epoch: int
    grey_scale: GreyScale


def train(unet: UNetParameters, images: Images, labels: Labels, context: Context) -> Trained:
    """Train a network to tell the phases of `labels` apart in `images`; return the best one.

    Raises:
        FibError: constant or non-finite images, or labels that cannot be learned from.
    """
    classes = class_of_phase(labels)
    fabric = fabric_on(context.device, unet.precision)
    grey_scale = GreyScale.of(images, per_slice=unet.normalization == "slice")
    volume = torch.empty(images.data.shape, dtype=torch.float32)
    target = torch.empty(labels.shape, dtype=torch.uint8)
    for z in range(images.shape[0]):
        volume[:, z] = torch.from_numpy(grey_scale.apply(images, [z])[:, 0])
        target[z] = torch.from_numpy(classes[labels.data[z]])
    volume, target = volume.to(fabric.device), target.to(fabric.device)
    depth = images.shape[0]
    split = depth - unet.validation_slices(depth)
    training = Patches(unet, volume, target, 0, split)
    validation = Patches(unet, volume, target, split, depth, skip=unet.reach_above)

    network = build_network(
        **unet.network_params(len(images.kv), len(labels.phases)),
        seed=int(context.rng_for("network").integers(2**63)),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=unet.learning_rate)
    module, fabric_optimizer = fabric.setup(network, optimizer)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=unet.learning_rate_factor, patience=unet.learning_rate_patience
    )
    checkpoint = Checkpoint(
        context.scratch / "checkpoint.pt",
        fingerprint(unet, images, labels, grey_scale, context.seed),
        network,
        optimizer,
        plateau,
    )
    progress = checkpoint.load(context)
    loss_of = _loss(unet)
    places = training.grid(unet.stride)
    per_epoch = unet.patches_per_epoch or len(places)
    seen = validation.grid(1.0)
    if len(seen) > per_epoch:
        seen = seen[np.linspace(0, len(seen) - 1, per_epoch).round().astype(int)]
    unchanged = Variation.none(unet, len(seen), len(images.kv))
    steps = -(-per_epoch // unet.batch_size)

    while progress.epoch < unet.epochs and not _exhausted(unet, progress):
        epoch = progress.epoch + 1
        rng = context.rng_for("epoch", epoch)
        corners = _corners(unet, training, places, per_epoch, rng)
        variation = Variation.draw(unet, rng, len(corners), len(images.kv))
        rate = optimizer.param_groups[0]["lr"]
        what = _what(epoch, progress)
        module.train()
        total = 0.0
        for step, (inputs, own) in enumerate(training.batches(corners, variation)):
            fabric_optimizer.zero_grad()
            loss = loss_of(module(inputs).float(), own)
            fabric.backward(loss)
            fabric_optimizer.step()
            total += loss.item() * len(inputs)
            context.progress((epoch - 1) * steps + step + 1, unet.epochs * steps, what)
        validation_loss, dice = _validate(module, validation.batches(seen, unchanged), loss_of)
        if not math.isfinite(validation_loss):
            raise FibError(
                f"training diverged in epoch {epoch} (the validation loss is {validation_loss}); "
                f"lower learning_rate (now {rate:g}), or use precision '32'"
            )
        plateau.step(validation_loss)
        progress.epoch = epoch
        progress.history.append(
            {
                "epoch": epoch,
                "train_loss": total / len(corners),
                "validation_loss": validation_loss,
                "validation_dice": dice,
                "learning_rate": rate,
            }
        )
        if validation_loss < progress.best_loss:
            progress.best_epoch, progress.best_loss = epoch, validation_loss
            progress.best = {n: t.detach().clone() for n, t in tensors_of(network).items()}
        checkpoint.save(progress)

    with torch.no_grad():
        for name, tensor in tensors_of(network).items():
            tensor.copy_(progress.best[name])
    return Trained(weights_of(network), progress.history, progress.best_epoch, grey_scale)


def class_of_phase(labels: Labels) -> np.ndarray:
    """Return a table from phase number (0 to 255) to class number (0, 1, ...), uint8.

    Raises:
        FibError: phases in the labels that they name no material for, or only one phase.
    """
    counts = np.zeros(256, np.int64)
    for plane in labels.data:
        counts += np.bincount(plane.ravel(), minlength=256)
    found = np.flatnonzero(counts).tolist()
    named = sorted(labels.phases)
    if not set(found) <= set(named):
        raise FibError(
            f"the labels hold the phases {found}, but materials are known for {named} only; "
            f"give a material for each phase"
        )
    if len(found) < 2:
        raise FibError(
            f"the labels hold phase {found[0]} only; to learn to tell phases apart, a "
            f"segmenter needs a structure with at least two"
        )
    table = np.zeros(256, np.uint8)
    table[named] = np.arange(len(named))
    return table


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

    def __init__(self, path: Path, fingerprint: str, *parts: Any) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.network, self.optimizer, self.plateau = parts

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
        # weights_only: tensors and plain values are read, code in the file is not run.
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        if state["fingerprint"] != self.fingerprint:
            context.log.warning(
                "%s belongs to a training with other parameters or data: training begins anew",
                self.path,
            )
            return Progress()
        with torch.no_grad():
            for name, tensor in tensors_of(self.network).items():
                tensor.copy_(state["network"][name])
        self.optimizer.load_state_dict(state["optimizer"])
        self.plateau.load_state_dict(state["plateau"])
        return Progress(**state["progress"])


def _loss(unet: UNetParameters) -> nn.Module:
    from monai.losses import DiceCELoss, DiceLoss

    # Dice over the whole batch: a patch without solid has no Dice score of its own.
    loss = DiceLoss if unet.loss == "dice" else DiceCELoss
    return loss(softmax=True, to_onehot_y=True, batch=True)


def _exhausted(unet: UNetParameters, progress: Progress) -> bool:
    return progress.epoch - progress.best_epoch >= unet.early_stopping_patience


def _corners(
    unet: UNetParameters, patches: Patches, places: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    if unet.sampling == "random":
        return patches.at_random(rng, count)
    rounds = [rng.permutation(places) for _ in range(-(-count // len(places)))]
    return np.concatenate(rounds)[:count]


def _what(epoch: int, progress: Progress) -> str:
    if not progress.history:
        return f"epoch {epoch}"
    best = progress.history[progress.best_epoch - 1]["validation_dice"]
    return f"epoch {epoch}, best validation Dice {best:.4f}"


def _validate(module: nn.Module, batches: Any, loss_of: nn.Module) -> tuple[float, float]:
    """Return the mean loss, and the Dice score of all validation voxels, mean over phases."""
    module.eval()
    total, patches = 0.0, 0
    overlap = size = torch.zeros(())
    with torch.no_grad():
        for inputs, own in batches:
            scores = module(inputs).float()
            total += loss_of(scores, own).item() * len(inputs)
            patches += len(inputs)
            predicted = scores.argmax(dim=1, keepdim=True)
            classes = range(scores.shape[1])
            hits = [((predicted == c) & (own == c)).sum().cpu() for c in classes]
            both = [((predicted == c).sum() + (own == c).sum()).cpu() for c in classes]
            overlap = overlap + torch.stack(hits)
            size = size + torch.stack(both)
    present = size > 0
    return total / patches, float((2.0 * overlap[present] / size[present]).mean())
