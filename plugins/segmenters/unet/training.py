"""Training of the U-Net segmenter: table 1's procedure, resumable after every epoch.

Sums are read from a GPU once in each part of an epoch, and nothing in between.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fib_plugins.segmenters.training_data import TrainingData
from fib_plugins.segmenters.unet.data import Data, data_of
from fib_plugins.segmenters.unet.labelled_loss import LabelledLoss
from fib_plugins.segmenters.unet.network import build_network
from fib_plugins.segmenters.unet.patches import Patches, Variation
from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.cuda_graphs import Replayed, Tensors
from fib_plugins.training.optimizers import adam, on_device, rate_of
from fib_plugins.training.progress import Progress, plateau
from fib_plugins.training.team import Team
from fib_plugins.training.weights import set_tensors, set_weights, weights_of
from fib_plugins.unlabelled import UNLABELLED
from fibcore import Adapter, Context, FibError, Images, Labels, Model, Source

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Trained:
    """The result of a training: the best weights, the history, and what it was trained on."""

    weights: dict[str, np.ndarray]
    history: list[dict[str, Any]]
    best_epoch: int
    info: dict[str, Any]


def train(
    unet: UNetParameters,
    images: Images | Source,
    labels: Labels | None,
    instrument: Adapter | None,
    start: Model | None,
    context: Context,
    team: Team,
) -> Trained:
    """Train a network to find the phases of `labels` in `images`; return the best one.

    With an `instrument`, the images are recorded by it and its random variants. A source has the
    labels of its images. Training begins with the weights of `start`, if there is one. Each process
    of the team calls it.

    Raises:
        FibError: constant or non-finite images, labels that cannot be learned from, or a training
            that diverges.
    """
    with data_of(unet, images, labels, instrument, start, context, team) as data:
        return _train(unet, data, start, context, team)


def _train(
    unet: UNetParameters, data: Data, start: Model | None, context: Context, team: Team
) -> Trained:
    trained_on, validated_on = data.training, data.validation
    channels = len(trained_on.volume)
    phases = data.example[1].phases
    device = team.fabric.device
    training = Patches(unet, trained_on.volume, trained_on.target)
    validation = Patches(unet, validated_on.volume, validated_on.target, skip=data.skip)
    places, grid = training.grid(unet.stride), validation.grid(1.0)
    if data.partial:
        trained_on.hold(1)
        validated_on.hold(1)
        places, grid = training.labelled(places), validation.labelled(grid)
    per_epoch = unet.patches_per_epoch or len(places) * len(trained_on.target)
    seen = _thinned(grid, per_epoch)
    unvaried = Variation.none(unet, len(seen), channels)
    by = context.rng_for("validation").integers(0, len(validated_on), len(seen))
    unvaried = replace(unvaried, stack=by)

    network = build_network(
        **unet.network_params(channels, len(phases)),
        seed=int(context.rng_for("network").integers(2**63)),
    )
    if start is not None:
        set_weights(network, start.weights)
    optimizer = adam(network.parameters(), unet.learning_rate, device)
    lowering = plateau(optimizer, unet)
    module, fabric_optimizer = team.fabric.setup(network, optimizer)
    loss_of = loss_function(unet, data.partial)
    learn = learning_step(module, loss_of, fabric_optimizer, team)
    if team.size == 1:
        learn = Replayed(learn, device, context.log)

    def validated(tick: Callable[[], None]) -> tuple[float, float]:
        validated_on.hold(1)
        return validate(module, validation.batches(seen, unvaried), loss_of, tick)

    checkpoint = Checkpoint(
        context.scratch / "checkpoint.pt",
        _fingerprint(unet, data, context.seed),
        network=network,
        optimizer=optimizer,
        plateau=lowering,
    )
    progress = checkpoint.load(context, team.by_first)
    on_device(optimizer, device)
    ticks = -(-per_epoch // unet.batch_size) + -(-len(seen) // unet.batch_size)
    while progress.epoch < unet.epochs and not progress.exhausted(unet.early_stopping_patience):
        epoch = progress.epoch + 1
        trained_on.hold(epoch)
        rng = context.rng_for("epoch", epoch)
        corners = _corners(unet, training, places, per_epoch, data.partial, rng)
        variation = Variation.draw(unet, rng, per_epoch, channels, len(trained_on))
        rate = rate_of(optimizer)
        tick = _ticker(context, progress, ticks, unet.epochs)
        module.train()
        total = torch.zeros((), dtype=torch.float64, device=device)
        for inputs, own in training.batches(corners, variation, team.share):
            loss = learn({"inputs": inputs, "target": own})["loss"]
            total += loss.double() * len(inputs) / per_epoch
            tick()
        train_loss = float(team.sum(total))
        validation_loss, dice = team.by_first(partial(validated, tick))
        if not math.isfinite(validation_loss):
            raise FibError(
                f"training diverged in epoch {epoch} (the validation loss is {validation_loss}); "
                f"lower learning_rate (now {rate:g}), or use precision '32'"
            )
        lowering.step(validation_loss)
        row = {
            "train_loss": train_loss,
            "validation_loss": validation_loss,
            "validation_dice": dice,
            "learning_rate": rate,
        }
        progress.add(row, validation_loss, network)
        team.save(checkpoint, progress)

    set_tensors(network, progress.best)
    info = TrainingData.record(*data.example, data.grey_scale) | {"shares": data.shares}
    return Trained(weights_of(network), progress.history, progress.best_epoch, info)


def _thinned(places: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many places, evenly spread."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(int)]


def loss_function(unet: UNetParameters, partial: bool = False) -> nn.Module:
    """Return the loss function of the scores and the true classes of a batch.

    Args:
        unet: the parameters.
        partial: whether some voxels have no label.
    """
    if partial:
        return LabelledLoss(1.0, 0.0 if unet.loss == "dice" else 1.0)
    from monai.losses import DiceCELoss, DiceLoss

    # Dice over the whole batch: a patch without solid has no Dice score.
    loss = DiceLoss if unet.loss == "dice" else DiceCELoss
    return loss(softmax=True, to_onehot_y=True, batch=True)


def _fingerprint(unet: UNetParameters, data: Data, seed: int) -> str:
    """Return a digest of all that determines the training, which identifies a checkpoint."""
    facts = {"params": unet.model_dump(mode="json"), **data.facts, "seed": seed}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _corners(
    unet: UNetParameters,
    patches: Patches,
    places: np.ndarray,
    count: int,
    partial: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    if unet.sampling == "random" and not partial:
        return patches.at_random(rng, count)
    rounds = [rng.permutation(places) for _ in range(-(-count // len(places)))]
    return np.concatenate(rounds)[:count]


def _ticker(context: Context, progress: Progress, ticks: int, epochs: int) -> Callable[[], None]:
    """Return a function that reports progress; call it after each of an epoch's `ticks` batches."""
    what = f"epoch {progress.epoch + 1}"
    if progress.best_epoch:
        best = progress.history[progress.best_epoch - 1]["validation_dice"]
        what += f", best validation Dice {best:.4f}"
    done = progress.epoch * ticks

    def tick() -> None:
        nonlocal done
        done += 1
        context.progress(done, epochs * ticks, what)

    return tick


