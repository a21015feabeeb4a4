"""Discovery of plugins, and the names they go by.

Entry points of the group ``fib.plugins`` are read with the `entrypoints` package and loaded one by
one: what fails becomes a `BrokenPlugin` record that `fib plugins list` shows, and stops nothing.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from typing import Any

import entrypoints

from fibcore import hooks
from fibcore.elements import element, elements
from fibcore.errors import FibError, UsageError, did_you_mean, listed
from fibcore.kinds import KINDS
from fibcore.materials import Material
from fibcore.plugin import Plugin
from fibcore.text import described, message, text_of


@dataclass(frozen=True)
class Registered:
    """A plugin class or a material, and where it came from."""

    identifier: str
    item: Any
    distribution: str
    version: str
    entry_point: str


@dataclass(frozen=True)
class BrokenPlugin:
    """An entry point (or one thing that it registers) that could not be used."""

    entry_point: str
    distribution: str
    version: str
    reason: str
    details: str = ""
    clash: str = ""
    """The ``kind/name`` that two plugins want, where that is the reason."""


class Registry:
    """All plugins and materials that were found, by ``kind/name``."""

    def __init__(self) -> None:
        self._entries: dict[str, Registered] = {}
        self._clashes: dict[str, list[Registered]] = {}
        self.broken: list[BrokenPlugin] = []
        self.hook_manager = hooks.HookManager(hooks.PROJECT)
        self.hook_manager.add_hookspecs(hooks)

    # -- filling -------------------------------------------------------------------------------

    def discover(self, path: list[str] | None = None) -> None:
        """Load every entry point of the group, each on its own.

        Args:
            path: folders to look for installed distributions in; default: ``sys.path``.
        """
        seen: set[tuple[str, str, str]] = set()
        for group, name, reference, distribution in self._entry_points(path):
            owner = (distribution.name, distribution.version or "")
            if group != hooks.ENTRY_POINT_GROUP:
                if _near_miss(group):
                    reason = (
                        f"registered under the entry-point group {group!r}, which fib does not "
                        f"read; the group is {hooks.ENTRY_POINT_GROUP!r}"
                    )
                    self.broken.append(BrokenPlugin(f"{name} = {reference}", *owner, reason))
                continue
            if (owner[0], name, reference) in seen:  # the same folder twice on the path
                continue
            seen.add((owner[0], name, reference))
            source = (f"{name} = {reference}", *owner)
            with self._noting(source, "import failed"):
                point = entrypoints.EntryPoint.from_string(reference, name, distribution)
                self.add_module(point.load(), *source)

    def add_module(
        self, module: Any, entry_point: str, distribution: str = "local", version: str = ""
    ) -> None:
        """Register what the hook functions of one module register.

        `module` may be anything that carries hook functions, a class instance in a test say.
        """
        source = (entry_point, distribution, version)
        fits = False
        with self._noting(source, "hooks do not fit"):
            self.hook_manager.register(module, name=f"{distribution}: {entry_point}")
            self.hook_manager.check_pending()
            fits = True
        if not fits:
            if self.hook_manager.is_registered(module):
                self.hook_manager.unregister(module)
            return
        for kind, hook in hooks.REGISTER_HOOKS.items():
            for impl in getattr(self.hook_manager.hook, hook).get_hookimpls():
                if impl.plugin is module:
                    with self._noting(source, f"{hook} failed"):
                        impl.function(self._registrar(kind, source))

    def _entry_points(
        self, path: list[str] | None
    ) -> Iterator[tuple[str, str, str, entrypoints.Distribution]]:
        """Yield (group, name, reference, distribution) of every group that looks like ours."""
        known: set[str] = set()  # a distribution counts where it comes first on the path
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
        """Yield what `entrypoints` would of a folder, but for distributions that are malformed."""
        for found in metadata.distributions(path=[folder]):
            owner, version = text_of(found.metadata["Name"]), text_of(found.version)
            with self._noting(("entry_points.txt", owner, version), "cannot be read"):
                config = entrypoints.CaseSensitiveConfigParser(delimiters=("=",))
                config.read_string(found.read_text("entry_points.txt") or "")
                yield config, entrypoints.Distribution(owner, version)

    @contextmanager
    def _noting(self, source: tuple[str, str, str], what: str) -> Iterator[None]:
        """Note whatever a package's code raises, but for an interruption, and go on."""
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a module may call sys.exit
            reason = message(f"{what}: {described(error)}")
            self.broken.append(BrokenPlugin(*source, reason, traceback.format_exc()))

    def _registrar(self, kind: str, source: tuple[str, str, str]) -> Callable[[Any], None]:
        def register(item: Any) -> None:
            identifier = _identifier(kind, item)
            entry = Registered(identifier, item, source[1], source[2], source[0])
            other = self._entries.get(identifier)
            if other is None:
                self._entries[identifier] = entry
                return
            rivals = self._clashes.setdefault(identifier, [other])
            rivals.append(entry)
            owners = " and ".join(f"{r.distribution} ({r.entry_point})" for r in rivals)
            self.broken.append(
                BrokenPlugin(
                    *source,
                    reason=f"{identifier} is registered twice, by {owners}: uninstall one, or "
                    f"ask its author to choose another name",
                    clash=identifier,
                )
            )

        return register

    # -- asking --------------------------------------------------------------------------------

    def entries(self, kind: str | None = None) -> list[Registered]:
        """Return plugins of all kinds, or of one, or the materials, sorted by name."""
        kinds = KINDS if kind is None else (kind,)
        chosen = [e for e in self._entries.values() if e.identifier.split("/")[0] in kinds]
        return sorted(chosen, key=lambda entry: entry.identifier)

    def entry(self, identifier: str) -> Registered:
        """Return the entry of a ``kind/name``.

        Raises:
            FibError: unknown (names the nearest, and plugins that failed to load), or claimed by
                two distributions.
        """
        if identifier in self._clashes:
            owners = " and ".join(
                f"{r.distribution} ({r.entry_point})" for r in self._clashes[identifier]
            )
            raise FibError(f"{identifier} is registered twice, by {owners}: uninstall one of them")
        if identifier in self._entries:
            return self._entries[identifier]
        kind = identifier.split("/")[0]
        names = [e.identifier for e in self.entries()]
        same_kind = [name for name in names if name.startswith(kind + "/")]
        hint = did_you_mean(identifier, names)
        if not hint:
            hint = (
                f" Of kind {kind} there are: {listed(same_kind)}."
                if same_kind
                else f" The kinds are: {listed(KINDS)}; write kind/name."
            )
        failed = [b for b in self.broken if not b.clash]
        if failed:
            hint += " These plugin packages could not be used: " + "; ".join(
                f"{b.distribution} ({b.entry_point}): {b.reason}" for b in failed
            )
        raise UsageError(f"there is no plugin {identifier!r}.{hint}")

    def plugin(self, identifier: str) -> type[Plugin]:
        """Return the plugin class of a ``kind/name``; raises as `entry` does."""
        item = self.entry(identifier).item
        if not (isinstance(item, type) and issubclass(item, Plugin)):
            raise FibError(f"{identifier} is not a plugin that a step can run")
        return item

    def material(self, name: str) -> Material:
        """Return a registered material, or the element of this symbol or name.

        Raises:
            FibError: unknown (names the nearest), or registered twice.
        """
        identifier = f"material/{name}"
        if identifier in self._clashes or identifier in self._entries:
            return self.entry(identifier).item
        by_lower = {e.identifier.lower(): e for e in self.entries("material")}
        if identifier.lower() in by_lower:
            return by_lower[identifier.lower()].item
        try:
            return Material.of_element(element(name))
        except FibError:
            names = [e.item.name for e in self.entries("material")]
            hint = did_you_mean(name, [*names, *elements()])
            raise FibError(
                f"no material {name!r}.{hint} `fib materials` lists them; elements go by symbol "
                f"or name; a pipeline may also define one in place: "
                f'{{"name": ..., "composition": {{"Si": 1, "O": 2}}, "density_g_cm3": 2.2}}'
            ) from None


def _near_miss(group: str) -> bool:
    return group.replace("-", ".").replace("_", ".") in ("fib.plugin", "fib.plugins", "fibplugins")


def _identifier(kind: str, item: Any) -> str:
    base = KINDS.get(kind)
    if base is None:  # materials are data, not classes
        if not isinstance(item, Material):
            raise FibError(f"{item!r} is not a fibcore.Material")
        return f"{kind}/{item.name}"
    if not (isinstance(item, type) and issubclass(item, base)):
        raise FibError(f"{item!r} is not a class derived from fibcore.{base.__name__}")
    if not item.name:
        raise FibError(f"{item.__name__} has no name; set `name: ClassVar[str] = ...`")
    return item.identifier()


@cache
def registry() -> Registry:
    """Return the process-wide registry, filled at first use."""
    found = Registry()
    found.discover()
    return found
