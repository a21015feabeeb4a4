"""Signals (Ctrl-C, ``kill``, a closed terminal, a batch system) end a run that can be resumed.

The signals raise `Interrupted`, a `KeyboardInterrupt`, so that code that handles Ctrl-C handles all
of them.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """The process was interrupted by the signal `number`."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class _State:
    """The signal that was received, and whether it has to wait."""

    asked: int | None = None
    held = 0
    lock = threading.Lock()


def exit_code(error: KeyboardInterrupt) -> int:
    """Return the exit code that a shell expects from a program ended by a signal."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def true_code(code: int) -> int:
    """Correct an exit code of Typer, which treats every signal as Ctrl-C."""
    if code == 128 + signal.SIGINT and _State.asked is not None:
        return 128 + _State.asked
    return code


def obey_signals() -> None:
    """Let signals raise `Interrupted` from now on, except signals that the process ignores.

    ``nohup`` ignores SIGHUP, and shells ignore SIGINT for background jobs.
    """
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _note)


def obey() -> None:
    """Raise `Interrupted` again if a signal was received but its exception was suppressed."""
    if _State.asked is not None and not _State.held:
        raise Interrupted(_State.asked)


@contextmanager
def held_back() -> Iterator[None]:
    """Delay signals until the block has ended."""
    with _State.lock:  # several threads may run pipelines
        _State.held += 1
    try:
        yield
    finally:
        with _State.lock:
            _State.held -= 1


def _note(number: int, frame: FrameType | None) -> None:
    _State.asked = number
    obey()
