"""Log records of a step, from its own logger and from the logger ``fib`` of the process.

Several runs may work in one process, each in its own thread. A record of the logger ``fib`` belongs
to the step in whose context it was logged; a context variable holds that step, and threads of
plugins should copy it. A record without such a context goes to all steps.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

NAME = "fib"
Take = Callable[[logging.LogRecord], None]


class _ToOne(logging.Handler):
    """Passes all records to one function."""

    def __init__(self, take: Take) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on a record."""
        self._take(record)


class _ByContext(logging.Handler):
    """Passes each record to the function of the step that it belongs to.

    While any step is running, the logger ``fib`` has this handler and does not propagate.
    """

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self._all: list[Take] = []
        self._own: ContextVar[Take | None] = ContextVar("own", default=None)
        self._before = (logging.NOTSET, True)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on a record."""
        own = self._own.get()
        for take in [own] if own is not None else list(self._all):
            take(record)

    @contextmanager
    def to(self, take: Take) -> Iterator[None]:
        """Pass the records of this context to `take`."""
        log = logging.getLogger(NAME)
        with self._guard:
            if not self._all:
                self._before = log.level, log.propagate
                log.setLevel(logging.INFO)
                log.propagate = False
                log.addHandler(self)
            self._all.append(take)
        token = self._own.set(take)
        try:
            yield
        finally:
            self._own.reset(token)
            with self._guard:
                self._all.remove(take)
                if not self._all:
                    log.removeHandler(self)
                    log.level, log.propagate = self._before


_by_context = _ByContext()


@contextmanager
def logger(take: Take) -> Iterator[logging.Logger]:
    """Return a logger for one step; `take` gets its records and those of the logger ``fib``."""
    own = logging.Logger(NAME, logging.INFO)
    own.addHandler(_ToOne(take))
    with _by_context.to(take):
        yield own
