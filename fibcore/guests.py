"""Protects fib's process from the code of packages: modules, plugins, observers.

Errors are caught where the code is called. This module handles other effects: ending the process as
if it were finished, forking it so that a call returns twice, and changing the working folder, to
which paths are relative.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def guest() -> Iterator[None]:
    """Call code of a package; restore the working folder afterwards.

    A forked copy of the process that returns from the code ends here.
    """
    process, folder = os.getpid(), None
    with suppress(OSError):  # it is gone
        folder = os.getcwd()
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(1)
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)


def exits_raise() -> None:
    """Let `os._exit` raise `SystemExit` in this process, so that a step that calls it fails.

    In forked processes it ends the process as usual.
    """
    leave, process = os._exit, os.getpid()

    def exit_or_raise(status: int) -> None:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(status)

    os._exit = exit_or_raise  # type: ignore[assignment]
