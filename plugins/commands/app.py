"""The commands and their options. They import what they need when called: ``--help`` is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fib_plugins.commands.reconstruct import reconstruct
from fib_plugins.commands.running import check, run
from fibcore.cli import CacheOption, DebugOption, JsonOption, OutOption

plugins_app = typer.Typer(
    help="List, show and check plugins.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cache_app = typer.Typer(
    help="List, check and prune the cache of finished steps.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (run, reconstruct, check, init, schema, materials):
        app.command()(command)
    app.add_typer(plugins_app, name="plugins")
    app.add_typer(cache_app, name="cache")


def init(
    template: Annotated[str, typer.Argument(help="quickstart, my-stack, my-electrode or plugin.")],
    folder: Annotated[Path, typer.Argument(help="Folder to write to.")] = Path("."),
    kind: Annotated[
        str | None,
        typer.Option("--kind", help="With plugin: a minimal one of this kind, e.g. segmenter."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files.")] = False,
    debug: DebugOption = False,
) -> None:
    """Write a template: a pipeline, or a package with plugins of your own."""
    from fib_plugins.commands.init import init_command

    init_command(template, folder, kind, force)


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: print it).")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Write the JSON Schema of pipeline files, so that editors can complete and check them."""
    from fib_plugins.commands.schema import schema_command

    schema_command(out)


def materials(json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the materials of phases."""
    from fib_plugins.commands.materials import materials_command

    materials_command(json)


@plugins_app.command("list")
def plugins_list(
    kind: Annotated[str | None, typer.Argument(help="Only this kind.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List all plugins, and those that cannot be used."""
    from fib_plugins.commands.plugins import list_command

    list_command(kind, json)


@plugins_app.command("show")
def plugins_show(
    name: Annotated[str, typer.Argument(help="Plugin, as kind/name.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what a plugin does, its parameters, inputs and results."""
    from fib_plugins.commands.plugins import show_command

    show_command(name, json)


@plugins_app.command("check")
def plugins_check(
    name: Annotated[
        str | None, typer.Argument(help="Plugin, as kind/name (default: all of them).")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Check that plugins fulfil their contracts; exit with code 1 if one does not."""
    from fib_plugins.commands.plugins import check_plugins_command

    check_plugins_command(name, json)


@cache_app.command("list")
def cache_list(
    cache: CacheOption = Path(".fib-cache"),
    out: OutOption = Path("runs"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the steps in the cache: size, last use, and number of runs that use them."""
    from fib_plugins.commands.cache import list_command

    list_command(cache, out, json)


@cache_app.command("verify")
def cache_verify(
    cache: CacheOption = Path(".fib-cache"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read all files and compare them with their hashes; exit with code 1 if one has changed."""
    from fib_plugins.commands.cache import verify_command

    verify_command(cache, json)


@cache_app.command("prune")
def cache_prune(
    cache: CacheOption = Path(".fib-cache"),
    out: OutOption = Path("runs"),
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="AGE", help="Steps unused for this time, e.g. 30d."),
    ] = None,
    to_size: Annotated[
        str | None,
        typer.Option(
            "--to-size",
            metavar="SIZE",
            help="Least recently used steps, until the rest has this size, e.g. 20GB.",
        ),
    ] = None,
    unused: Annotated[
        bool, typer.Option("--unused", help="Only steps that no existing run uses.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what would be removed.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Remove steps that meet all given conditions; they can be computed again."""
    from fib_plugins.commands.cache import prune_command

    prune_command(cache, out, older_than, to_size, unused, dry_run)
