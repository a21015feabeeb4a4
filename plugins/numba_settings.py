"""Settings that Numba reads when it is loaded: variables, and a file in the working folder.

They change how loops are compiled (without vectors, for another processor) and therefore the last
bits of results; some make functions fail. A pipeline may come with a ``.numba_config.yaml``.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

KEPT = ("NUMBA_CACHE_DIR", "NUMBA_CUDA", "NUMBA_DISABLE_CUDA", "NUMBA_ENABLE_CUDASIM")
"""Prefixes of variables that change no result: the folder of compiled code, settings of GPUs."""
SIMULATOR, WITH_SIMULATOR = "NUMBA_ENABLE_CUDASIM", "NUMBA_DISABLE_JIT"
"""Numba's simulator of GPUs, and the variables that it needs."""

CONFIGURATIONS = ("numba.core.config", "numba.cuda.core.config")
"""Modules that read the file."""


def configure_numba() -> None:
    """Let Numba compile with its default settings, ignoring variables and files."""
    kept = KEPT + ((WITH_SIMULATOR,) if SIMULATOR in os.environ else ())
    for name in [name for name in os.environ if name.startswith("NUMBA_")]:
        if not name.startswith(kept):
            del os.environ[name]
    for name in CONFIGURATIONS:
        if name in sys.modules:
            _without_file(sys.modules[name])
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds the modules that read the file, and loads them so that they do not read it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in CONFIGURATIONS:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        """Load the module while YAML cannot be imported; it then does not read the file."""
        yaml = sys.modules.get("yaml")
        sys.modules["yaml"] = None  # type: ignore[assignment]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it warns that YAML is missing
                super().exec_module(module)
        finally:
            del sys.modules["yaml"]
            if yaml is not None:
                sys.modules["yaml"] = yaml
        _without_file(module)


def _without_file(module: ModuleType) -> None:
    """Set the name of a file that never exists: Numba looks for it at each compilation."""
    module._config_fname = os.devnull  # type: ignore[attr-defined]
