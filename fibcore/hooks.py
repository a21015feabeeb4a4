"""The hooks that a plugin package may implement.

A package names one module under the entry-point group ``fib.plugins``; fib looks there for
functions with these names, marked with `hookimpl`. Those that register get a `register` function
and call it with classes (or materials). Importing the module must be quick, since every command of
``fib`` does so: heavy libraries are imported inside functions and methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import typer

    from fibcore.events import Observer, RunEvent

PROJECT = "fib"
ENTRY_POINT_GROUP = "fib.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def fib_register_readers(register: Callable[[type], None]) -> None:
    """Register readers of file formats."""


@hookspec
def fib_register_generators(register: Callable[[type], None]) -> None:
    """Register structure generators: ``register(MyGenerator)`` for each class."""


@hookspec
def fib_register_physics(register: Callable[[type], None]) -> None:
    """Register backscatter coefficient models."""


@hookspec
def fib_register_simulators(register: Callable[[type], None]) -> None:
    """Register simulators (structure to images)."""


@hookspec
def fib_register_adapters(register: Callable[[type], None]) -> None:
    """Register adapters (images to images)."""


@hookspec
def fib_register_segmenters(register: Callable[[type], None]) -> None:
    """Register segmenters (images to labels)."""


@hookspec
def fib_register_metrics(register: Callable[[type], None]) -> None:
    """Register metrics."""


@hookspec
def fib_register_materials(register: Callable[[Any], None]) -> None:
    """Register materials: ``register(Material(name=..., composition=..., ...))`` for each."""


@hookspec
def fib_register_commands(app: typer.Typer) -> None:
    """Add commands to ``fib``: ``@app.command()`` for each, ``app.add_typer`` for groups.

    `app` is the package's own; its commands join those of ``fib`` afterwards. A `FibError` that a
    command raises ends it with one message, as it ends built-in commands.
    """


@hookspec
def fib_repr_html(item: object) -> str | None:
    """Return a volume or a table as HTML for a notebook, or None to leave that to other packages.

    Called when a notebook shows one; the first text that a package returns is shown.
    """


@hookspec
def fib_run_event(event: RunEvent) -> Path | None:
    """Observe all runs: called with every event of `fibcore.events` as it happens.

    ``event.run`` identifies the run: several may go on in one process. What has to be kept from
    event to event belongs into an observer of one run, see `fib_observe_run`. A function that
    raises is reported as a warning and does not disturb the run.

    Returns:
        The path of a file that was written for the user, which ``fib run`` prints at the end;
        else None.
    """


@hookspec
def fib_observe_run(run: Path, command: Sequence[str]) -> Iterable[Observer] | None:
    """Return observers of one run, or None.

    Called once before each run. An observer is an object with a method `fib_run_event`, marked
    with `hookimpl`, that gets the events of this run and of no other.

    Args:
        run: folder of the run.
        command: the command line that started it; empty for a run from Python.
    """


REGISTER_HOOKS = {
    "reader": "fib_register_readers",
    "generator": "fib_register_generators",
    "physics": "fib_register_physics",
    "simulator": "fib_register_simulators",
    "adapter": "fib_register_adapters",
    "segmenter": "fib_register_segmenters",
    "metric": "fib_register_metrics",
    "material": "fib_register_materials",
}
"""Kind -> hook that registers it."""


class HookManager(pluggy.PluginManager):
    """A plugin manager of pluggy that leaves attributes alone which a module loads at first use."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Return the options of a hook function, or None of what is none."""
        if isinstance(plugin, ModuleType) and name not in vars(plugin):
            return None
        return super().parse_hookimpl_opts(plugin, name)
