"""The one way by which text reaches a terminal, a file or a pipe.

Nothing here reads markup: a name such as ``q[/b].json`` is shown as it is, with control characters
written as escapes. Where output cannot be written, that is `OutputLost`, and no traceback.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from rich.console import Console
from rich.text import Text

from fibcore.text import escaped, message


class OutputLost(Exception):
    """Standard output cannot be written; `__cause__` is the reason."""


class _Console(Console):
    """A console that says when nobody reads it any more, rather than end the program."""

    def on_broken_pipe(self) -> None:
        """Let the error through, to whom it concerns."""
        raise  # rich calls it where it has caught the error


@cache
def console(*, err: bool = False) -> Console:
    """Return the console for results, or for messages: the same one each time.

    Lines that are printed while it shows a progress bar appear above the bar.
    """
    return _Console(stderr=err, markup=False, highlight=False, emoji=False, soft_wrap=True)


def plain(text: object, style: str = "") -> Text:
    """Return text from anywhere as it may be shown."""
    return Text(escaped(str(text)), style)


def echo(*parts: str | Text, err: bool = False) -> None:
    """Print a line; it is not broken at the edge, so that paths and commands can be copied."""
    line = Text.assemble(*(part if isinstance(part, Text) else plain(part) for part in parts))
    with _writing(err):
        console(err=err).print(line)


def echo_wrapped(text: str | Text) -> None:
    """Print text that is broken between words at the edge."""
    with _writing(err=False):
        console().print(text if isinstance(text, Text) else plain(text), soft_wrap=False)


def print_error(text: str) -> None:
    """Print what is wrong."""
    echo(Text("error: ", "bold red"), message(text), err=True)


def print_warning(to: Console, text: str) -> None:
    """Print a warning in the one way that all of them look."""
    with _writing(err=True):
        to.print(Text("warning: ", "yellow") + Text(message(text)), soft_wrap=True)


def write(text: str) -> None:
    """Print text for programs, JSON say, to the letter."""
    with _writing(err=False):
        sys.stdout.write(text)


def write_json(value: Any) -> None:
    """Print a value as JSON, for programs."""
    write(json.dumps(value, indent=1) + "\n")


def flush() -> None:
    """See that what was printed has arrived.

    Raises:
        OutputLost: it has not.
    """
    with _writing(err=True):
        sys.stderr.flush()
    with _writing(err=False):
        sys.stdout.flush()


def prepare() -> None:
    """Make standard streams such that printing can do no harm.

    One that is closed would have its number given to the next file that is opened, and a result
    would get what is meant for the terminal. Characters that a stream's encoding lacks are written
    as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        with contextlib.suppress(AttributeError):  # not a stream of files
            getattr(sys, name).reconfigure(errors="backslashreplace")


def abandon() -> None:
    """Have nothing more written to streams that do not take it, at the end of the program too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # a package may have closed or removed it
            os.dup2(nowhere, number)


@contextlib.contextmanager
def _writing(err: bool) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, AttributeError) as error:  # a package may have removed the stream
        if not err:
            raise OutputLost(str(error)) from error
