"""What Numba reads from outside when it is loaded: variables, and a file in the working folder.

They decide how loops are compiled (without vectors, for another processor), and with that the last
bits of results; some make functions fail. A ``.numba_config.yaml`` may have come with a pipeline.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

KEPT = ("NUMBA_CACHE_DIR", "NUMBA_CUDA", "NUMBA_DISABLE_CUDA", "NUMBA_ENABLE_CUDASIM")
"""Starts of the names of variables that change no result: where code is kept, what GPUs do."""
SIMULATOR, WITH_SIMULATOR = "NUMBA_ENABLE_CUDASIM", "NUMBA_DISABLE_JIT"
"""Numba's simulator of GPUs, and what it needs besides."""

CONFIGURATIONS = ("numba.core.config", "numba.cuda.core.config")
"""Modules that read the file."""


def settle_numba() -> None:
    """Have Numba compile as it does by default, whatever variables and files say."""
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
    """Finds the modules that read the file, and has them loaded so that they do not."""

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
        """Load the module with the reader of YAML out of reach: then it leaves the file alone."""
        yaml = sys.modules.get("yaml")
        sys.modules["yaml"] = None  # type: ignore[assignment]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it complains that it cannot read it
                super().exec_module(module)
        finally:
            del sys.modules["yaml"]
            if yaml is not None:
                sys.modules["yaml"] = yaml
        _without_file(module)


def _without_file(module: ModuleType) -> None:
    """Name a file that is never there: it is looked for again whenever something is compiled."""
    module._config_fname = os.devnull  # type: ignore[attr-defined]
