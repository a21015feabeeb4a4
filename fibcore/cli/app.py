"""The commands of the core. They import what they need when called: ``--help`` is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibcore.cli.errors import ends_cleanly
from fibcore.cli.options import (
    CacheOption,
    DebugOption,
    OutOption,
    PipelineFile,
    SeedOption,
    SetOption,
    SettingsOption,
    StepOption,
)
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


@app.command("run")
@ends_cleanly
def run(
    pipeline: PipelineFile,
    settings: SettingsOption = None,
    set_: SetOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would run and why; run nothing.")
    ] = False,
    from_: Annotated[
        StepOption, typer.Option("--from", metavar="ID", help="First step that may run.")
    ] = None,
    to: Annotated[
        StepOption, typer.Option("--to", metavar="ID", help="Last step that runs.")
    ] = None,
    force: Annotated[
        list[str] | None,
        typer.Option("--force", metavar="ID", help="Run this step again. May be repeated."),
    ] = None,
    seed: SeedOption = None,
    out: OutOption = Path("runs"),
    cache: CacheOption = Path(".fib-cache"),
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")
    ] = "auto",
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads (default: all).")
    ] = None,
    resource_check: Annotated[
        bool,
        typer.Option("--resource-check/--no-resource-check", help="Refuse runs that do not fit."),
    ] = True,
    debug: DebugOption = False,
) -> None:
    """Run a pipeline: reuse finished steps, compute the others, write a report."""
    from fibcore.cli.run import run_command

    run_command(
        pipeline, settings or [], set_ or [], dry_run, from_, to, force or [], seed, out, cache,
        device, threads, resource_check,
    )  # fmt: skip


@app.command("check")
@ends_cleanly
def check(
    pipeline: PipelineFile,
    settings: SettingsOption = None,
    set_: SetOption = None,
    seed: SeedOption = None,
    debug: DebugOption = False,
) -> None:
    """Check a pipeline without running it: report all problems at once, with their places."""
    from fibcore.cli.run import check_command

    check_command(pipeline, settings or [], set_ or [], seed)
