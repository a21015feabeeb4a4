"""What happens in a run, told to its observers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fibcore.events import RunEvent, RunWarned, StepLogged, StepProgress
from fibcore.interrupts import obey
from fibcore.pipeline.plan import PlannedStep
from fibcore.registry import registry
from fibcore.text import described, message, text_of

PROGRESS_EVERY_S = 0.1


class Announcer:
    """Tells every observer of the events of one run.

    Args:
        run: folder of the run.
        warnings: list that warnings of the run as a whole are added to.
    """

    def __init__(self, run: Path, warnings: list[str]) -> None:
        self.run = run
        self.warnings = warnings
        self._blamed: set[tuple[str, str]] = set()

    @contextmanager
    def including(self, observers: Sequence[object]) -> Iterator[None]:
        """Tell these observers as well as the installed ones."""
        manager = registry().hook_manager
        added = []
        for observer in observers:
            if not manager.is_registered(observer):
                with self._blaming(type(observer).__name__):
                    manager.register(observer)
                    added.append(observer)
        try:
            yield
        finally:
            for observer in added:
                manager.unregister(observer)

    def tell(self, event: RunEvent) -> None:
        """Hand an event to every observer; one that raises is noted and disturbs nothing."""
        for impl in registry().hook_manager.hook.fib_run_event.get_hookimpls():
            with self._blaming(impl.plugin_name):
                impl.function(*[event][: len(impl.argnames)])  # a hook may take no argument

    def warn(self, text: str) -> None:
        """Tell of something that the user should know of the run as a whole."""
        text = message(text)
        self.warnings.append(text)
        self.tell(RunWarned(run=self.run, message=text))

    @contextmanager
    def _blaming(self, observer: str) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = (observer, type(error).__name__)
            if failure not in self._blamed:
                self._blamed.add(failure)
                self.warn(f"observer {observer} failed: {described(error)}")

    def about(self, step: PlannedStep) -> dict[str, Any]:
        """Return what every event about a step says."""
        return {"run": self.run, "step": step.id, "index": step.index, "plugin": step.identifier}

    def progress_of(self, step: PlannedStep) -> Callable[[str, float, float | None], None]:
        """Return the progress callback of a step's context; it passes on ten calls a second."""
        about = self.about(step)
        last = 0.0

        def report(what: str, done: float, total: float | None) -> None:
            nonlocal last
            obey()
            clock = time.monotonic()
            if clock - last >= PROGRESS_EVERY_S or done == total:
                last = clock
                self.tell(StepProgress(**about, what=what, done=done, total=total))

        return report

    @contextmanager
    def logging_of(self, step: PlannedStep, warnings: list[str]) -> Iterator[logging.Logger]:
        """Give the step's logger; what it logs is told, its warnings are collected once each."""
        about, announcer = self.about(step), self

        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                text = message(_text_of(record))
                if record.levelno >= logging.WARNING:
                    if text in warnings:
                        return
                    warnings.append(text)
                announcer.tell(StepLogged(**about, level=record.levelname, message=text))

        log, handler = logging.getLogger("fib"), Handler()
        before = log.level, log.propagate
        log.setLevel(logging.INFO)
        log.propagate = False
        log.addHandler(handler)
        try:
            yield log
        finally:
            log.removeHandler(handler)
            log.level, log.propagate = before


def _text_of(record: logging.LogRecord) -> str:
    """Return what a plugin logged; where it does not fit its arguments, what there is of it."""
    try:
        return record.getMessage()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"{text_of(record.msg)} (a log call with unfit arguments: {described(error)})"
