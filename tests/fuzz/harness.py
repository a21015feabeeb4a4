"""Worker processes with a time limit and a memory limit, in which a function judges cases.

What tries damaged files, pipelines and models shares it: `judge` is a function at the top of a
module, which gets the number of a case, makes the case from it and hands it to what is tested.
A `FibError` is a proper refusal; any other exception, a process that dies, a case that takes too
long and one that needs too much memory are failures. The number alone makes a case again.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from fibcore.errors import FibError

Judge = Callable[[int], Any]

GOOD = ("accepted", "refused")
"""Outcomes that are no failures."""


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Attributes:
        case: its number.
        kind: ``accepted``, ``refused`` (a `FibError`), ``raised`` (anything else), ``memory``,
            ``hang`` or ``died``.
        text: what the judge returned, the message, or the traceback.
        seconds: how long it took.
    """

    case: int
    kind: str
    text: str
    seconds: float


def run_cases(
    judge: Judge,
    cases: Iterable[int],
    *,
    workers: int = 2,
    seconds: float = 20.0,
    memory_bytes: int = 1 << 30,
) -> list[Outcome]:
    """Judge cases in worker processes.

    Args:
        judge: takes the number of a case; importable by name, for workers start afresh.
        cases: numbers of the cases.
        workers: number of processes.
        seconds: a case that takes longer is a hang; its process is killed and replaced.
        memory_bytes: address space that a worker may have beyond what its imports take.

    Returns:
        One outcome for each case, in the order of the cases.
    """
    waiting = list(cases)
    order = {case: place for place, case in enumerate(waiting)}
    waiting.reverse()
    outcomes: list[Outcome] = []
    pool = [_Worker(judge, memory_bytes) for _ in range(min(workers, len(waiting)))]
    try:
        while waiting or any(worker.case is not None for worker in pool):
            for place, worker in enumerate(pool):
                if not worker.usable:
                    pool[place] = worker = _Worker(judge, memory_bytes)
                if worker.case is None and waiting:
                    worker.start(waiting.pop())
            wait([worker.pipe for worker in pool if worker.case is not None], timeout=0.2)
            outcomes += [
                outcome for worker in pool if (outcome := worker.finished(seconds)) is not None
            ]
    finally:
        for worker in pool:
            worker.end()
    return sorted(outcomes, key=lambda outcome: order[outcome.case])


def failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes that must not be."""
    return [outcome for outcome in outcomes if outcome.kind not in GOOD]


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return a line of counts, and below it every failure with what it said."""
    counts = Counter(outcome.kind for outcome in outcomes)
    slowest = max((outcome.seconds for outcome in outcomes), default=0.0)
    lines = [
        f"{len(outcomes)} cases: "
        + ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
        + f"; slowest {slowest:.2f} s"
    ]
    lines += [f"case {bad.case}: {bad.kind}\n{bad.text}" for bad in failures(outcomes)]
    return "\n".join(lines)


class _Worker:
    """A process that judges one case after another."""

    def __init__(self, judge: Judge, memory_bytes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, judge, memory_bytes), daemon=True
        )
        self._process.start()
        theirs.close()
        self.case: int | None = None
        self.usable = True
        self._ready = False
        self._began = time.monotonic()

    def start(self, case: int) -> None:
        """Hand over a case."""
        self.case = case
        self._began = time.monotonic()
        with suppress(OSError):  # it died before: `finished` finds that out
            self.pipe.send(case)

    def finished(self, seconds: float) -> Outcome | None:
        """Return the outcome of the present case once there is one."""
        if self.case is None:
            return None
        took = time.monotonic() - self._began
        try:
            if self.pipe.poll():
                message = self.pipe.recv()
                if message == "ready":  # imports do not count
                    self._ready, self._began = True, time.monotonic()
                    return None
                return self._outcome(*message, took)
        except (EOFError, OSError):
            self._process.join()
            self.usable = False
            return self._outcome("died", f"exit code {self._process.exitcode}", took)
        if self._ready and took > seconds:
            self.end()
            return self._outcome("hang", f"not done after {seconds:g} s", took)
        return None

    def end(self) -> None:
        """End the process."""
        self.usable = False
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _outcome(self, kind: str, text: str, took: float) -> Outcome:
        assert self.case is not None
        case, self.case = self.case, None
        return Outcome(case, kind, text, took)


def _work(pipe: Connection, judge: Judge, memory_bytes: int) -> None:
    """Judge the cases that come through the pipe, until it is closed."""
    limit = _address_space() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    pipe.send("ready")
    while True:
        try:
            case = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_judged(judge, case))


def _judged(judge: Judge, case: int) -> tuple[str, str]:
    try:
        return ("accepted", str(judge(case)))
    except FibError as error:
        return ("refused", str(error))
    except MemoryError:
        return ("memory", traceback.format_exc())
    except BaseException:
        return ("raised", traceback.format_exc())


def _address_space() -> int:
    """Return the size of this process in bytes, as `RLIMIT_AS` counts it."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
