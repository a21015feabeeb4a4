"""Plugins and materials, and the names they go by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fibcore import hooks
from fibcore.elements import element, elements
from fibcore.errors import FibError, UsageError, did_you_mean, listed
from fibcore.kinds import KINDS
from fibcore.materials import Material
from fibcore.packages import BrokenPlugin, Packages, Source, packages
from fibcore.plugin import Plugin


@dataclass(frozen=True)
class Registered:
    """A plugin class or a material, and where it came from."""

    identifier: str
    item: Any
    distribution: str
    version: str
    entry_point: str


class Registry:
    """All plugins and materials that packages register, by ``kind/name``.

    Args:
        packages: where they come from; none at first if not given.
    """

    def __init__(self, packages: Packages | None = None) -> None:
        self.packages = packages or Packages()
        self._entries: dict[str, Registered] = {}
        self._clashes: dict[str, list[Registered]] = {}
        self._asked: set[tuple[Source, str]] = set()
        self._ask()

    # -- filling -------------------------------------------------------------------------------

    def discover(self, path: list[str] | None = None) -> None:
        """Register what installed packages register.

        Args:
            path: folders to look for installed distributions in; default: ``sys.path``.
        """
        self.packages.discover(path)
        self._ask()

    def add_module(
        self, module: Any, entry_point: str, distribution: str = "local", version: str = ""
    ) -> None:
        """Register what the hook functions of one module register.

        `module` may be anything that carries hook functions, a class instance in a test say.
        """
        self.packages.add_module(module, Source(entry_point, distribution, version))
        self._ask()

    def _ask(self) -> None:
        """Call the registering hooks of packages that were not asked before."""
        for kind, hook in hooks.REGISTER_HOOKS.items():
            for source, implementation in self.packages.implementations(hook):
                if (source, hook) not in self._asked:
                    self._asked.add((source, hook))
                    with self.packages.noting(source, f"{hook} failed"):
                        implementation(register=self._registrar(kind, source))

    def _registrar(self, kind: str, source: Source) -> Callable[[Any], None]:
        def register(item: Any) -> None:
            identifier = _identifier(kind, item)
            entry = Registered(
                identifier, item, source.distribution, source.version, source.entry_point
            )
            other = self._entries.get(identifier)
            if other is None:
                self._entries[identifier] = entry
                return
            rivals = self._clashes.setdefault(identifier, [other])
            rivals.append(entry)
            owners = " and ".join(f"{r.distribution} ({r.entry_point})" for r in rivals)
            self.packages.broken.append(
                BrokenPlugin(
                    *source,
                    reason=f"{identifier} is registered twice, by {owners}: uninstall one, or "
                    f"ask its author to choose another name",
                    clash=identifier,
                )
            )

        return register

    # -- asking --------------------------------------------------------------------------------

    @property
    def broken(self) -> list[BrokenPlugin]:
        """What could not be used."""
        return self.packages.broken

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
    return Registry(packages())
