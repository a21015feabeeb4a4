"""The time of training steps, taken from outside: by what a training reports of its progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fibcore import Context

from .part import Part


class Enough(Exception):
    """Raised to end a training that has been watched for long enough."""


@dataclass
class Stopwatch:
    """A progress callback that times some steps of a training and then ends it.

    Attributes:
        device: where networks are; a GPU is waited for before the time is read.
        warm_up: steps before timing begins, and seconds.
        steps: at least so many are timed.
        seconds: and for at least so long.
        rate: steps per second, once that is known.
    """

    device: str
    warm_up: tuple[int, float]
    steps: int
    seconds: float
    rate: float | None = None

    def __post_init__(self) -> None:
        self._marks: list[tuple[float, float]] = []
        """Steps and time, of the first call and of the one that timing began at."""

    def __call__(self, what: str, done: float, total: float | None) -> None:
        """Take note of so many steps."""
        now = time.perf_counter()
        if not self._marks:
            self._marks.append((done, now))
            return
        steps, seconds = (self.steps, self.seconds) if len(self._marks) == 2 else self.warm_up
        since, start = self._marks[-1]
        if done - since < steps or now - start < seconds:
            return
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        now = time.perf_counter()
        if len(self._marks) == 2:
            self.rate = (done - since) / (now - start)
            raise Enough
        self._marks.append((done, now))


def steps_per_second(part: Part, device: str, train: Callable[[Context], Any]) -> float:
    """Return how many steps per second a training makes.

    Args:
        part: knows whether this is a dry run.
        device: where it trains.
        train: what trains in given surroundings, for longer than anyone looks.

    Raises:
        RuntimeError: the training ended by itself.
    """
    if device == "cuda":
        watch = Stopwatch(device, warm_up=(20, 2.0), steps=20, seconds=2.5)
    else:
        watch = Stopwatch(device, warm_up=(1, 0.0), steps=2, seconds=part.size(2.0, 0.0))
    try:
        train(Context(0, device=device, report=watch))
    except Enough:
        assert watch.rate is not None
        return watch.rate
    raise RuntimeError("the training ended before its steps could be timed")