def learning_step(
    module: nn.Module, loss_of: nn.Module, optimizer: torch.optim.Optimizer, team: Team
) -> Callable[[Tensors], Tensors]:
    """Return the training step: from `inputs` and `target`, a share of a batch, to the `loss`.

    It reads nothing back from the device.
    """
    parameters = list(module.parameters())

    def learn(batch: Tensors) -> Tensors:
        patches = len(batch["inputs"])
        optimizer.zero_grad()
        if patches:
            loss = loss_of(module(batch["inputs"]).float(), batch["target"])
            team.fabric.backward(loss)
        else:
            loss = torch.zeros((), device=batch["inputs"].device)
        team.average_gradients(parameters, patches)
        optimizer.step()
        return {"loss": loss.detach()}

    return learn


def validate(
    module: nn.Module, batches: Batches, loss_of: nn.Module, tick: Callable[[], None]
) -> tuple[float, float]:
    """Return the mean loss, and the Dice score of all validation voxels, mean over phases."""
    module.eval()
    sums: list[torch.Tensor] = []
    patches = 0
    with torch.no_grad():
        for inputs, own in batches:
            scores = module(inputs).float()
            predicted = scores.argmax(dim=1, keepdim=True)
            classes = range(scores.shape[1])
            predicted = torch.where(own == UNLABELLED, own, predicted)
            hits = [((predicted == c) & (own == c)).sum() for c in classes]
            both = [(predicted == c).sum() + (own == c).sum() for c in classes]
            of_batch = [
                loss_of(scores, own).double() * len(inputs),
                *map(torch.stack, (hits, both)),
            ]
            sums = [a + b for a, b in zip(sums, of_batch, strict=True)] if sums else of_batch
            patches += len(inputs)
            tick()
    total, overlap, size = (part.cpu() for part in sums)
    present = size > 0
    dice = 2.0 * overlap[present].double() / size[present]
    return float(total) / patches, float(dice.mean())
