"""Loops over voxels, compiled by Numba, whose machine code is cached between runs.

Numba's own cache checks only the file of a function, not those of the functions and constants that
are compiled into it, so that it may use old code after an update. It fails if no folder can be
written, the disk is full, or a cached file is damaged. Importing this module loads Numba.
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

    It works like Numba's ``njit(nogil=True, cache=True)``, except that cached code is used only if
    none of its sources has changed, and that a function works even if it cannot be cached.

    Args:
        function: a function that Numba can compile; without it a decorator is returned.
        options: further options of ``njit``.
    """
    if function is None:
        return partial(compiled, **options)
    return kept(njit(nogil=True, **options)(function))


def kept(function: Any) -> Any:
    """Cache the machine code of a function in the same way, and return the function.

    Args:
        function: a function compiled by Numba for a CPU or a GPU, without ``cache=True``. If Numba
            does not compile it (``NUMBA_DISABLE_JIT``, its simulator of GPUs), nothing is cached.
    """
    if hasattr(function, "enable_caching"):
        try:
            function.enable_caching()
            numba_cache: Any = type(function._cache)
            function._cache = _mended(numba_cache)(function.py_func)
        except RuntimeError:  # not even a temporary folder can be written
            _warn_once("no folder for them can be written")
    return function


@cache
def _mended(numba_cache: Any) -> type:
    """Return a subclass of one of Numba's cache classes without its defects."""
    impl = numba_cache._impl_class
    locators = [type(each.__name__, (_AllSources, each), {}) for each in impl._locator_classes]
    impl = type(impl.__name__, (impl,), {"_locator_classes": locators})
    return type(numba_cache.__name__, (_Forgiving, numba_cache), {"_impl_class": impl})


class _AllSources:
    """Mixin of a locator, which finds the folder of cached code and stamps its sources."""

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
    """Mixin of a cache: code that cannot be read or written is compiled again."""

    def load_overload(self: Any, *args: Any) -> Any:
        try:
            return super().load_overload(*args)  # type: ignore[misc]
        except Exception:  # a damaged file may raise any error
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
            "compiled functions cannot be cached (%s): they work, but each run compiles them "
            "again, which takes up to a minute. Free some space, or set another folder with the "
            "environment variable NUMBA_CACHE_DIR",
            reason,
        )


@cache
def _digest_of_sources(module: str) -> str:
    """Return a digest of a module and of all modules of its package that it imports."""
    found, waiting = {module}, [module]
    while waiting:
        new = _imported(waiting.pop()) - found
        found |= new
        waiting += new
    texts = [_source(name) for name in sorted(found | {__name__})]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


@cache
def _imported(module: str) -> frozenset[str]:
    """Return the modules of its own package that a module imports when it is loaded."""
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
