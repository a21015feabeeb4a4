"""The events of a run, which observers get through the hook ``fib_run_event``."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

SERIOUS = ("WARNING", "ERROR", "CRITICAL")
"""Levels of log messages that are always shown."""


@dataclass(frozen=True, kw_only=True)
class RunEvent:
    """Base of all events.

    Attributes:
        run: folder of the run.
        time: seconds since the epoch.
    """

    run: Path
    time: float = field(default_factory=time.time)

    event: ClassVar[str] = "event"

    def to_json(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        values = {"event": self.event, **asdict(self)}
        values["run"] = str(self.run)
        return values


@dataclass(frozen=True, kw_only=True)
class RunStarted(RunEvent):
    """A run starts; `steps` are the ids in order, `reused` those of finished steps."""

    event: ClassVar[str] = "run started"
    name: str
    steps: tuple[str, ...]
    reused: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StepEvent(RunEvent):
    """Base of the events of a step; `index` counts from 1."""

    event: ClassVar[str] = "step"
    step: str
    index: int
    plugin: str


@dataclass(frozen=True, kw_only=True)
class StepStarted(StepEvent):
    """A step starts; `resumed` if it was interrupted before."""

    event: ClassVar[str] = "step started"
    resumed: bool


@dataclass(frozen=True, kw_only=True)
class StepProgress(StepEvent):
    """Progress of a step: `done` of `total` (None: unknown) units of `what`."""

    event: ClassVar[str] = "step progress"
    what: str
    done: float
    total: float | None


@dataclass(frozen=True, kw_only=True)
class StepLogged(StepEvent):
    """A plugin logged something; `level` is INFO, WARNING or ERROR."""

    event: ClassVar[str] = "step logged"
    level: str
    message: str


@dataclass(frozen=True, kw_only=True)
class StepFinished(StepEvent):
    """A step is finished; `reused` if it was finished before the run."""

    event: ClassVar[str] = "step finished"
    reused: bool
    seconds: float
    folder: str


@dataclass(frozen=True, kw_only=True)
class StepFailed(StepEvent):
    """A step failed; finished steps are kept."""

    event: ClassVar[str] = "step failed"
    message: str
    traceback: str


@dataclass(frozen=True, kw_only=True)
class RunWarned(RunEvent):
    """A warning on the run as a whole, such as a failed observer."""

    event: ClassVar[str] = "run warned"
    message: str


@dataclass(frozen=True, kw_only=True)
class RunFinished(RunEvent):
    """A run ended; `status` is ``finished``, ``failed`` or ``interrupted``."""

    event: ClassVar[str] = "run finished"
    status: str
    seconds: float


class Observer(Protocol):
    """An observer of one run: an object with the hook ``fib_run_event``."""

    def fib_run_event(self, event: Any) -> Path | None:
        """Handle an event; return the path of a file written for the user, if any."""
