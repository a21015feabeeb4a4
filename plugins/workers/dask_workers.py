"""Workers of a Dask cluster: the process of a run sends them steps, and gets their events."""

from __future__ import annotations

import pickle
import queue
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fib_plugins.workers import on_worker
from fibcore.errors import UsageError, listed
from fibcore.packages import OWN
from fibcore.pipeline.execute import Notify
from fibcore.pipeline.plan import PlannedStep
from fibcore.pipeline.task import Task
from fibcore.pipeline.workers import Ended, Failure, Workers
from fibcore.registry import registry
from fibcore.version import __version__

if TYPE_CHECKING:
    from distributed import Client, Future

WAIT_S = 1.0
FIRST_WORKER_S = 60.0
"""Time in which a scheduler without workers must get one; a batch system has its own time."""


class DaskWorkers(Workers):
    """The workers of a Dask scheduler.

    Before anything runs, every worker is asked for its versions and whether it sees the folder of
    finished steps. The scheduler gives the work of a worker that dies to another one.

    Args:
        client: client of the scheduler.
        steps: the steps that will be computed.
        store: folder of finished steps.
        end: called at the end, to close what was opened for the run.
        first_worker_s: time to wait for the first worker.

    Raises:
        UsageError: there are no workers, or they cannot do the work.
    """

    elsewhere = True

    def __init__(
        self,
        client: Client,
        steps: Sequence[PlannedStep],
        store: Path,
        end: Callable[[], None],
        first_worker_s: float = FIRST_WORKER_S,
    ) -> None:
        self._client, self._end = client, end
        self._topic = f"fib-{secrets.token_hex(8)}"
        self._arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._tasks: dict[str, tuple[Task, Notify, Future]] = {}
        self._wait_for_workers(first_worker_s)
        self.threads = self._check_workers(steps, store)
        client.subscribe_topic(self._topic, lambda event: self._arrived.put(event[1]))

    @property
    def slots(self) -> int:
        """Number of workers that there are now; the scheduler may get more, or lose some."""
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def start(self, task: Task, notify: Notify) -> None:
        """Give a task to the scheduler."""
        packed = pickle.dumps(replace(task, threads=min(task.threads, self.threads)))
        future = self._client.submit(
            on_worker.run_task, packed, self._topic, key=f"{task.step}-{secrets.token_hex(4)}",
            pure=False,
        )  # fmt: skip
        self._tasks[task.key] = task, notify, future
        future.add_done_callback(lambda _: self._arrived.put(task.key))

    def wait(self) -> Sequence[Ended]:
        """Pass on the events that have arrived, and collect the tasks that have ended."""
        ended = []
        with suppress(queue.Empty):
            arrived = self._arrived.get(timeout=WAIT_S)
            while True:
                if isinstance(arrived, bytes):
                    key, event = pickle.loads(arrived)
                    if key in self._tasks:
                        self._tasks[key][1](event)
                elif arrived in self._tasks:
                    ended.append(arrived)
                arrived = self._arrived.get_nowait()
        return [self._ended(key) for key in ended]

    def close(self) -> None:
        """End the tasks of the run; workers that were started for it end, too."""
        tasks, self._tasks = self._tasks, {}
        with suppress(Exception):  # the scheduler may be gone
            if tasks:
                self._client.run(on_worker.stop, self._topic)
                self._client.cancel([future for *_, future in tasks.values()])
            self._client.unsubscribe_topic(self._topic)
        end, self._end = self._end, lambda: None
        end()

    def _ended(self, key: str) -> Ended:
        task, _, future = self._tasks.pop(key)
        try:
            return Ended(task, pickle.loads(future.result()))
        except Exception as error:
            return Ended(task, _lost(error))

    def _wait_for_workers(self, seconds: float) -> None:
        try:
            self._client.wait_for_workers(1, timeout=seconds)
        except TimeoutError:
            raise UsageError(
                f"{self._address}: the scheduler had no worker within {seconds:.0f} s; start some, "
                f"e.g. with `dask worker {self._address} --nthreads 1`"
            ) from None

    def _check_workers(self, steps: Sequence[PlannedStep], store: Path) -> int:
        """Return the number of CPU threads that each worker may use.

        Raises:
            UsageError: a worker has other versions, lacks a plugin, has several threads, or does
                not see the folder of finished steps.
        """
        owners = {OWN} | {
            registry().entry(step.identifier).distribution
            for step in steps
            if step.work.plugin is not None
        }
        found = self._asked(on_worker.describe, sorted(filter(None, owners)))
        own = on_worker.describe(sorted(filter(None, owners)))
        problems = []
        for address, worker in found.items():
            where = f"worker {address} on {worker['host']}"
            if worker["python"] != own["python"]:
                problems.append(f"{where} has Python {worker['python']}, here is {own['python']}")
            if worker["fib"] != __version__:
                problems.append(f"{where} has fib {worker['fib']}, here is {__version__}")
            for name, version in own["versions"].items():
                theirs = worker["versions"][name]
                if name != OWN and theirs != version:
                    has = "does not have" if theirs is None else f"has version {theirs} of"
                    problems.append(f"{where} {has} {name}, of which version {version} is used")
        threads = {w: n for w, n in self._client.nthreads().items() if n != 1}
        for address, number in threads.items():
            problems.append(
                f"worker {address} executes {number} tasks at a time in one process; start it with "
                f"--nthreads 1: steps use threads of their own"
            )
        if problems:
            raise UsageError(
                f"{self._address}: {'; '.join(problems[:5])}. Install the same versions for all "
                f"workers, and start them again"
            )
        self._check_folder(store)
        per_host = Counter(worker["host"] for worker in found.values())
        return min(max(1, w["cores"] // per_host[w["host"]]) for w in found.values())

    def _check_folder(self, store: Path) -> None:
        token = secrets.token_hex(16)
        file = store / f".seen-{token}"
        file.write_text(token, encoding="utf-8")
        try:
            seen = self._asked(on_worker.sees, str(file), token)
        finally:
            file.unlink(missing_ok=True)
        blind = [address for address, can in seen.items() if not can]
        if blind:
            raise UsageError(
                f"{len(blind)} of {len(seen)} workers cannot see {store} ({listed(blind, 5)}): "
                f"choose a folder on a file system that all machines share, under the same path, "
                f"with --cache and --out"
            )

    def _asked(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Return the answer of each worker to a call.

        Raises:
            UsageError: a worker cannot import fib.
        """
        try:
            return self._client.run(function, *arguments)
        except Exception as error:
            raise UsageError(
                f"{self._address}: a worker cannot execute fib ({type(error).__name__}: {error}); "
                f"install fibtomo {__version__} with its extra `cluster` for all workers"
            ) from error

    @property
    def _address(self) -> str:
        return str(self._client.scheduler_info(n_workers=0)["address"])


def _lost(error: Exception) -> Failure:
    """Explain why a task has no result."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    if isinstance(error, KilledWorker):
        return Failure(
            f"the workers that executed the step died, one after the other, the last was "
            f"{error.last_worker.address}: see their logs. Usually memory ran out: give the "
            f"workers more, or make the volume smaller; run again to resume"
        )
    if isinstance(error, FutureCancelledError):
        return Failure("the scheduler ended; start it again, and run again to resume")
    return Failure(f"the worker failed ({type(error).__name__}: {error})")
