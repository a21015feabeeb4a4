"""Signals (Ctrl-C, ``kill``, a closed terminal, a batch system) end a run that can be resumed.

The signals raise `Interrupted`, a `KeyboardInterrupt`, so that code that handles Ctrl-C handles all
of them.
"""

from __future__ import annotations

import _thread
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU")
LOCKING = ("threading", "concurrent", "queue", "logging")
LATER_S = 0.005
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


@contextmanager
def starting_process() -> Iterator[None]:
    """Delay signals until a process is started and has its data; then raise `Interrupted`.

    A process whose start is interrupted half-way reports that its data are missing. Ctrl-C, which
    a terminal sends to all processes, does not reach the new one until it calls `leave_ctrl_c`.
    """
    ctrl_c = {signal.SIGINT}
    masks = hasattr(signal, "pthread_sigmask")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ctrl_c) if masks else set()
    try:
        with held_back():
            yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    obey()


def leave_ctrl_c() -> None:
    """Ignore Ctrl-C in a process that ends with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _note(number: int, frame: FrameType | None) -> None:
    _State.asked = number
    if frame is not None and _takes_a_lock(frame):
        _thread.start_new_thread(_again, (number,))  # `threading` would need such locks itself
    else:
        obey()


def _takes_a_lock(frame: FrameType) -> bool:
    """Whether an exception in this frame could leave a lock locked for ever.

    Functions of the standard library take a lock and return, and their callers release it; raised
    in between, an exception would leave threads that wait for it, and so the exit of the process.
    """
    waits = ("wait", "join", "_wait_for_tstate_lock")
    module = frame.f_globals.get("__name__", "").partition(".")[0]
    return module in LOCKING and frame.f_code.co_name not in waits


def _again(number: int) -> None:
    time.sleep(LATER_S)
    signal.raise_signal(number)
