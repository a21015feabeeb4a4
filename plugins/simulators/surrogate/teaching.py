"""The rounds of teaching: new lessons, their prediction, training on all so far."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from fib_plugins.simulators.surrogate.curriculum import FAMILIES
from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.lessons import Lesson, Teacher, families_of_round
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fib_plugins.simulators.surrogate.planes import Planes, batch_of
from fib_plugins.simulators.surrogate.training import Batch, Trainer
from fib_plugins.training.checkpoint import Checkpoint
from fibcore import Context

EXAMINATION_SLICES = 4
EXAMINATION_ELECTRONS = 32


class Pool:
    """Lessons to draw batches from.

    Args:
        params: the parameters.
        geometry: the pyramid.
    """

    def __init__(self, params: SurrogateParameters, geometry: Geometry) -> None:
        self._params, self._geometry = params, geometry
        self._lessons: list[tuple[Lesson, Planes]] = []
        self._places: list[tuple[int, int]] = []

    def add(self, lesson: Lesson) -> None:
        """Add a lesson."""
        number = len(self._lessons)
        self._lessons.append((lesson, lesson.planes(self._params, self._geometry)))
        self._places += [(number, own) for own in range(len(lesson.slices))]

    def batches(self, rng: np.random.Generator, number: int) -> Iterator[Batch]:
        """Yield so many batches; no slice comes again before all others have come."""
        order: list[int] = []
        size = self._params.batch_size
        for _ in range(number):
            while len(order) < size:
                order = [*order, *rng.permutation(len(self._places)).tolist()]
            yield self._batch([self._places[place] for place in order[:size]])
            order = order[size:]

    def whole(self, number: int) -> Batch:
        """Return all slices of a lesson."""
        return self._batch([(n, own) for n, own in self._places if n == number])

    def _batch(self, places: list[tuple[int, int]]) -> Batch:
        planes, yields, depths = [], [], []
        for number, own in places:
            lesson, pyramid = self._lessons[number]
            planes.append(pyramid.at(int(lesson.slices[own])))
            yields.append(lesson.yields[:, own])
            depths.append(lesson.depths_nm[:, own])
        images = [torch.from_numpy(np.stack(part)) for part in (yields, depths)]
        return Batch(batch_of(planes), images[0], images[1], repeats=True)


@dataclass(frozen=True)
class Taught:
    """The result of teaching.

    Attributes:
        history: rows of the rounds.
        accuracy: rows by family and channel.
        spread: variance of the counts of each channel over their mean, where secondary electrons
            are counted; empty if none are.
    """

    history: list[dict[str, Any]]
    accuracy: list[dict[str, Any]]
    spread: list[float]


def teach(
    params: SurrogateParameters,
    geometry: Geometry,
    trainer: Trainer,
    context: Context,
) -> Taught:
    """Teach a network from nothing: draw structures, image them, train.

    After every round, and every lesson within a round, it can be interrupted and resumed with the
    same result.

    Raises:
        FibError: the training diverges.
    """
    fingerprint = _fingerprint(params, context.seed)
    teacher = Teacher(params, context.scratch / f"lessons-{fingerprint[:16]}", context)
    checkpoint = Checkpoint(
        context.scratch / "checkpoint.pt",
        fingerprint,
        network=trainer.network,
        optimizer=trainer.optimizer,
    )
    progress = checkpoint.load(context)
    trainer.resumed()
    work = _Work(params, context, done=progress.epoch)
    pool = Pool(params, geometry)
    numbers = np.array_split(np.arange(params.teaching_structures), params.rounds)
    families: list[str] = []
    for row in progress.history:
        for number, family in enumerate(row["families"].split(), start=len(families)):
            pool.add(_teaching(params, teacher, number, family))
        families += row["families"].split()
    errors: dict[str, float] = json.loads(progress.history[-1]["errors"]) if families else {}
    for number in range(progress.epoch, params.rounds):
        rng = context.rng_for("round", number)
        own = families_of_round(len(numbers[number]), errors, rng)
        found: dict[str, list[np.ndarray]] = defaultdict(list)
        for place, family in enumerate(own, start=len(families)):
            lesson = _teaching(params, teacher, place, family)
            pool.add(lesson)
            if number:
                predicted = trainer.predicted(pool.whole(place)).swapaxes(0, 1)
                found[family].append(squared_error(predicted, lesson, params.teaching_electrons))
            work.did_lesson(number)
        families += own
        errors |= {family: _rms(each) for family, each in found.items()}
        start, stop = (steps_until(params, n) for n in (number, number + 1))
        loss = trainer.train(
            pool.batches(rng, stop - start),
            rng,
            start,
            params.steps,
            partial(work.did_steps, number, errors),
        )
        row = {
            "structures": len(families),
            "steps": stop,
            "train_loss": loss,
            "rms_error_of_new": _rms([one for part in found.values() for one in part])
            if found
            else None,
            "learning_rate": trainer.rate,
            "families": " ".join(own),
            "errors": json.dumps(errors),
        }
        progress.add(row, 1.0 / (number + 1), trainer.network)
        checkpoint.save(progress)
    rows = [{k: v for k, v in row.items() if k != "errors"} for row in progress.history]
    accuracy, spread = examine(params, geometry, trainer, teacher, context)
    return Taught(rows, accuracy, spread)


def examine(
    params: SurrogateParameters,
    geometry: Geometry,
    trainer: Trainer,
    teacher: Teacher,
    context: Context,
) -> tuple[list[dict[str, Any]], list[float]]:
    """Return the errors on structures that the network has not learned from, and the spread.

    The variance of counting is subtracted, so that errors are those of the expected yields.
    """
    rows = []
    noise, signal = np.zeros(len(params.kv)), np.full(len(params.kv), 1e-9)
    slices = min(EXAMINATION_SLICES, params.teaching_shape[0])
    for family in context.track(FAMILIES, "families examined"):
        electrons = EXAMINATION_ELECTRONS
        lesson = teacher.lesson("examination", 0, family, electrons, slices)
        pool = Pool(params, geometry)
        pool.add(lesson)
        predicted = trainer.predicted(pool.whole(0)).swapaxes(0, 1)
        squared = squared_error(predicted, lesson, electrons)
        solid = lesson.structure[lesson.slices]
        if lesson.variances is not None:
            noise += electrons * lesson.variances.mean(axis=(1, 2, 3))
            signal += lesson.yields.mean(axis=(1, 2, 3))
        for channel, name in enumerate(params.channel_names):
            row: dict[str, Any] = {
                "family": family,
                "channel": name,
                "rms_error": math.sqrt(max(float(squared[channel].mean()), 0.0)),
            }
            deviation = predicted[channel] - lesson.yields[channel]
            for number, material in enumerate(params.materials):
                here = deviation[solid == number]
                row[f"bias_{material.name}"] = float(here.mean()) if here.size else None
            rows.append(row)
    spread = np.where(trainer.secondary, np.maximum(noise / signal, 1.0), 0.0)
    return rows, spread.tolist() if trainer.secondary.any() else []


def squared_error(predicted: np.ndarray, lesson: Lesson, electrons: int) -> np.ndarray:
    """Return the squared error of expected yields, without that of counting.

    It is an estimate for each pixel, and may be negative; its mean is unbiased: the variance of a
    binomial is estimated from its count (for signals weighted by energy, from above).

    Args:
        predicted: (channel, slice, y, x).
        lesson: the lesson.
        electrons: electrons per pixel of the lesson.
    """
    counted, variance = lesson.yields, lesson.variances
    if variance is None:
        variance = counted * (1.0 - counted) / (electrons - 1)
    return np.asarray((predicted - counted) ** 2 - variance)


def steps_until(params: SurrogateParameters, number: int) -> int:
    """Return the number of training steps before a round; each has as many as it has lessons."""
    rounds = params.rounds
    return round(params.steps * number * (number + 1) / (rounds * (rounds + 1)))


def _teaching(params: SurrogateParameters, teacher: Teacher, number: int, family: str) -> Lesson:
    return teacher.lesson(
        "teaching", number, family, params.teaching_electrons, params.teaching_slices
    )


def _rms(squared: list[np.ndarray]) -> float:
    """Return the root mean square over channels and pixels; 0 if counting noise hides the error."""
    return math.sqrt(max(float(np.mean([part.mean() for part in squared])), 0.0))


class _Work:
    """Reports how much of the work is done, in units of lessons."""

    def __init__(self, params: SurrogateParameters, context: Context, done: int) -> None:
        self._params, self._context = params, context
        structures = params.teaching_structures
        self._step = structures / params.steps  # training takes about as long as making lessons
        self._lessons = sum(
            len(part) for part in np.array_split(np.arange(structures), params.rounds)[:done]
        )
        self._total = 2 * structures

    def did_lesson(self, number: int) -> None:
        self._lessons += 1
        steps = steps_until(self._params, number) * self._step
        self._context.progress(self._lessons + steps, self._total, "structures simulated")

    def did_steps(self, number: int, errors: Mapping[str, float], steps: int) -> None:
        what = f"training, round {number + 1} of {self._params.rounds}"
        if errors:
            what += f", yields within {np.median(list(errors.values())):.3f}"
        self._context.progress(self._lessons + steps * self._step, self._total, what)


def _fingerprint(params: SurrogateParameters, seed: int) -> str:
    """Return a digest of all that determines the training, which identifies a checkpoint."""
    facts = json.dumps([params.model_dump(mode="json"), seed], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()
