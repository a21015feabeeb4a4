"""The hooks that a plugin package may implement.

A package names one module under the entry-point group ``fib.plugins``; fib looks there for
functions with these names, marked with `hookimpl`. Each gets a `register` function and calls it
with classes (or materials); importing the module must be quick, so heavy libraries are imported
inside methods.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from fibcore.events import RunEvent
    from fibcore.kinds import Adapter, Generator, Metric, Physics, Segmenter, Simulator
    from fibcore.materials import Material

PROJECT = "fib"
ENTRY_POINT_GROUP = "fib.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def fib_register_generators(register: Callable[[type[Generator]], None]) -> None:
    """Register structure generators: ``register(MyGenerator)`` for each class."""


@hookspec
def fib_register_physics(register: Callable[[type[Physics]], None]) -> None:
    """Register backscatter coefficient models."""


@hookspec
def fib_register_simulators(register: Callable[[type[Simulator]], None]) -> None:
    """Register simulators (structure to images)."""


@hookspec
def fib_register_adapters(register: Callable[[type[Adapter]], None]) -> None:
    """Register adapters (images to images)."""


@hookspec
def fib_register_segmenters(register: Callable[[type[Segmenter]], None]) -> None:
    """Register segmenters (images to labels)."""


@hookspec
def fib_register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Register metrics."""


@hookspec
def fib_register_materials(register: Callable[[Material], None]) -> None:
    """Register materials: ``register(Material(name=..., composition=..., ...))`` for each."""


@hookspec
def fib_run_event(event: RunEvent) -> None:
    """Observe a run: called with every event of `fibcore.events` as it happens.

    The progress display, ``log.jsonl`` and the report are such observers. One that raises is
    reported as a warning and does not disturb the run.
    """


REGISTER_HOOKS = {
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
