"""The time of training steps, measured from outside by the progress that a training reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fibcore import Context

from .part import Part


class Enough(Exception):
    """Raised to end a training after enough steps were timed."""


@dataclass
class Stopwatch:
    """A progress callback that times some steps of a training and then ends it.

    Attributes:
        device: device of the networks; a GPU is synchronised before the time is read.
        warm_up: least steps and seconds before timing begins.
        steps: least number of timed steps.
        seconds: least time of the timed steps.
        rate: steps per second, None until it is measured.
    """

    device: str
    warm_up: tuple[int, float]
    steps: int
    seconds: float
    rate: float | None = None

    def __post_init__(self) -> None:
        self._marks: list[tuple[float, float]] = []
        """Steps and times of the first call and of the call at which timing began."""

    def __call__(self, what: str, done: float, total: float | None) -> None:
        """Record the number of finished steps."""
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
    """Return the steps per second of a training.

    Args:
        part: the part, which may be that of a dry run.
        device: where it trains.
        train: trains with a given context, for longer than is measured.

    Raises:
        RuntimeError: the training ended before it was measured.
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
