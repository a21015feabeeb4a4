"""The commands and their options. Bodies import what they need, so that ``--help`` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibcore.cli import CacheOption, DebugOption, JsonOption, OutOption

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


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (init, schema, materials):
        app.command()(command)
    app.add_typer(plugins_app, name="plugins")
    app.add_typer(cache_app, name="cache")


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
    from fib_plugins.commands.init import init_command

    init_command(template, folder, kind, force)


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: print it).")
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Write the JSON Schema of pipeline files, with which editors complete and check them."""
    from fib_plugins.commands.schema import schema_command

    schema_command(out)


def materials(json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the materials that phases can be made of."""
    from fib_plugins.commands.materials import materials_command

    materials_command(json)


@plugins_app.command("list")
def plugins_list(
    kind: Annotated[str | None, typer.Argument(help="Only this kind.")] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List all plugins, and those that could not be used."""
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
    """Check that plugins keep their contracts; exit code 1 if one does not."""
    from fib_plugins.commands.plugins import check_plugins_command

    check_plugins_command(name, json)


@cache_app.command("list")
def cache_list(
    cache: CacheOption = Path(".fib-cache"),
    out: OutOption = Path("runs"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the steps in the cache: size, last use, and how many runs have them."""
    from fib_plugins.commands.cache import list_command

    list_command(cache, out, json)


@cache_app.command("verify")
def cache_verify(
    cache: CacheOption = Path(".fib-cache"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Read everything and compare it with its hashes; exit code 1 if something has changed."""
    from fib_plugins.commands.cache import verify_command

    verify_command(cache, json)


@cache_app.command("prune")
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
    from fib_plugins.commands.cache import prune_command

    prune_command(cache, out, older_than, to_size, unused, dry_run)
