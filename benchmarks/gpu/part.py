"""The process of one part: ``python -m benchmarks.gpu.part NAME --messages FILE --until TIME``.

A part is a module with a function ``measure(part)``, which reports each result immediately.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import time
from pathlib import Path
from typing import TypeVar

from .result import Result

T = TypeVar("T")

TO_END = 3.0
"""A part starts no measurement in so many seconds before the end of its time."""


class Part:
    """Where a part reports its results, the time that is left, and the sizes to measure.

    Args:
        messages: the file to which messages are appended, one per line.
        until: time at which the part is ended if it is still running, as of `time.time`.
        dry: whether sizes are tiny and the CPU replaces the GPU.
    """

    def __init__(self, messages: Path, until: float, dry: bool) -> None:
        self.messages, self.until, self.dry = messages, until, dry
        self.device = "cpu" if dry else "cuda"
        """The device on which PyTorch computes the results of the GPU."""

    def size(self, real: T, dry: T) -> T:
        """Return the size to measure in: the real one, or that of a dry run."""
        return dry if self.dry else real

    def left(self) -> float:
        """Return the seconds in which a measurement may start."""
        return self.until - TO_END - time.time()

    def time_for(self, seconds: float, what: str) -> bool:
        """Return whether so many seconds are left; if not, report that `what` was left out."""
        left = self.left()
        if left >= self.size(seconds, 0.0):
            return True
        note = f"left out: {max(0.0, left):.0f} s were left, it takes about {seconds:.0f} s"
        self.result(Result(what, note=note))
        return False

    def result(self, result: Result) -> None:
        """Report a result."""
        self._report({"result": result.to_json()})

    def machine(self, **facts: str) -> None:
        """Report facts about the machine."""
        self._report({"machine": facts})

    def _report(self, message: dict[str, object]) -> None:
        with self.messages.open("a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--messages", type=Path, required=True)
    parser.add_argument("--until", type=float, required=True)
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # trainings here are too short to be good
    module = importlib.import_module(f"benchmarks.gpu.{args.name}")
    module.measure(Part(args.messages, args.until, args.dry))


if __name__ == "__main__":
    main()
