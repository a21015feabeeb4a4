"""The commands and their options. Bodies import what they need, so that ``--help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibcore.cli.errors import ends_cleanly
from fibcore.cli.options import (
    CacheOption,
    DebugOption,
    JsonOption,
    OutOption,
    PipelineFile,
    SeedOption,
    SetOption,
    SettingsOption,
    StepOption,
)
from fibcore.cli.terminal import say
from fibcore.version import __version__

app = typer.Typer(
    help="Turn FIB-SEM image stacks of porous materials into trustworthy 3-D reconstructions.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
plugins_app = typer.Typer(
    help="List, show and check plugins.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cache_app = typer.Typer(
    help="See what the cache of finished steps holds, check it, make room in it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(plugins_app, name="plugins")
app.add_typer(cache_app, name="cache")


def _version(show: bool) -> None:
    if show:
        say(f"fib {__version__}")
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
        bool, typer.Option("--dry-run", "-n", help="Say what would run and why; run nothing.")
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
        typer.Option("--resource-check/--no-resource-check", help="Refuse runs that will not fit."),
    ] = True,
    debug: DebugOption = False,
) -> None:
    """Run a pipeline: reuse what is finished, compute the rest, write a report."""
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
    """Check a pipeline without running it: every problem at once, each with its place."""
    from fibcore.cli.run import check_command

    check_command(pipeline, settings or [], set_ or [], seed)


@app.command("init")
@ends_cleanly
def init(
    template: Annotated[str, typer.Argument(help="quickstart, my-stack or plugin.")],
    folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("."),
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="Of plugin: the smallest one of this kind, e.g. segmenter."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files.")] = False,
    debug: DebugOption = False,
) -> None:
    """Start from a template: a pipeline, or a package with plugins of your own."""
    from fibcore.cli.init import init_command

    init_command(template, folder, kind, force)


@app.command("schema")
@ends_cleanly
def schema(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: print it).")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Write the JSON Schema of pipeline files, with which editors complete and check them."""
    from fibcore.cli.plugins import schema_command

    schema_command(out)


@app.command("materials")
@ends_cleanly
def materials(json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the materials that phases can be made of."""
    from fibcore.cli.plugins import materials_command

    materials_command(json)


@plugins_app.command("list")
@ends_cleanly
def plugins_list(
    kind: Annotated[str | None, typer.Argument(help="Only this kind.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List all plugins, and those that could not be used."""
    from fibcore.cli.plugins import list_command

    list_command(kind, json)


@plugins_app.command("show")
@ends_cleanly
def plugins_show(
    name: Annotated[str, typer.Argument(help="Plugin, as kind/name.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what a plugin does, its parameters, inputs and results."""
    from fibcore.cli.plugins import show_command

    show_command(name, json)


@plugins_app.command("check")
@ends_cleanly
def plugins_check(
    name: Annotated[
        str | None, typer.Argument(help="Plugin, as kind/name (default: all of them).")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check that plugins keep their contracts; exit code 1 if one does not."""
    from fibcore.cli.plugins import check_plugins_command

    check_plugins_command(name, json)


@cache_app.command("list")
@ends_cleanly
def cache_list(
    cache: CacheOption = Path(".fib-cache"),
    out: OutOption = Path("runs"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the steps in the cache: size, last use, and how many runs have them."""
    from fibcore.cli.cache import list_command

    list_command(cache, out, json)


@cache_app.command("verify")
@ends_cleanly
def cache_verify(
    cache: CacheOption = Path(".fib-cache"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read everything and compare it with its hashes; exit code 1 if something has changed."""
    from fibcore.cli.cache import verify_command

    verify_command(cache, json)


@cache_app.command("prune")
@ends_cleanly
def cache_prune(
    cache: CacheOption = Path(".fib-cache"),
    out: OutOption = Path("runs"),
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="What was not used for, say, 30d or 12h."),
    ] = None,
    to_size: Annotated[
        str | None,
        typer.Option(
            "--to-size",
            metavar="SIZE",
            help="What was used longest ago, until the rest has, say, 20GB.",
        ),
    ] = None,
    unused: Annotated[
        bool, typer.Option("--unused", help="Only what no run has that is still there.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Say what would go; remove nothing.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Make room: remove steps that meet all conditions given; they can be computed again."""
    from fibcore.cli.cache import prune_command

    prune_command(cache, out, older_than, to_size, unused, dry_run)
