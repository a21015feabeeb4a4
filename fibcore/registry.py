"""Plugins and materials, registered by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from fibcore import hooks
from fibcore.elements import element, elements
from fibcore.errors import FibError, UsageError, did_you_mean, listed
from fibcore.kinds import KINDS
from fibcore.materials import Material
from fibcore.packages import BrokenPlugin, Named, Packages, Source, packages
from fibcore.plugin import Plugin
from fibcore.reader import Reader


@dataclass(frozen=True)
class Registered:
    """A plugin class or a material, and its origin.

    Attributes:
        identifier: ``kind/name``.
        source: its entry point and distribution.
        load: function that returns the class or material.
        imported: whether its package is imported; if not, the first use of `item` imports it.
    """

    identifier: str
    source: Source
    load: Callable[[], Any]
    imported: bool = True

    @property
    def item(self) -> Any:
        """The class or material.

        Raises:
            FibError: it cannot be used; it is then added to `Registry.broken`.
        """
        return self.load()

    @property
    def distribution(self) -> str:
        """Name of its distribution."""
        return self.source.distribution

    @property
    def version(self) -> str:
        """Version of its distribution."""
        return self.source.version

    @property
    def owner(self) -> str:
        """Distribution and entry point, for messages."""
        return f"{self.source.distribution} ({self.source.entry_point})"


class Registry:
    """All plugins and materials that packages register, by ``kind/name``.

    Args:
        packages: the packages; if not given, none at first.
    """

    def __init__(self, packages: Packages | None = None) -> None:
        self.packages = packages or Packages()
        self._entries: dict[str, Registered] = {}
        self._clashes: dict[str, list[str]] = {}
        self._readers: dict[str, dict[str, str]] = {}  # suffix -> identifier -> who registered it
        self._asked: set[tuple[Source, str]] = set()
        self._failures: dict[Named, str] = {}
        self._ask()

    # -- filling -------------------------------------------------------------------------------

    def discover(self, path: list[str] | None = None) -> None:
        """Register the plugins and materials of installed packages.

        Args:
            path: folders to search for installed distributions; default: ``sys.path``.
        """
        self.packages.discover(path)
        self._ask()

    def add_module(
        self, module: Any, entry_point: str, distribution: str = "local", version: str = ""
    ) -> None:
        """Register the plugins and materials of one module.

        `module` may be any object with hook functions, such as an instance of a class in a test.
        """
        self.packages.add_module(module, Source(entry_point, distribution, version))
        self._ask()

    def _ask(self) -> None:
        """Register the named plugins of packages, and call hooks that were not called before."""
        for named in self.packages.named:
            if (named.source, named.name) not in self._asked:
                self._asked.add((named.source, named.name))
                with self.packages.noting(named.source, "cannot be used"):
                    _check_kind(named.name)
                    load = partial(self._imported, named)
                    self._add(Registered(named.name, named.source, load, imported=False))
        for kind, hook in hooks.REGISTER_HOOKS.items():
            for source, implementation in self.packages.implementations(hook):
                if (source, hook) not in self._asked:
                    self._asked.add((source, hook))
                    with self.packages.noting(source, f"{hook} failed"):
                        implementation(register=self._registrar(kind, source))

    def _registrar(self, kind: str, source: Source) -> Callable[[Any], None]:
        def register(item: Any) -> None:
            identifier = _identifier(kind, item)
            self._add(Registered(identifier, source, lambda: item))
            self._note_suffixes(identifier, item, source)

        return register

    def _add(self, entry: Registered) -> None:
        identifier = entry.identifier
        other = self._entries.setdefault(identifier, entry)
        if other is entry:
            return
        owners = self._clashes.setdefault(identifier, [other.owner])
        owners.append(entry.owner)
        self._note_clash(identifier, owners, entry.source)

    def _note_suffixes(self, identifier: str, item: Any, source: Source) -> None:
        """Record the suffixes of a reader; two readers of one suffix are a conflict."""
        for suffix in getattr(item, "suffixes", ()):
            readers = self._readers.setdefault(suffix, {})
            if identifier not in readers:
                readers[identifier] = f"{identifier} of {source.distribution}"
                if len(readers) > 1:
                    self._note_clash(suffix, readers.values(), source)

    def _note_clash(self, name: str, owners: Iterable[str], source: Source) -> None:
        reason = f"{_twice(name, owners)}: uninstall one, or ask its author to choose another name"
        self.broken.append(BrokenPlugin(*source, reason, clash=name))

    def _imported(self, named: Named) -> Any:
        """Import the plugin of an entry point; if it cannot be used, it is added to `broken`."""
        if named not in self._failures:
            with self.packages.noting(named.source, "cannot be used"):
                item = named.load()
                own = _identifier(named.name.split("/")[0], item)
                if own != named.name:
                    raise FibError(
                        f"the entry point is called {named.name}, but the plugin is {own}: give "
                        f"both the same name"
                    )
                self._note_suffixes(own, item, named.source)
                return item
            self._failures[named] = self.broken[-1].reason
        raise FibError(f"{named.name} of {named.source.distribution}: {self._failures[named]}")

    # -- asking --------------------------------------------------------------------------------

    @property
    def broken(self) -> list[BrokenPlugin]:
        """Entry points that cannot be used."""
        return self.packages.broken

    def entries(self, kind: str | None = None) -> list[Registered]:
        """Return the plugins of all kinds or of one kind, or the materials, sorted by name."""
        kinds = KINDS if kind is None else (kind,)
        chosen = [e for e in self._entries.values() if e.identifier.split("/")[0] in kinds]
        return sorted(chosen, key=lambda entry: entry.identifier)

    def usable(self, kind: str | None = None) -> list[Registered]:
        """Return the entries that can be imported; the others are added to `broken`."""
        found = []
        for entry in self.entries(kind):
            with suppress(FibError):
                entry.load()
                found.append(entry)
        return found

    def entry(self, identifier: str) -> Registered:
        """Return the entry of a ``kind/name``.

        Raises:
            FibError: it is unknown (the message names the nearest, and plugins that failed to
                load), or registered by two distributions.
        """
        if identifier in self._clashes:
            owners = self._clashes[identifier]
            raise FibError(f"{_twice(identifier, owners)}: uninstall one of them")
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
        raise UsageError(f"there is no plugin {identifier!r}.{hint}{self.unusable()}")

    def unusable(self) -> str:
        """Return a sentence on the packages that cannot be used; empty if there are none."""
        failed = [b for b in self.broken if not b.clash]
        if not failed:
            return ""
        return " These plugin packages cannot be used: " + "; ".join(
            f"{b.distribution} ({b.entry_point}): {b.reason}" for b in failed
        )

    def plugin(self, identifier: str) -> type[Plugin]:
        """Return the plugin class of a ``kind/name``; raises the errors of `entry`."""
        item = self.entry(identifier).item
        if not (isinstance(item, type) and issubclass(item, Plugin)):
            raise FibError(f"{identifier} is not a plugin that a step can run")
        return item

    def suffixes(self) -> list[str]:
        """Return the suffixes of all readers, the longest first."""
        self.usable(Reader.kind)  # imports readers named by entry points
        return sorted(self._readers, key=len, reverse=True)

    def reader(self, suffix: str) -> type[Reader]:
        """Return the reader of one of the `suffixes`.

        Raises:
            FibError: several readers have this suffix.
        """
        readers = self._readers[suffix]
        if len(readers) > 1:
            raise FibError(
                f"files that end in {_twice(suffix, readers.values())}: uninstall one of them"
            )
        return self.entry(next(iter(readers))).item

    def material(self, name: str) -> Material:
        """Return a registered material, or the element of this symbol or name.

        Raises:
            FibError: it is unknown (the message names the nearest), or registered twice.
        """
        identifier = f"material/{name}"
        if identifier in self._entries:
            return self.entry(identifier).item
        by_lower = {e.identifier.lower(): e for e in self.entries("material")}
        if identifier.lower() in by_lower:
            return by_lower[identifier.lower()].item
        try:
            return Material.of_element(element(name))
        except FibError:
            names = [e.identifier.partition("/")[2] for e in self.entries("material")]
            hint = did_you_mean(name, [*names, *elements()])
            raise FibError(
                f"no material {name!r}.{hint} `fib materials` lists them; elements are given by "
                f"symbol or name; a pipeline can also define a material in place: "
                f'{{"name": ..., "composition": {{"Si": 1, "O": 2}}, "density_g_cm3": 2.2}}'
            ) from None


def _check_kind(name: str) -> None:
    kind = name.split("/")[0]
    if kind not in hooks.REGISTER_HOOKS:
        raise FibError(
            f"there is no kind {kind!r}; an entry point that names a plugin is called kind/name. "
            f"Kinds: {listed(hooks.REGISTER_HOOKS)}.{did_you_mean(kind, hooks.REGISTER_HOOKS)}"
        )


def _twice(name: str, owners: Iterable[str]) -> str:
    return f"{name} is registered twice, by {' and '.join(owners)}"


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
    if problems := item.class_problems():
        raise FibError("; ".join(problems))
    return item.identifier()


@cache
def registry() -> Registry:
    """Return the registry of the process, filled at first use."""
    return Registry(packages())
