"""Ctrl-C, ``kill``, a closed terminal, a batch system's limit: a run ends where it can go on.

The signals become `Interrupted`, a `KeyboardInterrupt`, so that whoever is ready for Ctrl-C is
ready for all of them.
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
    """A signal asked for the end; `number` is which."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(signal.Signals(number).name)


class _State:
    """What was asked for, and whether it has to wait."""

    asked: int | None = None
    held = 0
    lock = threading.Lock()


def exit_code(error: KeyboardInterrupt) -> int:
    """Return the exit code that a shell expects of a program that a signal ended."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def true_code(code: int) -> int:
    """Return a program's exit code, given one that takes every signal for Ctrl-C, as Typer does."""
    if code == 128 + signal.SIGINT and _State.asked is not None:
        return 128 + _State.asked
    return code


def obey_signals() -> None:
    """Have signals raise `Interrupted` from now on, but for those that the caller has us ignore.

    (``nohup`` does so with SIGHUP, shells with SIGINT for what runs in the background.)
    """
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _note)


def obey() -> None:
    """Raise `Interrupted` if a signal came and what it raised then was swallowed."""
    if _State.asked is not None and not _State.held:
        raise Interrupted(_State.asked)


@contextmanager
def held_back() -> Iterator[None]:
    """Let no signal disturb what has to be done to the end."""
    with _State.lock:  # runs may go on in several threads
        _State.held += 1
    try:
        yield
    finally:
        with _State.lock:
            _State.held -= 1


def _note(number: int, frame: FrameType | None) -> None:
    _State.asked = number
    obey()
