"""Training of a translator: epochs of steps, validation, checkpoints, the best epoch kept.

An interrupted training resumes and ends with the same bytes. On a GPU steps are replayed and their
inputs made ahead; the host reads nothing back before the end of an epoch.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import torch

from fib_plugins.adapters.translation.batches import Batches
from fib_plugins.adapters.translation.epoch_state import EpochState
from fib_plugins.adapters.translation.generators import set_upright
from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.adapters.translation.inference import translated
from fib_plugins.adapters.translation.method import Method
from fib_plugins.adapters.translation.noise import NoiseLaw
from fib_plugins.adapters.translation.patches import Patches, as_tensor
from fib_plugins.adapters.translation.source_stacks import (
    SourceStacks,
    source_stacks,
    validation_slices,
)
from fib_plugins.adapters.translation.trained import Trained
from fib_plugins.adapters.translation.validation import (
    Quality,
    Validation,
    held_out,
    some_slices,
)
from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.cuda_graphs import Replayed
from fib_plugins.training.optimizers import on_device
from fib_plugins.training.prefetch import ahead, depth_for, to_device
from fib_plugins.training.progress import Progress
from fib_plugins.training.weights import set_tensors, weights_of
from fibcore import Context, FibError, Images, Labels, Source

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.parameters import TranslationParameters
    from fib_plugins.training.team import Team

CHECKPOINT_SECONDS = 120.0
LAYOUT = 3
"""Version of the content of a checkpoint; a training does not resume from another version."""
LABELS_NOT_KEPT = 1e3
"""Added to the score of epochs that do not keep labels: any that does is better."""


def train(
    params: TranslationParameters,
    method_of: type[Method],
    source: Images | Source,
    target: Images,
    labels: Labels | None,
    context: Context,
    team: Team,
) -> Trained:
    """Train a translator from the look of `source` to that of `target`; return the best one.

    Each process of the team calls it. Only the first validates.

    Raises:
        FibError: constant or non-finite images, or a training that diverges.
    """
    with source_stacks(params, source, labels, context, team) as stacks:
        return _train(params, method_of, stacks, target, context, team)


def _train(
    params: TranslationParameters,
    method_of: type[Method],
    stacks: SourceStacks,
    target: Images,
    context: Context,
    team: Team,
) -> Trained:
    device = team.fabric.device
    source, shown = stacks.images, stacks.shown
    ranges = GreyRange.of(source, "the source"), GreyRange.of(target, "the target")
    depth = target.shape[0] - held_out(target.shape[0], params.validation_slices)
    wanted = validation_slices(target.shape[0], depth, params.validation_slices)
    targets = Patches(target, ranges[1], depth, params.patch, params.stride)

    def sources(images: Images) -> Patches:
        return Patches(images, ranges[0], stacks.depth, params.patch, params.stride)

    validation = None
    if team.rank == 0:
        validation = _validation(source, target, stacks.labels, shown, wanted, ranges, context)
    places = sources(source).grid()
    per_epoch = params.steps_per_epoch or -(-len(places) * stacks.count // params.batch_size)

    def seed_of(name: str) -> int:
        return int(context.rng_for("network", name).integers(2**63))

    noise = team.by_first(
        lambda: (
            NoiseLaw.of(source, ranges[0], context.threads),
            NoiseLaw.of(target, ranges[1], context.threads),
        )
    )
    method = method_of(params, len(source.kv), seed_of, team, noise)
    first = to_device(as_tensor(sources(source).cut(places[:1])), device)
    for network in method.translators():
        set_upright(network, first)
    state = EpochState()
    fingerprint = _fingerprint(params, stacks, target, ranges, context.seed)
    checkpoint = Checkpoint(
        context.scratch / "checkpoint.pt", fingerprint, state=state, **method.parts()
    )
    progress = checkpoint.load(context, team.by_first)
    for optimizer in method.optimizers.values():
        on_device(optimizer, device)
    square = math.isclose(*source.voxel_size_nm[1:], rel_tol=1e-3)
    batches = Batches(
        lambda epoch: list(map(sources, stacks.of_epoch(epoch))),
        targets,
        places,
        per_epoch,
        params.augment,
        square,
        method,
        context,
    )
    learn = Replayed(method.learn, device, context.log) if team.size == 1 else method.learn
    saved = time.monotonic()
    quality = None

    def translate() -> Images:
        data = np.empty((len(target.kv), len(shown), *source.shape[1:]), target.data.dtype)
        made = translated(params, method.generator, source, ranges[0], context, shown)
        for place, (_, plane) in enumerate(made):
            data[:, place] = ranges[1].restored(plane, data.dtype)
        for network in method.networks.values():
            network.train()
        return Images(data, source.voxel_size_nm, target.kv, target.names, target.quantity)

    def validate() -> tuple[Quality, NoiseLaw, torch.Tensor]:
        assert validation is not None
        images = translate()
        picture = _sample(params, source, images, target, shown[0], ranges)
        return validation.measure(images), NoiseLaw.of(images, ranges[1], context.threads), picture

    while progress.epoch < params.epochs and not progress.exhausted(params.early_stopping_patience):
        epoch = progress.epoch + 1
        left, depth = range(state.step, per_epoch), depth_for(device)
        with closing(ahead(batches.of_epoch(epoch), left, depth)) as made:
            for inputs in made:
                losses = learn({n: to_device(t, device) for n, t in inputs.items()})
                state.add(team.average(losses, method.own_patches))
                done = progress.epoch * per_epoch + state.step
                method.step_done(done)
                context.progress(done, params.epochs * per_epoch, _what(progress))
                if time.monotonic() - saved > CHECKPOINT_SECONDS and state.step < per_epoch:
                    team.save(checkpoint, progress)
                    saved = time.monotonic()
        means = state.means()
        if not math.isfinite(means["generator_loss"]):
            raise FibError(
                f"training diverged in epoch {epoch} (the generator's loss is "
                f"{means['generator_loss']}); lower learning_rate (now "
                f"{method.learning_rate:g}), or use precision '32'"
            )
        quality, found, picture = team.by_first(validate)
        state.samples.append(picture)
        row = {**means, "learning_rate": method.learning_rate, **_figures(quality)}
        score = quality.score + (LABELS_NOT_KEPT if quality.problems else 0.0)
        method.epoch_done(score)
        progress.add(row, score, method.generator)
        method.correct_noise(found)
        team.save(checkpoint, progress)
        saved = time.monotonic()

    set_tensors(method.generator, progress.best)
    if quality is None or progress.best_epoch != progress.epoch:
        quality, *_ = team.by_first(validate)
    return Trained(
        weights_of(method.generator),
        progress.history,
        progress.best_epoch,
        source.spec,
        *ranges,
        torch.stack(state.samples).numpy(),
        validation.before if validation is not None else {},
        quality,
    )


def _validation(
    source: Images,
    target: Images,
    labels: Labels | None,
    shown: list[int],
    wanted: list[int],
    ranges: tuple[GreyRange, GreyRange],
    context: Context,
) -> Validation:
    """Return the validation of some slices of the source against some of the target."""
    part = some_slices(source, shown)
    data = ranges[1].restored(ranges[0].scaled(part.data), target.data.dtype)
    own = None if labels is None else labels.with_data(labels.data[shown])
    # The source on the target's grey scale, since distances are measured in grey values.
    return Validation(part.with_data(data), some_slices(target, wanted), own, context)


def _figures(quality: Quality) -> dict[str, float]:
    kept: dict[str, float] = {
        name: quality.kept[name]
        for name in ("contrast", "edge_shift_pixels", "information_ratio")
        if name in quality.kept
    }
    return {
        "validation_score": quality.score,
        **quality.distances,
        **kept,
        "labels_kept": float(not quality.problems),
    }


def _sample(
    params: TranslationParameters,
    source: Images,
    made: Images,
    target: Images,
    z: int,
    ranges: tuple[GreyRange, GreyRange],
) -> torch.Tensor:
    """Return source, translation and target side by side: the corner patch, 0 to 1."""
    size = params.patch
    parts = [
        ranges[0].scaled(source.data[:, z, :size, :size]),
        ranges[1].scaled(made.data[:, 0, :size, :size]),
        ranges[1].scaled(target.data[:, -1, :size, :size]),
    ]
    return torch.from_numpy(
        np.concatenate([part[0] for part in parts], axis=1).clip(-1.0, 1.0) * 0.5 + 0.5
    )


def _what(progress: Progress) -> str:
    what = f"epoch {progress.epoch + 1}"
    if progress.best_epoch:
        best = progress.history[progress.best_epoch - 1]["validation_score"]
        what += f", best validation score {best:.3f}"
    return what


def _fingerprint(
    params: TranslationParameters,
    stacks: SourceStacks,
    target: Images,
    ranges: tuple[GreyRange, GreyRange],
    seed: int,
) -> str:
    """Return a digest of all that determines the training, which identifies a checkpoint."""
    source, labels = stacks.images, stacks.labels
    facts = {
        **stacks.facts,
        "layout": LAYOUT,
        "params": params.model_dump(mode="json", exclude={"on_label_change", "tile"}),
        "shapes": [source.data.shape, target.data.shape],
        "grey_values": [grey_range.to_json() for grey_range in ranges],
        "sums": [
            [float(np.sum(stack.data[:, z], dtype=np.float64)) for z in range(stack.shape[0])]
            for stack in (source, target)
        ],
        "voxel_size_nm": [list(source.voxel_size_nm), list(target.voxel_size_nm)],
        "solid": None if labels is None else int(np.count_nonzero(labels.data)),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
