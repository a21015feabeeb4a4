"""Plugins for tests of workers; worker processes import them from this module."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fibcore import Context, FibError, Forecast, Generator, Labels, hookimpl
from fibcore.registry import registry


class Slow(Generator):
    """Waits until as many steps work at a time as `together` says; then makes labels."""

    name: ClassVar[str] = "worker_slow"

    folder: str
    together: int = 1
    value: int = 0
    shape: tuple[int, int, int] = (4, 8, 8)
    needs: int = 0

    def forecast(self, method: str, inputs: Any) -> Forecast:
        """Return the memory that it says it needs."""
        return Forecast(memory_bytes=self.needs)

    def generate(self, context: Context | None = None, seed: int | None = None) -> Labels:
        """Make labels of one value."""
        context = Context.of(context, seed)
        Path(self.folder, f"{self.value}.{os.getpid()}").touch()
        until = time.monotonic() + 60
        while len(list(Path(self.folder).iterdir())) < self.together:
            context.progress(0, 1, "waiting")
            if time.monotonic() > until:
                raise FibError("the other steps did not start")
            time.sleep(0.05)
        context.log.warning("made %d", self.value)
        context.progress(1, 1, "waiting")
        return Labels(np.full(self.shape, self.value % 2, np.uint8), (5.0, 5.0, 5.0))


class Bad(Slow):
    """Fails, or ends its process, as `how` says; a second try succeeds."""

    name: ClassVar[str] = "worker_bad"

    how: str = "error"

    def generate(self, context: Context | None = None, seed: int | None = None) -> Labels:
        """Fail."""
        first = not any(Path(self.folder).iterdir())
        Path(self.folder, str(os.getpid())).touch()
        if self.how == "error":
            raise FibError("it cannot be made")
        if self.how == "bug":
            raise ZeroDivisionError("by nothing")
        if self.how == "die" or (self.how == "die once" and first):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().generate(context, seed)


class Squares(Slow):
    """Makes its slices by way of `Context.spread`."""

    name: ClassVar[str] = "worker_squares"

    def generate(self, context: Context | None = None, seed: int | None = None) -> Labels:
        """Make labels whose slices hold the number of the slice."""
        context = Context.of(context, seed)
        data = context.empty("squares", (20, 64, 64), np.uint8)
        for z, plane in context.spread(Plane(np.arange(20) % 2, self.folder), list(range(20))):
            data[z] = plane
        return Labels(data, (5.0, 5.0, 5.0))


class Plane:
    """Makes one slice, and notes which process did."""

    def __init__(self, values: np.ndarray, folder: str) -> None:
        self.values, self.folder = values, folder

    def __call__(self, z: int) -> np.ndarray:
        """Return the slice."""
        time.sleep(0.05)
        Path(self.folder, f"{z}.{os.getpid()}").touch()
        return np.full((64, 64), self.values[z], np.uint8)


class Toys:
    """Registers the plugins."""

    @hookimpl
    def fib_register_generators(self, register: Any) -> None:
        for plugin in (Slow, Bad, Squares):
            register(plugin)


registry().add_module(Toys(), "toys = worker_toys", "fib-worker-toys", "1.0")
