"""How commands end when something is wrong: one message, an exit code, no traceback."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import typer

from fibcore.errors import FibError

INTERRUPTED = 130


def ends_cleanly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a `FibError` into its message and exit code, a Ctrl-C into a short word.

    With ``--debug`` the error is raised as it is.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except FibError as error:
            if kwargs.get("debug"):
                raise
            typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
            typer.echo(str(error), err=True)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # the reader of our output went away, as `| head` does
            sys.stderr.close()
            raise typer.Exit(0) from None

    return wrapped
