"""Fitting of a surrogate: from nothing, or on given images."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from fib_plugins.electrons.imaging import phases_in
from fib_plugins.simulators.monte_carlo import digest_of
from fib_plugins.simulators.surrogate.given import Windows, batches_of_images
from fib_plugins.simulators.surrogate.known import info_of, media_of
from fib_plugins.simulators.surrogate.network import SurrogateNetwork, build_network
from fib_plugins.simulators.surrogate.planes import Surroundings
from fib_plugins.simulators.surrogate.reach import depth_scale_nm, geometry_of
from fib_plugins.simulators.surrogate.signals import are_secondary, loss_of
from fib_plugins.simulators.surrogate.teaching import steps_until, teach
from fib_plugins.simulators.surrogate.training import Trainer
from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.runtime import cpu_threads
from fib_plugins.training.weights import weights_of
from fibcore import Context, FibError, Images, Labels, Model, Table
from fibcore.roles import Abscissa, Curve, Key

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.parameters import SurrogateParameters

VALIDATION_SHARE = 0.2
VALIDATION_WINDOWS = 64
CURVES = ("train_loss", "validation_loss", "rms_error_of_new")


def fitted(
    plugin: str,
    params: SurrogateParameters,
    labels: Labels | None,
    images: Images | None,
    context: Context,
) -> tuple[Model, Table, Table]:
    """Return a model, its history and its accuracy; see `Surrogate.fit`."""
    params.check_pair(labels is not None, images is not None)
    voxel_size = params.voxel_size_nm if labels is None else labels.voxel_size_nm
    geometry = geometry_of(params, params.materials, voxel_size)
    channels = len(params.kv)
    scale = depth_scale_nm(params, params.materials) if params.mean_depth else []
    network = build_network(
        geometry,
        media=len(params.materials),
        features=params.features,
        outputs=channels * (2 if params.mean_depth else 1),
        seed=int(context.rng_for("network").integers(2**63)),
    )
    trainer = Trainer(params, network, range(channels), scale, context)
    info = info_of(params, params.materials, voxel_size, geometry, scale)
    with cpu_threads(1):
        if labels is None or images is None:
            taught = teach(params, geometry, trainer, context)
            history, accuracy = taught.history, taught.accuracy
            if taught.spread:
                info = info | {"spread": taught.spread}
        else:
            history = _taught_by(params, network, trainer, info, labels, images, context)
            accuracy = []
    model = Model(plugin, params.model_dump(mode="json"), weights_of(network), info)
    return model, _history_table(history), _accuracy_table(accuracy)


def _taught_by(
    params: SurrogateParameters,
    network: SurrogateNetwork,
    trainer: Trainer,
    info: dict[str, Any],
    labels: Labels,
    images: Images,
    context: Context,
) -> list[dict[str, Any]]:
    """Train on given images; validation uses the last slices, which training does not image.

    Raises:
        FibError: they do not fit the parameters, or training diverges.
    """
    params.check_given(labels.spec, images.spec)
    images = _checked(params, images)
    phases = phases_in(labels)
    media = media_of(info, labels, phases)
    around = Surroundings(labels, media, params.lateral, params.below)
    windows = Windows(network.geometry, around, len(params.materials))
    depth = labels.shape[0]
    split = max(1, depth - math.ceil(VALIDATION_SHARE * depth))
    data = images.data
    checkpoint = Checkpoint(
        context.scratch / "checkpoint.pt",
        _fingerprint(params, labels, phases, data, context.seed),
        network=network,
        optimizer=trainer.optimizer,
    )
    progress = checkpoint.load(context)
    trainer.resumed()
    (seen,) = batches_of_images(
        windows,
        data,
        range(split, depth) if split < depth else range(depth),
        VALIDATION_WINDOWS,
        context.rng_for("validation"),
        1,
    )
    while progress.epoch < params.rounds:
        number = progress.epoch
        rng = context.rng_for("round", number)
        start, stop = (steps_until(params, n) for n in (number, number + 1))
        loss = trainer.train(
            batches_of_images(windows, data, range(split), params.batch_size, rng, stop - start),
            rng,
            start,
            params.steps,
            lambda done: context.progress(done, params.steps, "training steps"),
        )
        found = torch.from_numpy(trainer.predicted(seen))
        validation = float(loss_of(found, seen.yields, trainer.secondary))
        row = {
            "steps": stop,
            "train_loss": loss,
            "validation_loss": validation,
            "learning_rate": trainer.rate,
        }
        progress.add(row, validation, network)
        checkpoint.save(progress)
    return progress.history


def _checked(params: SurrogateParameters, images: Images) -> Images:
    """Return the images with the channels in the order of the parameters, or refuse them."""
    images = images.take([images.channels.index(channel) for channel in params.channels])
    for channel, secondary, data in zip(
        images.channels, are_secondary(images.channels), images.data, strict=True
    ):
        low, high = float(data.min()), float(data.max())
        if not 0.0 <= low <= high <= (math.inf if secondary else 1.0):
            raise FibError(
                f"the {channel} images have values from {low:g} to {high:g}; a surrogate learns "
                f"backscatter yields, which are 0 to 1, and yields of secondary electrons, which "
                f"are positive: give images of simulator/monte_carlo"
            )
    return images


def _history_table(rows: Sequence[dict[str, Any]]) -> Table:
    roles = {name: Curve() for name in CURVES if name in rows[0]}
    roles["learning_rate"] = Curve()  # which falls to 0
    named = [{("round" if k == "epoch" else k): v for k, v in row.items()} for row in rows]
    return Table.from_rows(_without_none(named), {"round": Abscissa(drawn_from=3), **roles})


def _accuracy_table(rows: Sequence[dict[str, Any]]) -> Table:
    if not rows:
        return Table({"family": np.array([], str), "channel": np.array([], str)})
    return Table.from_rows(_without_none(rows), {"family": Key(), "channel": Key()})


def _without_none(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows with nan for missing figures, so that their columns are numbers."""
    return [{k: math.nan if v is None else v for k, v in row.items()} for row in rows]


def _fingerprint(
    params: SurrogateParameters, labels: Labels, phases: list[int], images: np.ndarray, seed: int
) -> str:
    """Return a digest of all that determines the training, which identifies a checkpoint."""
    facts = json.dumps(
        [params.model_dump(mode="json"), digest_of(labels, phases), seed], sort_keys=True
    )
    digest = hashlib.sha256(facts.encode())
    for place in np.ndindex(images.shape[:2]):
        digest.update(np.ascontiguousarray(images[place]).data)
    return digest.hexdigest()
