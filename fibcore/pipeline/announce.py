"""Passes the events of a run to its observers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fibcore.events import RunEvent, RunWarned
from fibcore.guests import guest
from fibcore.packages import Implementation, hook_manager, implementations, packages
from fibcore.text import described, message


class Announcer:
    """Passes the events of one run to its observers.

    Args:
        run: folder of the run.
        warnings: list to which warnings of the run as a whole are appended.
        observers: observers of this run, besides those of installed packages.
        command: command line that started the run.

    Attributes:
        files: files that observers have written for the user.
    """

    def __init__(
        self,
        run: Path,
        warnings: list[str],
        observers: Sequence[object] = (),
        command: Sequence[str] = (),
    ) -> None:
        self.run = run
        self.warnings = warnings
        self.files: list[Path] = []
        self._blamed: set[tuple[str, str]] = set()
        self._own = hook_manager()
        for observer in observers:
            self._add(observer)
        for source, make in packages().implementations("fib_observe_run"):
            with self._blaming(source.distribution):
                for observer in make(run=run, command=tuple(command)) or ():
                    self._add(observer)

    def notify(self, event: RunEvent) -> None:
        """Pass an event to every observer; an observer that raises does not affect the others."""
        for listener in self._listeners():
            with self._blaming(listener.owner):
                written = listener(event=event)
                if isinstance(written, Path):
                    self.files.append(written)

    def _add(self, observer: object) -> None:
        if self._own.is_registered(observer):
            return
        name = type(observer).__name__
        with self._blaming(name):
            self._own.register(observer)
            if not self._own.get_hookcallers(observer):
                self.warn(
                    f"observer {name} gets no events: mark its method fib_run_event with hookimpl"
                )

    def _listeners(self) -> Iterator[Implementation]:
        for _, listener in implementations(self._own, "fib_run_event"):
            yield listener
        for _, listener in packages().implementations("fib_run_event"):
            yield listener

    def warn(self, text: str) -> None:
        """Warn the user about the run as a whole."""
        text = message(text)
        self.warnings.append(text)
        self.notify(RunWarned(run=self.run, message=text))

    @contextmanager
    def _blaming(self, observer: str) -> Iterator[None]:
        try:
            with guest():
                yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failure = (observer, type(error).__name__)
            if failure not in self._blamed:
                self._blamed.add(failure)
                self.warn(f"observer {observer} failed: {described(error)}")
