"""Loops over voxels, compiled by Numba, whose machine code is kept from run to run.

Numba by itself checks the file that a function is defined in, but not those of the functions and
constants that it compiles into it: after an update it may use old code. It fails where no
folder can be written, where the disk is full, and where what it kept is damaged. Importing this
module loads Numba.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib.util import resolve_name
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Compile a function at its first call, to run without Python's global lock.

    As Numba's ``njit(nogil=True, cache=True)``, but that code is kept only as long as all sources
    it was made from are the same, and that a function which cannot be kept works nevertheless.

    Args:
        function: a function that Numba can compile; without it a decorator is returned.
        options: further ones of ``njit``.
    """
    if function is None:
        return partial(compiled, **options)
    return kept(njit(nogil=True, **options)(function))


def kept(function: Any) -> Any:
    """Have the machine code of a function kept in the same way, and return the function.

    Args:
        function: what Numba made of it, for a CPU or a GPU, without ``cache=True``. Where Numba
            does not compile it (``NUMBA_DISABLE_JIT``, its simulator of GPUs) there is no code.
    """
    if hasattr(function, "enable_caching"):
        try:
            function.enable_caching()
            numba_cache: Any = type(function._cache)
            function._cache = _mended(numba_cache)(function.py_func)
        except RuntimeError:  # even among temporary files there is no room
            _warn_once("no folder for them can be written")
    return function


@cache
def _mended(numba_cache: Any) -> type:
    """Return a class of caches like one of Numba's, but for what is wrong with it."""
    impl = numba_cache._impl_class
    locators = [type(each.__name__, (_AllSources, each), {}) for each in impl._locator_classes]
    impl = type(impl.__name__, (impl,), {"_locator_classes": locators})
    return type(numba_cache.__name__, (_Forgiving, numba_cache), {"_impl_class": impl})


class _AllSources:
    """Part of a locator, which defines where code is kept and which source it comes from."""

    @classmethod
    def from_function(cls, function: Any, file: str) -> Any:
        locator: Any = super().from_function(function, file)  # type: ignore[misc]
        if locator is not None:
            locator._module = function.__module__
        return locator

    def get_source_stamp(self: Any) -> Any:
        own = super().get_source_stamp()  # type: ignore[misc]
        return own, _digest_of_sources(self._module)


class _Forgiving:
    """Part of a cache: what cannot be read or written is compiled again."""

    def load_overload(self: Any, *args: Any) -> Any:
        try:
            return super().load_overload(*args)  # type: ignore[misc]
        except Exception:  # what is damaged may raise anything
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self: Any, *args: Any) -> None:
        try:
            super().save_overload(*args)  # type: ignore[misc]
        except OSError as error:
            _warn_once(f"{error.strerror}: {self.cache_path}")


_warned: list[str] = []


def _warn_once(reason: str) -> None:
    if not _warned:
        _warned.append(reason)
        logging.getLogger("fib").warning(
            "compiled functions cannot be kept (%s): they work, but each run compiles them again, "
            "which takes up to a minute. Make room there, or name another folder with the "
            "environment variable NUMBA_CACHE_DIR",
            reason,
        )


@cache
def _digest_of_sources(module: str) -> str:
    """Return a digest of a module and of all modules of its package that it is made with."""
    found, waiting = {module}, [module]
    while waiting:
        new = _imported(waiting.pop()) - found
        found |= new
        waiting += new
    texts = [_source(name) for name in sorted(found | {__name__})]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


@cache
def _imported(module: str) -> frozenset[str]:
    """Return the modules of its own package that a module imports while it is loaded itself."""
    names: list[str] = []
    for node in ast.parse(_source(module)).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            origin = resolve_name(relative, sys.modules[module].__package__)
            names += [origin, *(f"{origin}.{alias.name}" for alias in node.names)]
    package = module.partition(".")[0]
    return frozenset(n for n in names if n.partition(".")[0] == package and n in sys.modules)


@cache
def _source(module: str) -> str:
    try:
        return inspect.getsource(sys.modules[module])
    except (OSError, TypeError):  # an empty file, or a notebook
        return ""
