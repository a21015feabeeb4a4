"""The application ``fib``, to which packages add commands."""

from __future__ import annotations

from typing import Annotated

import typer

from fibcore.cli.terminal import echo
from fibcore.version import __version__

app = typer.Typer(
    help="Turn FIB-SEM image stacks of porous materials into trustworthy 3-D reconstructions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(show: bool) -> None:
    if show:
        echo(f"fib {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass
