"""The workers of a run: processes, here or on other machines, that execute its tasks."""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from fibcore.context import Spread
from fibcore.errors import UsageError
from fibcore.packages import packages
from fibcore.pipeline.execute import Notify, Outcome, perform
from fibcore.pipeline.failures import explain_failure
from fibcore.pipeline.plan import PlannedStep
from fibcore.pipeline.task import Task


@dataclass(frozen=True)
class Failure:
    """A task that failed.

    Attributes:
        message: explanation for the user.
        traceback: traceback of the error; empty if the worker died.
        cause: the error, if it was raised in the process of the run.
    """

    message: str
    traceback: str = ""
    cause: BaseException | None = None


class Ended(NamedTuple):
    """A task that has ended."""

    task: Task
    result: Outcome | Failure


class Workers(ABC):
    """Executes the tasks of one run, several at a time.

    Attributes:
        elsewhere: whether memory and cores of this machine do not limit them.
    """

    elsewhere: bool = False

    @property
    @abstractmethod
    def slots(self) -> int:
        """Number of tasks that can be started at a time."""

    @abstractmethod
    def start(self, task: Task, notify: Notify) -> None:
        """Start a task. `notify` gets its events, only during calls of `wait`."""

    @abstractmethod
    def wait(self) -> Sequence[Ended]:
        """Wait for events or the end of tasks, at most a second; return the tasks that ended."""

    @abstractmethod
    def close(self) -> None:
        """End the tasks that are running and the workers; may be called again."""


OpenWorkers = Callable[[Sequence[PlannedStep], Path, str], Workers]
"""Opens workers, given the steps that will be computed, the folder of finished steps, and the
device asked for; raises `UsageError`."""


class ThisProcess(Workers):
    """Executes one task at a time, in the calling thread of this process."""

    def __init__(self) -> None:
        self._task: tuple[Task, Notify] | None = None

    @property
    def slots(self) -> int:
        """One."""
        return 1

    def start(self, task: Task, notify: Notify) -> None:
        """Note the task; `wait` executes it."""
        assert self._task is None
        self._task = task, notify

    def wait(self) -> Sequence[Ended]:
        """Execute the task."""
        assert self._task is not None
        (task, notify), self._task = self._task, None
        return [Ended(task, attempt(task, notify))]

    def close(self) -> None:
        """Do nothing: no task is running."""


def attempt(task: Task, notify: Notify, spread: Spread | None = None) -> Outcome | Failure:
    """Execute a task; errors except `KeyboardInterrupt` become a `Failure`. See `perform`."""
    try:
        return perform(task, notify, spread)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # plugins may raise SystemExit or errors of their own
        gone = next((folder for folder in task.folders if not folder.is_dir()), None)
        message = explain_failure(task.work, error, gone)
        return Failure(message, "".join(traceback.format_exception(error)), error)


def sendable(result: Outcome | Failure, worker: str) -> Outcome | Failure:
    """Return a result that can be sent to the process of the run, with the name of the worker."""
    if isinstance(result, Failure):
        return replace(result, cause=None)
    return replace(result, worker=worker)


def open_workers(where: str) -> OpenWorkers:
    """Return the function of a package that opens the workers named `where`.

    Args:
        where: ``jobs:auto``, ``local:4``, ``tcp://host:8786``, the path of a file, or a name that
            another package defines with the hook ``fib_workers``.

    Raises:
        UsageError: no package knows it.
    """
    found: OpenWorkers | None = packages().first("fib_workers", where=where)
    if found is None:
        raise UsageError(
            f"--cluster {where}: no installed package knows it; give local:N for N processes of "
            f"this machine, the address of a Dask scheduler such as tcp://host:8786, or a YAML "
            f"file that describes the jobs of a batch system"
        )
    return found
