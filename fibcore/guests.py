"""Code of packages - modules, plugins, observers - is a guest in fib's process.

What it raises is caught where it is called. Here is what else it may do to the process: leave it as
if all were done, fork it and come back twice, change the working folder, which relative paths start
from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def guest() -> Iterator[None]:
    """Call code of a package: afterwards the working folder is that of before.

    A copy of the process that the code has forked, and that comes back from it, ends here.
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
    """Have `os._exit` raise `SystemExit` in this process, so that the step fails that calls it.

    Processes that are forked from it leave as before, as they do at their end.
    """
    leave, process = os._exit, os.getpid()

    def exit_or_raise(status: int) -> None:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(status)

    os._exit = exit_or_raise  # type: ignore[assignment]
