"""Comparison of the candidates on left-out labels, and the training of the best one on all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.random_forest.plugin import RandomForest
from fib_plugins.segmenters.training_data import TrainingData, class_of_phase
from fib_plugins.segmenters.tuned.folds import Fold, folds_of
from fib_plugins.segmenters.tuned.scores import Scores, scores_of, scores_of_network, total
from fib_plugins.segmenters.tuned.trials import (
    best_of,
    candidates_table,
    left_out_table,
    record,
    trials_of,
)
from fib_plugins.segmenters.tuned.tuning import Way, tuned, ways
from fib_plugins.segmenters.unet.balance import balanced
from fib_plugins.segmenters.unet.batch_norm import adapt
from fib_plugins.segmenters.unet.data import around
from fib_plugins.segmenters.unet.network import build_network
from fib_plugins.segmenters.unet.patches import Patches
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.segmenters.unet.stacks import Given, HeldStacks, Stack
from fib_plugins.segmenters.unet.start import digest_of
from fib_plugins.training.checkpoint import Checkpoint
from fib_plugins.training.progress import Progress
from fib_plugins.training.weights import set_weights, weights_of
from fib_plugins.unlabelled import UNLABELLED
from fibcore import Context, FibError, Images, Labels, Model

if TYPE_CHECKING:
    from fib_plugins.segmenters.tuned.parameters import TunedParameters

NEEDS_MANY = ("full", "alone")
"""Candidates that need `least_voxels`."""


@dataclass
class Comparison:
    """Candidates trained on a part of the labels, and compared on the rest.

    Args:
        params: the parameters.
        start: the trained network.
        images: images with the channels of the start, in its order.
        labels: their labels, as far as they are known.
        context: surroundings of the step.

    Raises:
        FibError: labels of one phase, in one place, or too few for the candidates.
    """

    params: TunedParameters
    start: UNet
    images: Images
    labels: Labels
    context: Context
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        classes = class_of_phase(self.labels)
        self.names = self._allowed(classes)
        unet = self.start.model_copy(
            update={
                "batch_size": self.params.batch_size,
                "augment_gain": self.params.augment_gain,
                "augment_offset": self.params.augment_offset,
                "augment_noise": self.params.augment_noise,
            }
        )
        self._ways = ways(self.params)
        self._params_of_network = self.start.network_params(
            len(self.images.kv), len(self.labels.phases)
        )
        network, grey_scale = self._as_applied()
        self._first = weights_of(network)
        planes = [
            z for z, plane in enumerate(self.labels.data) if (classes[plane] != UNLABELLED).any()
        ]
        shown = around(unet, np.array(planes), self.images.shape[0])
        device = torch.device(self.context.device)
        stack = Stack(self.images, self.labels, grey_scale, shown)
        held = HeldStacks(Given([stack]), len(self.images.kv), classes, device, self.context.empty)
        held.hold(1)
        self._unet, self._held, self._from = unet, held, shown.start
        self._target = held.target[0].cpu().numpy()
        part = self.labels.with_data(self.labels.data[shown.start : shown.stop])
        self._folds = folds_of(part, self._target, self.params.folds)
        self._ticks = self._done = 0

    def _allowed(self, classes: np.ndarray) -> list[str]:
        """Return the candidates for which there are enough labels."""
        count = sum(int(np.count_nonzero(classes[p] != UNLABELLED)) for p in self.labels.data)
        enough = count >= self.params.least_voxels
        names: list[str] = [
            n for n in dict.fromkeys(self.params.candidates) if enough or n not in NEEDS_MANY
        ]
        if not names:
            raise FibError(
                f"{count} voxels have labels, and the candidates "
                f"{', '.join(self.params.candidates)} need least_voxels "
                f"{self.params.least_voxels}: label more, or add the candidates start, cautious or "
                f"forest"
            )
        return names

    def _as_applied(self) -> tuple[nn.Module, GreyScale]:
        """Return network and grey scale of the start as it segments these images."""
        start, context = self.start, self.context
        trained_on = TrainingData(start.model.info, start.learner)
        network = build_network(**self._params_of_network, seed=0)
        set_weights(network, start.model.weights)
        scale = trained_on.grey_scale(self.images, start.normalization)
        if start.balances:
            scale = balanced(start, network, self.images, scale, trained_on, context)
        if start.batch_norm == "stack":
            adapt(start, network, self.images, scale, start.model.params["batch_size"], context)
        return network.cpu(), scale

    # -- comparison ----------------------------------------------------------------------------

    def best(self) -> Model:
        """Return the model of the candidate with the lowest loss on left-out labels.

        It is trained on all labels. The tables `candidates` and `left_out` are kept.
        """
        checkpoint = Checkpoint(self.context.scratch / "compared.pt", self._fingerprint())
        self.progress = checkpoint.load(self.context)
        done = {(row["candidate"], row["fold"]) for row in self.progress.history}
        works = [(name, f) for name in self.names for f in range(len(self._folds))]
        per_fold = [self._ways[n].steps if n in self._ways else 1 for n in self.names]
        self._ticks = sum(per_fold) * len(self._folds) + max(per_fold)
        for name, fold in works:
            if (name, fold) in done:
                self._tick(self._steps_of(name), name)
                continue
            for steps, scores in self._compared(name, fold):
                self.progress.history.append(record(name, fold, steps, scores))
            checkpoint.save(self.progress)
        trials = trials_of(self.progress.history)
        chosen = best_of(trials)
        self.context.keep("candidates", candidates_table(trials, chosen))
        own = [replace(fold, first=self._from) for fold in self._folds]
        self.context.keep("left_out", left_out_table(own, trials[chosen]))
        self.context.log.info("chosen by left-out labels: %s after %d steps", *chosen)
        return self._refitted(*chosen)

    def _compared(self, name: str, number: int) -> Iterator[tuple[int, Scores]]:
        """Yield numbers of steps, and scores on the labels of a fold, of a candidate."""
        fold = self._folds[number]
        left_out = self._patches(fold.only(self._target))
        if name == "start":
            yield 0, scores_of_network(self._network(name).to(left_out.volume.device), left_out)
            self._tick(1, name)
        elif name == "forest":
            yield 0, self._scores_of_forest(fold)
            self._tick(1, name)
        else:
            network, learned = self._network(name), self._patches(fold.without(self._target))
            for steps in self._training(name, network, learned, f"fold {number}"):
                yield steps, scores_of_network(network, left_out)

    def _training(
        self, name: str, network: nn.Module, learned: Patches, purpose: str
    ) -> Iterator[int]:
        def tick() -> None:
            self._tick(1, name)

        return tuned(self._ways[name], network, learned, (name, purpose), self.context, tick)

    def _patches(self, target: np.ndarray) -> Patches:
        tensor = torch.from_numpy(target)[None].to(self._held.volume.device)
        return Patches(self._unet, self._held.volume, tensor)

    def _network(self, name: str) -> nn.Module:
        seed = int(self.context.rng_for("network").integers(2**63))
        network = build_network(**self._params_of_network, seed=seed)
        if name != "alone":
            set_weights(network, self._first)
        return network

    def _forest(self, labels: Labels) -> RandomForest:
        start = self.start
        seen = start.dimensions == "2.5d"
        forest = RandomForest(
            dimensions="2d" if start.flat else "3d",
            slices_above=start.slices_above if seen else 0,
            slices_below=start.slices_below if seen else 0,
            normalization="slice" if start.normalization == "slice" else "training",
        )
        inner = Context(
            int(self.context.rng_for("forest").integers(2**63)),
            threads=self.context.threads,
            scratch=self.context.scratch / "forest",
            log=self.context.log,
        )
        return forest.fit(self.images, labels, inner)

    def _scores_of_forest(self, fold: Fold) -> Scores:
        def whole(target: np.ndarray) -> np.ndarray:
            data = self.context.empty("forest-labels", self.labels.shape, np.uint8)
            data[:] = UNLABELLED
            own = slice(self._from, self._from + len(target))
            numbers = self.labels.data[own]
            data[own] = np.where(target == UNLABELLED, np.uint8(UNLABELLED), numbers)
            return data

        forest = self._forest(self.labels.with_data(whole(fold.without(self._target))))
        left_out = fold.only(self._target)
        parts = [
            scores_of(forest.probability_of_slice(self.images, self._from + z), plane)
            for z, plane in enumerate(left_out)
            if (plane != UNLABELLED).any()
        ]
        return total(parts)

    # -- result --------------------------------------------------------------------------------

    def _refitted(self, name: str, steps: int) -> Model:
        """Return the model of a candidate trained on all labels."""
        if name == "forest":
            return self._forest(self.labels).model
        network = self._network(name)
        if name != "start":
            learned = self._patches(self._target)
            for done in self._training(name, network, learned, "all labels"):
                if done == steps:
                    break
        # Statistics of the stack are those of the network by now.
        params = {**self.start.model.params, "batch_norm": "training"}
        return Model("segmenter/unet", params, weights_of(network), self.start.model.info)

    # -- helpers -------------------------------------------------------------------------------

    def _steps_of(self, name: str) -> int:
        way: Way | None = self._ways.get(name)
        return 1 if way is None else way.steps

    def _tick(self, number: int, name: str) -> None:
        self._done += number
        self.context.progress(min(self._done, self._ticks), self._ticks, f"candidate {name}")

    def _fingerprint(self) -> str:
        labels = hashlib.sha256()
        for plane in self.labels.data:
            labels.update(np.ascontiguousarray(plane).data)
        facts = {
            "params": self.params.model_dump(mode="json"),
            "start": digest_of(self.start.model),
            "network": dict(self.start.model.params),
            "labels": labels.hexdigest(),
            "shape": self.images.data.shape,
            "grey_values": [float(plane.mean()) for plane in self.images.data],
            "seed": self.context.seed,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
