"""How commands end on an error: with one message and an exit code, without a traceback."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import Any

import typer

from fibcore.cli.terminal import OutputLost, abandon, echo, flush, prepare, print_error
from fibcore.errors import FibError, UsageError
from fibcore.guests import exits_raise
from fibcore.interrupts import exit_code, obey_signals, true_code
from fibcore.text import described, shown

FAILED = 1


def ends_cleanly(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a `FibError` or an `OSError` of a command into a message and an exit code.

    With ``--debug`` the error is raised unchanged.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except FibError as error:
            if kwargs.get("debug"):
                raise
            print_error(str(error))
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if kwargs.get("debug"):
                raise
            where = "" if error.filename is None else f"{shown(error.filename)}: "
            print_error(f"{where}{error.strerror or error}; finished steps are kept")
            raise typer.Exit(FAILED) from None
        except SystemExit as error:  # fib's own commands return their code
            print_error(f"a package tried to end the program ({described(error)})")
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt as error:
            echo("interrupted", err=True)
            raise typer.Exit(exit_code(error)) from None

    return wrapped


def run_cleanly(command_line: Callable[[], typer.Typer]) -> int:
    """Run a program's command line and return its exit code.

    Args:
        command_line: returns the application; what it imports may print or be interrupted.
    """
    prepare()
    obey_signals()
    exits_raise()
    logging.raiseExceptions = False  # no traceback for log calls whose arguments do not fit
    try:
        os.getcwd()
    except OSError:
        print_error("the working folder does not exist any more; change to another one")
        return UsageError.exit_code
    try:
        code = true_code(_run(command_line()))
        flush()
    except (OutputLost, OSError) as error:
        code = _output_lost(error)
    except KeyboardInterrupt as error:  # outside of a command, such as during imports
        echo("interrupted", err=True)
        code = exit_code(error)
    abandon()
    return code


def _run(app: typer.Typer) -> int:
    try:
        return app(prog_name="fib", standalone_mode=False) or 0
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # rich, if the reader has left
            raise OutputLost("its reader has left") from error.__context__
        raise
    except Exception as error:
        # An error that Typer found in the command line. Its classes are those of click, or of
        # Typer's own copy of click.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        if context is not None:
            echo(context.get_usage(), err=True)
        text = str(error.format_message())
        if text:
            print_error(text)
        return int(getattr(error, "exit_code", FAILED))


def _output_lost(error: Exception) -> int:
    cause = error.__cause__ or error
    if isinstance(cause, BrokenPipeError):  # the reader closed the pipe, as `| head` does
        return 0
    reason = getattr(cause, "strerror", None) or cause
    print_error(f"cannot write to standard output: {reason}")
    return FAILED
