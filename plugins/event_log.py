"""``log.jsonl``: the events of a run."""

from __future__ import annotations

import json
import time

from fibcore.events import RunEvent, StepProgress
from fibcore.hooks import hookimpl

PROGRESS_EVERY_S = 10.0


class EventLog:
    """Writes ``log.jsonl``: one event on each line, progress at most every ten seconds."""

    def __init__(self) -> None:
        self._last = 0.0

    @hookimpl
    def fib_run_event(self, event: RunEvent) -> None:
        """Append an event."""
        if isinstance(event, StepProgress):
            clock = time.monotonic()
            if clock - self._last < PROGRESS_EVERY_S:
                return
            self._last = clock
        line = json.dumps(event.to_json(), default=str)
        with (event.run / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
