"""Training of the U-Net segmenter: table 1's procedure, resumable after every epoch.

Training and validation share no voxel: validation is the end of the stack along z, and the first
`slices_above` of its slices serve as neighbours only. With an instrument, both parts are seen as it
and its random variants record them.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.training_data import class_of_phase
from fib_plugins.segmenters.unet_network import build_network
from fib_plugins.segmenters.unet_patches import Patches, Variation
from fib_plugins.segmenters.unet_recordings import Instruments, Recordings
from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.progress import Progress, plateau
from fib_plugins.training.runtime import fabric_on
from fib_plugins.training.weights import set_tensors, weights_of
from fibcore import Adapter, Context, FibError, Images, Labels

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet_parameters import UNetParameters

Batches = Iterator[tuple[torch.Tensor, torch.Tensor]]


@dataclass(frozen=True)
class Trained:
    """What training gives: the best weights and how they came about."""

    weights: dict[str, np.ndarray]
    history: list[dict[str, Any]]
    best_epoch: int
    grey_scale: GreyScale


def train(
    unet: UNetParameters,
    images: Images,
    labels: Labels,
    instrument: Adapter | None,
    context: Context,
) -> Trained:
    """Train a network to tell the phases of `labels` apart in `images`; return the best one.

    With an `instrument`, in images as it and its random variants record them.

    Raises:
        FibError: constant or non-finite images, labels that cannot be learned from, or a training
            that diverges.
    """
    classes = class_of_phase(labels)
    channels = len(images.kv)
    fabric = fabric_on(context.device, unet.precision)
    depth = images.shape[0]
    split = depth - unet.validation_slices(depth)
    instruments = None
    if instrument is not None:
        instruments = Instruments(instrument, unet.instrument_spread, context)
    grey_scale = _grey_scale(unet, images, range(split), instruments)

    def recordings(slices: range, purpose: str) -> Recordings:
        return Recordings(unet, images, slices, grey_scale, fabric.device, instruments, purpose)

    target = _classes_on_device(labels, classes, fabric.device)
    trained_on = recordings(range(split), "training")
    judged_by = recordings(range(split, depth), "validation")
    training = Patches(unet, trained_on.volume, target[:split])
    validation = Patches(unet, judged_by.volume, target[split:], skip=unet.reach_above)
    places = training.grid(unet.stride)
    per_epoch = unet.patches_per_epoch or len(places)
    seen = _thinned(validation.grid(1.0), per_epoch)
    unvaried = Variation.none(unet, len(seen), channels)
    by = context.rng_for("validation").integers(0, len(judged_by), len(seen))
    unvaried = replace(unvaried, recording=by)

    network = build_network(
        **unet.network_params(channels, len(labels.phases)),
        seed=int(context.rng_for("network").integers(2**63)),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=unet.learning_rate)
    lowering = plateau(optimizer, unet)
    module, fabric_optimizer = fabric.setup(network, optimizer)
    loss_of = _loss(unet)

    def step(inputs: torch.Tensor, own: torch.Tensor) -> float:
        fabric_optimizer.zero_grad()
        loss = loss_of(module(inputs).float(), own)
        fabric.backward(loss)
        fabric_optimizer.step()
        return float(loss.item())

    checkpoint = Checkpoint(
        context.scratch / "checkpoint.pt",
        _fingerprint(unet, images, labels, instrument, grey_scale, context.seed),
        network=network,
        optimizer=optimizer,
        plateau=lowering,
    )
    progress = checkpoint.load(context)
    ticks = -(-per_epoch // unet.batch_size) + -(-len(seen) // unet.batch_size)
    while progress.epoch < unet.epochs and not progress.exhausted(unet.early_stopping_patience):
        epoch = progress.epoch + 1
        oldest = progress.epoch * unet.instrument_renewal if instruments else 0
        trained_on.hold(range(oldest, oldest + len(trained_on)), context)
        judged_by.hold(range(len(judged_by)), context)
        rng = context.rng_for("epoch", epoch)
        corners = _corners(unet, training, places, per_epoch, rng)
        variation = Variation.draw(unet, rng, per_epoch, channels, len(trained_on))
        rate = optimizer.param_groups[0]["lr"]
        tick = _ticker(context, progress, ticks, unet.epochs)
        module.train()
        train_loss = 0.0
        for inputs, own in training.batches(corners, variation):
            train_loss += step(inputs, own) * len(inputs) / per_epoch
            tick()
        batches = validation.batches(seen, unvaried)
        validation_loss, dice = _validate(module, batches, loss_of, tick)
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
        checkpoint.save(progress)

    set_tensors(network, progress.best)
    return Trained(weights_of(network), progress.history, progress.best_epoch, grey_scale)


def _grey_scale(
    unet: UNetParameters, images: Images, slices: range, instruments: Instruments | None
) -> GreyScale:
    """Return the grey scale of the images, or of some slices as the given instrument sees them."""
    if instruments is not None:
        part = images.data[:, slices.start : slices.stop]
        images = instruments.record(images.with_data(part))
    return GreyScale.of(images, per_slice=unet.normalization == "slice")


def _classes_on_device(labels: Labels, classes: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return the class of each voxel of the stack, axes (z, y, x)."""
    target = torch.empty(labels.shape, dtype=torch.uint8, device=device)
    for z in range(labels.shape[0]):
        target[z] = torch.from_numpy(classes[labels.data[z]])
    return target


def _thinned(places: np.ndarray, most: int) -> np.ndarray:
    """Return at most so many places, evenly spread."""
    if len(places) <= most:
        return places
    return places[np.linspace(0, len(places) - 1, most).round().astype(int)]


def _loss(unet: UNetParameters) -> nn.Module:
    from monai.losses import DiceCELoss, DiceLoss

    # Dice over the whole batch: a patch without solid has no Dice score of its own.
    loss = DiceLoss if unet.loss == "dice" else DiceCELoss
    return loss(softmax=True, to_onehot_y=True, batch=True)


def _fingerprint(
    unet: UNetParameters,
    images: Images,
    labels: Labels,
    instrument: Adapter | None,
    grey_scale: GreyScale,
    seed: int,
) -> str:
    """Return a digest of what decides the course of training, to know a checkpoint by."""
    facts = {
        "params": unet.model_dump(mode="json"),
        "shape": images.data.shape,
        "phases": sorted(labels.phases),
        "instrument": None if instrument is None else instrument.model_dump(mode="json"),
        "grey_values": [grey_scale.centre.tolist(), grey_scale.scale.tolist()],
        "solid": [int(np.count_nonzero(plane)) for plane in labels.data],
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _corners(
    unet: UNetParameters, patches: Patches, places: np.ndarray, count: int, rng: np.random.Generator
) -> np.ndarray:
    if unet.sampling == "random":
        return patches.at_random(rng, count)
    rounds = [rng.permutation(places) for _ in range(-(-count // len(places)))]
    return np.concatenate(rounds)[:count]


def _ticker(context: Context, progress: Progress, ticks: int, epochs: int) -> Callable[[], None]:
    """Return what to call after each of an epoch's `ticks` batches, to report progress."""
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


def _validate(
    module: nn.Module, batches: Batches, loss_of: nn.Module, tick: Callable[[], None]
) -> tuple[float, float]:
    """Return the mean loss, and the Dice score of all validation voxels, mean over phases."""
    module.eval()
    total, patches = 0.0, 0
    overlap = size = torch.zeros(1, dtype=torch.int64)
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
            tick()
    present = size > 0
    dice = 2.0 * overlap[present].double() / size[present]
    return total / patches, float(dice.mean())
