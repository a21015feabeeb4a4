"""Commands that packages add to ``fib`` with the hook ``fib_register_commands``."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import typer
from rich.text import Text
from typer.main import get_group
from typer.models import CommandInfo, DefaultPlaceholder, TyperInfo

from fibcore.cli.app import app
from fibcore.cli.errors import ends_cleanly
from fibcore.cli.terminal import console, print_warning
from fibcore.errors import FibError
from fibcore.packages import OWN, BrokenPlugin, Packages, Source, packages

Added = CommandInfo | TyperInfo
"""A command, or a group of commands."""


@cache
def command_line() -> typer.Typer:
    """Return the application ``fib``: its own commands and those of installed packages."""
    add_commands(app, packages())
    for broken in packages().broken:
        if broken.distribution == OWN:  # the command that lists what is broken is among them
            text = f"the plugins and commands that belong to fib cannot be used: {broken.reason}"
            print_warning(console(err=True), text)
    return app


def add_commands(app: typer.Typer, packages: Packages) -> None:
    """Add the commands of packages to an app.

    The commands of fib's own plugins come first. Each other package has a panel in the help.
    If the hook of a package fails, or the help of a command cannot be shown, none of its commands
    is added. A command whose name is taken is left out. Both are noted in ``packages.broken``.
    """
    owners = dict.fromkeys(get_group(app).commands, "fib")
    found = packages.implementations("fib_register_commands")
    for source, register in sorted(found, key=lambda each: each[0].distribution != OWN):
        with packages.noting(source, "fib_register_commands failed"):
            own = typer.Typer()
            register(app=own)
            if own.registered_callback is not None:
                raise FibError("packages cannot add options to `fib`: add commands, not a callback")
            for added, names in [(added, _names(added)) for added in _all(own)]:
                taken = next((name for name in names if name in owners), None)
                if taken is not None:
                    packages.broken.append(_clash(source, taken, owners[taken]))
                    continue
                owners |= dict.fromkeys(names, source.distribution)
                _add(app, added, source.distribution)


def _all(app: typer.Typer) -> list[Added]:
    return [*app.registered_commands, *app.registered_groups]


def _names(added: Added) -> list[str]:
    """Build a command or a group, and return the names that it would have.

    Raises:
        Exception: it cannot be built, or its help cannot be shown.
    """
    alone = typer.Typer()
    _place(alone, added)
    commands = get_group(alone).commands
    for command in commands.values():
        Text.from_markup(command.short_help or command.help or "")
    return list(commands)


def _add(app: typer.Typer, added: Added, owner: str) -> None:
    chosen = added.rich_help_panel
    if owner != OWN and (isinstance(chosen, DefaultPlaceholder) or chosen is None):
        added.rich_help_panel = owner
    for command in _commands(added):
        if command.callback is not None:
            command.callback = ends_cleanly(command.callback)
    _place(app, added)


def _place(app: typer.Typer, added: Added) -> None:
    if isinstance(added, CommandInfo):
        app.registered_commands.append(added)
    else:
        app.registered_groups.append(added)


def _commands(added: Added) -> Iterator[CommandInfo]:
    if isinstance(added, CommandInfo):
        yield added
    elif added.typer_instance is not None:
        for inner in _all(added.typer_instance):
            yield from _commands(inner)


def _clash(source: Source, name: str, owner: str) -> BrokenPlugin:
    reason = f"the command {name!r} is taken by {owner}: ask the author to choose another name"
    return BrokenPlugin(*source, reason, clash=f"fib {name}")
