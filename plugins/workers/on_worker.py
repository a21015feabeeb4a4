"""What Dask workers execute: the steps of runs, and parts of steps."""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from fib_plugins.pickling import pack, unpack
from fibcore.events import RunEvent
from fibcore.interrupts import Interrupted
from fibcore.pipeline.execute import Outcome
from fibcore.pipeline.store import Store
from fibcore.pipeline.task import Task
from fibcore.pipeline.workers import Failure, attempt, sendable
from fibcore.version import __version__

if "OMP_WAIT_POLICY" not in os.environ:  # idle OpenMP threads sleep soon, see `fibcore.cli.main`
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

IN_FLIGHT = 2
"""Parts of a step that each worker has or waits for: results are collected meanwhile."""
PART_PRIORITY = 10
"""Parts go before steps that wait: a step that has started is finished first."""

_stopped: set[str] = set()
"""Runs that have ended: their tasks on this worker end at the next report of progress."""


def describe(distributions: Sequence[str]) -> dict[str, Any]:
    """Return what the process of a run must know of this worker.

    Args:
        distributions: packages whose versions are wanted.
    """
    versions: dict[str, str | None] = {}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "host": socket.gethostname(),
        "cores": _cores(),
        "fib": __version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "versions": versions,
    }


def sees(path: str, content: str) -> bool:
    """Return whether this worker sees a file of the run's machine."""
    until = time.monotonic() + 5.0  # a shared file system may show it late
    while time.monotonic() < until:
        try:
            if Path(path).read_text(encoding="utf-8") == content:
                return True
        except OSError:
            pass
        time.sleep(0.2)
    return False


def stop(run: str) -> None:
    """Let the tasks of a run end."""
    _stopped.add(run)


def run_task(packed: bytes, topic: str) -> bytes:
    """Execute a step, and return its outcome or its failure, pickled.

    Args:
        packed: the task.
        topic: topic of the scheduler to which events are sent.
    """
    from distributed import get_worker

    worker = get_worker()
    task: Task = pickle.loads(packed)
    name = f"{worker.name} on {socket.gethostname()}"

    def notify(event: RunEvent) -> None:
        if topic in _stopped:
            raise Interrupted(15)
        worker.log_event(topic, pickle.dumps((task.key, event)))

    def spread(work: Callable[[Any], Any], items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
        return _spread(task, work, items)

    # A worker that is believed dead, but is not, may still work on the same step.
    with Store(task.store).lock(f"{task.key}.task", lambda: None):
        try:
            result: Outcome | Failure = attempt(task, notify, spread)
        except KeyboardInterrupt as error:
            result = Failure(f"interrupted ({error})")
    return pickle.dumps(sendable(result, name))


def _spread(
    task: Task, work: Callable[[Any], Any], items: Sequence[Any]
) -> Iterator[tuple[Any, Any]]:
    """Yield each item and work(item) as workers finish them."""
    from distributed import worker_client
    from distributed.client import as_completed

    folder = task.store / f"{task.key}.partial" / "scratch" / "spread"
    folder.mkdir(parents=True, exist_ok=True)
    content = pack(work, folder)
    path = folder / f"{hashlib.sha256(content).hexdigest()[:16]}.pickle"
    path.write_bytes(content)
    waiting = list(enumerate(items))[::-1]
    with worker_client() as client:
        slots = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

        def submit() -> Any:
            number, item = waiting.pop()
            return client.submit(
                run_part, str(path), number, item, pure=False, priority=PART_PRIORITY
            )

        first = [submit() for _ in range(min(len(waiting), IN_FLIGHT * slots))]
        collected = as_completed(first)
        for future in collected:
            number, result = future.result()
            future.release()
            if waiting:
                collected.add(submit())
            yield items[number], result


def run_part(path: str, number: int, item: Any) -> tuple[int, Any]:
    """Return the number of an item and its result.

    Args:
        path: file with the packed function.
        number: number of the item.
        item: the item.
    """
    from fibcore.threads import one_blas_thread

    with _one_part, one_blas_thread:
        return number, _work_in(path)(item)


_one_part = threading.Lock()
"""A function may keep state from item to item, and uses all cores of its worker."""


@lru_cache(maxsize=1)
def _work_in(path: str) -> Callable[[Any], Any]:
    return unpack(Path(path).read_bytes())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # a batch system may give a part of the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
