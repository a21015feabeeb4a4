"""Packages that extend fib: their entry points, modules and hooks, and those that cannot be used.

Entry points of the group ``fib.plugins`` are read with the `entrypoints` package and loaded one by
one. An entry point that fails becomes a `BrokenPlugin` record, which `fib plugins list` shows; the
others are not affected. This module handles hooks, not what they register. It imports no heavy
library, since all commands need it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple

import entrypoints

from fibcore import hooks
from fibcore.errors import FibError
from fibcore.guests import guest
from fibcore.text import described, message, text_of

OWN = "fibtomo"
"""Name of fib's own distribution."""


class Source(NamedTuple):
    """Origin of a plugin: entry point, name and version of the distribution."""

    entry_point: str
    distribution: str
    version: str


@dataclass(frozen=True)
class BrokenPlugin:
    """An entry point, or a plugin that it registers, that cannot be used."""

    entry_point: str
    distribution: str
    version: str
    reason: str
    details: str = ""
    clash: str = ""
    """The name that two packages use, if that is the reason."""


@dataclass(frozen=True)
class Implementation:
    """A hook function of a package or an observer.

    Attributes:
        owner: name of its module or class.
        function: the function or bound method.
        arguments: names of the hook's arguments that it takes.
    """

    owner: str
    function: Any
    arguments: tuple[str, ...]

    def __call__(self, **given: Any) -> Any:
        """Call the function with those of the hook's arguments that it takes."""
        return self.function(*(given[name] for name in self.arguments))


class Named(NamedTuple):
    """An entry point that names a plugin class: ``"segmenter/blur" = "pkg:Blur"``.

    Attributes:
        name: name of the entry point, ``kind/name``.
        source: its origin.
        load: function that imports the module and returns the class.
    """

    name: str
    source: Source
    load: Callable[[], Any]


class Packages:
    """The packages that were found, in order, with their hooks.

    Attributes:
        named: entry points that name a plugin, which is imported when used.
        broken: entry points and plugins that cannot be used.
    """

    def __init__(self) -> None:
        self.named: list[Named] = []
        self.broken: list[BrokenPlugin] = []
        self._sources: dict[str, Source] = {}
        self._hooks = hook_manager()

    def discover(self, path: list[str] | None = None) -> None:
        """Load each entry point of the group that names a module.

        Args:
            path: folders to search for installed distributions; default: ``sys.path``.
        """
        seen: set[tuple[str, str, str]] = set()
        for group, name, reference, distribution in self._entry_points(path):
            source = Source(f"{name} = {reference}", distribution.name, distribution.version or "")
            if group != hooks.ENTRY_POINT_GROUP:
                if _near_miss(group):
                    reason = (
                        f"registered in the entry-point group {group!r}, which fib does not "
                        f"read; the group is {hooks.ENTRY_POINT_GROUP!r}"
                    )
                    self.broken.append(BrokenPlugin(*source, reason))
                continue
            if (distribution.name, name, reference) in seen:  # the same folder twice on the path
                continue
            seen.add((distribution.name, name, reference))
            with self.noting(source, "import failed"):
                point = entrypoints.EntryPoint.from_string(reference, name, distribution)
                if "/" in name:
                    self.named.append(Named(name, source, point.load))
                else:
                    self.add_module(point.load(), source)

    def add_module(self, module: Any, source: Source) -> None:
        """Add the hook functions of a module or another object."""
        name, fits = f"{source.distribution}: {source.entry_point}", False
        with self.noting(source, "hooks do not fit"):
            if isinstance(module, type):
                raise FibError(
                    f"{module.__name__} is a class: call the entry point by its kind and name, as "
                    f'"segmenter/blur", or name a module that has hooks'
                )
            self._hooks.register(module, name=name)
            self._hooks.check_pending()
            fits = True
        if fits:
            self._sources[name] = source
        elif self._hooks.is_registered(module):
            self._hooks.unregister(module)

    def implementations(self, hook: str) -> list[tuple[Source, Implementation]]:
        """Return the functions of all packages for one hook, with their origins."""
        return [(self._sources[name], found) for name, found in implementations(self._hooks, hook)]

    def first(self, hook: str, **arguments: Any) -> Any:
        """Return the first result of a hook that is not None; None if there is none."""
        for source, function in self.implementations(hook):
            with self.noting(source, f"{hook} failed"):
                found = function(**arguments)
                if found is not None:
                    return found
        return None

    @contextmanager
    def noting(self, source: Source, what: str) -> Iterator[None]:
        """Record any error of a package's code in `broken`, except interruptions, and continue."""
        try:
            with guest():
                yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a module may call sys.exit
            reason = message(f"{what}: {described(error)}")
            self.broken.append(BrokenPlugin(*source, reason, traceback.format_exc()))

    def _entry_points(
        self, path: list[str] | None
    ) -> Iterator[tuple[str, str, str, entrypoints.Distribution]]:
        """Yield (group, name, reference, distribution) for groups with names like ours."""
        known: set[str] = set()  # the first distribution of a name on the path is used
        for folder in sys.path if path is None else path:
            try:
                found = list(entrypoints.iter_files_distros(path=[folder]))
            except Exception:  # one of them is malformed
                found = list(self._readable(folder))
            here = [(config, d) for config, d in found if d is not None and d.name not in known]
            known |= {distribution.name for _, distribution in here}
            for config, distribution in here:
                for group in (group for group in config if group.startswith("fib")):
                    for name, reference in config.items(group, raw=True):
                        yield group, name, reference, distribution

    def _readable(self, folder: str) -> Iterator[tuple[Any, entrypoints.Distribution]]:
        """Yield the entry points of a folder as `entrypoints` does, without malformed ones."""
        for found in metadata.distributions(path=[folder]):
            owner, version = text_of(found.metadata["Name"]), text_of(found.version)
            with self.noting(Source("entry_points.txt", owner, version), "cannot be read"):
                config = entrypoints.CaseSensitiveConfigParser(delimiters=("=",))
                config.read_string(found.read_text("entry_points.txt") or "")
                yield config, entrypoints.Distribution(owner, version)


def hook_manager() -> hooks.HookManager:
    """Return a manager with fib's hooks and without packages."""
    manager = hooks.HookManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    return manager


def implementations(manager: hooks.HookManager, hook: str) -> Iterator[tuple[str, Implementation]]:
    """Yield the functions that a manager holds for one hook, with their names."""
    for impl in getattr(manager.hook, hook).get_hookimpls():
        owner = getattr(impl.plugin, "__name__", type(impl.plugin).__name__)
        yield impl.plugin_name, Implementation(owner, impl.function, tuple(impl.argnames))


def _near_miss(group: str) -> bool:
    return group.replace("-", ".").replace("_", ".") in ("fib.plugin", "fib.plugins", "fibplugins")


@cache
def packages() -> Packages:
    """Return the installed packages, found at first use."""
    found = Packages()
    found.discover()
    return found
