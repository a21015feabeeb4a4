"""Output to a terminal, a file or a pipe; all text of the command line is printed here.

Markup is never interpreted: a name such as ``q[/b].json`` is shown as it is, with control
characters written as escapes. Output that cannot be written raises `OutputLost`.
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
    """A console that raises an error when its pipe is closed; rich's own ends the program."""

    def on_broken_pipe(self) -> None:
        """Raise the error again, for the caller."""
        raise  # rich calls it where it has caught the error


@cache
def console(*, err: bool = False) -> Console:
    """Return the console for results, or for messages: the same one each time.

    Lines that are printed while it shows a progress bar appear above the bar.
    """
    return _Console(stderr=err, markup=False, highlight=False, emoji=False, soft_wrap=True)


def plain(text: object, style: str = "") -> Text:
    """Return text of any origin with control characters escaped."""
    return Text(escaped(str(text)), style)


def echo(*parts: str | Text, err: bool = False) -> None:
    """Print a line without wrapping it, so that paths and commands can be copied."""
    line = Text.assemble(*(part if isinstance(part, Text) else plain(part) for part in parts))
    with _writing(err):
        console(err=err).print(line)


def echo_wrapped(text: str | Text) -> None:
    """Print text, wrapped between words."""
    with _writing(err=False):
        console().print(text if isinstance(text, Text) else plain(text), soft_wrap=False)


def print_error(text: str) -> None:
    """Print an error message."""
    echo(Text("error: ", "bold red"), message(text), err=True)


def print_warning(to: Console, text: str) -> None:
    """Print a warning."""
    with _writing(err=True):
        to.print(Text("warning: ", "yellow") + Text(message(text)), soft_wrap=True)


def write(text: str) -> None:
    """Print text for programs, such as JSON, unchanged."""
    with _writing(err=False):
        sys.stdout.write(text)


def write_json(value: Any) -> None:
    """Print a value as JSON, for programs."""
    write(json.dumps(value, indent=1) + "\n")


def flush() -> None:
    """Flush both streams.

    Raises:
        OutputLost: what was printed cannot be written.
    """
    with _writing(err=True):
        sys.stderr.flush()
    with _writing(err=False):
        sys.stdout.flush()


def prepare() -> None:
    """Make the standard streams safe to print to.

    The number of a closed stream would be given to the next file that is opened, so that terminal
    output would be written into a result. Characters that a stream cannot encode are escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        with contextlib.suppress(AttributeError):  # not a file
            getattr(sys, name).reconfigure(errors="backslashreplace")


def abandon() -> None:
    """Discard output that a stream cannot take, also at the end of the program."""
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
