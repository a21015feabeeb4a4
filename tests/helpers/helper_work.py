"""What processes do that tests start; none of it needs a heavy library."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from fibcore import FibError


def write(ready: Callable[[], None], path: Path, text: str) -> None:
    """Write a file."""
    path.write_text(text)
    ready()


def sleep(ready: Callable[[], None], path: Path) -> None:
    """Write the number of the process to a file, and never end."""
    path.write_text(str(os.getpid()))
    ready()
    time.sleep(600)


def fail(ready: Callable[[], None], begin: bool, how: str) -> None:
    """End before the work is done, perhaps before it began."""
    if begin:
        ready()
    if how == "FibError":
        raise FibError("the images have the same grey value everywhere")
    if how == "another error":
        raise KeyError("no such thing")
    if how == "exit":
        os._exit(7)
    os.kill(os.getpid(), signal.SIGKILL)
