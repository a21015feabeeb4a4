"""The hooks that a plugin package may implement.

A package names one module in the entry-point group ``fib.plugins``. In this module fib looks for
functions with these names, marked with `hookimpl`. Functions that register plugins get a `register`
function and call it with classes (or materials). The module must import quickly, since all commands
of ``fib`` import it: import heavy libraries inside functions and methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
def fib_register_correctors(register: Callable[[type], None]) -> None:
    """Register correctors (recorded images to corrected ones)."""


@hookspec
def fib_register_sources(register: Callable[[type], None]) -> None:
    """Register sources (pairs to train on)."""


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
def fib_define_material(definition: Mapping[str, Any]) -> object | None:
    """Return the material of a definition in place that is not that of `Material`; else None.

    Errors are `ValueError`: they are reported with the place of the definition.
    """


@hookspec
def fib_register_commands(app: typer.Typer) -> None:
    """Add commands to ``fib``: ``@app.command()`` for each, ``app.add_typer`` for groups.

    `app` belongs to the package; its commands are added to those of ``fib`` afterwards. A
    `FibError` raised by a command ends it with one message, as for built-in commands.
    """


@hookspec
def fib_repr_html(item: object) -> str | None:
    """Return a volume or a table as HTML for a notebook; None to leave it to other packages.

    It is called when a notebook shows one. The first text that a package returns is shown.
    """


@hookspec
def fib_run_event(event: RunEvent) -> Path | None:
    """Observe all runs: called with each event of `fibcore.events` when it happens.

    ``event.run`` identifies the run, as one process may execute several. An observer with state
    should observe one run, see `fib_observe_run`. A function that raises is reported as a warning
    and does not affect the run.

    Returns:
        The path of a file that was written for the user, which ``fib run`` prints at the end;
        else None.
    """


@hookspec
def fib_observe_run(run: Path, command: Sequence[str]) -> Iterable[Observer] | None:
    """Return observers of one run, or None.

    It is called once before each run. An observer is an object with a method `fib_run_event`,
    marked with `hookimpl`, that gets only the events of this run.

    Args:
        run: folder of the run.
        command: command line that started it; empty for a run from Python.
    """


@hookspec
def fib_describe_run(base: Path) -> Mapping[str, Any] | None:
    """Return facts for the provenance of a run, as JSON values; None if there are none.

    Args:
        base: folder of the pipeline file.
    """


@hookspec
def fib_workers(where: str) -> Callable[..., Any] | None:
    """Return a function that opens workers, which execute the steps of a run; else None.

    The function is an `fibcore.pipeline.workers.OpenWorkers`. The first package that does not
    return None decides.

    Args:
        where: value of ``--cluster``, or ``jobs:N`` for ``--jobs N``.
    """


REGISTER_HOOKS = {
    "reader": "fib_register_readers",
    "generator": "fib_register_generators",
    "physics": "fib_register_physics",
    "simulator": "fib_register_simulators",
    "adapter": "fib_register_adapters",
    "corrector": "fib_register_correctors",
    "source": "fib_register_sources",
    "segmenter": "fib_register_segmenters",
    "metric": "fib_register_metrics",
    "material": "fib_register_materials",
}
"""Kind -> hook that registers it."""


class HookManager(pluggy.PluginManager):
    """A plugin manager of pluggy that does not load the lazy attributes of modules."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """Return the options of a hook function; None for other attributes."""
        if isinstance(plugin, ModuleType) and name not in vars(plugin):
            return None
        return super().parse_hookimpl_opts(plugin, name)
