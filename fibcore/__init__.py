"""fibcore: the core of fib. It knows contracts, never a concrete plugin.

Public names are loaded at first use, so that ``import fibcore`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fibcore.environment import settle
from fibcore.version import __version__

settle()

if TYPE_CHECKING:
    from fibcore.context import Context
    from fibcore.errors import FibError
    from fibcore.formats import (
        read_model,
        read_table,
        read_volume,
        write_model,
        write_table,
        write_volume,
    )
    from fibcore.hooks import hookimpl
    from fibcore.kinds import (
        Adapter,
        Generator,
        LabelMetric,
        Metric,
        Physics,
        Segmenter,
        Simulator,
    )
    from fibcore.materials import Material
    from fibcore.models import Model
    from fibcore.params import MaterialParam
    from fibcore.pipeline.check import check_pipeline, read_pipeline
    from fibcore.pipeline.runner import run_pipeline
    from fibcore.plugin import Forecast, Plugin, Trainable, keeps
    from fibcore.reader import Opened, Reader
    from fibcore.tables import Table
    from fibcore.volumes import Images, Labels, Volume, VolumeSpec

_HOMES = {
    "Context": "context",
    "FibError": "errors",
    "read_model": "formats",
    "read_table": "formats",
    "read_volume": "formats",
    "write_model": "formats",
    "write_table": "formats",
    "write_volume": "formats",
    "hookimpl": "hooks",
    "Adapter": "kinds",
    "Generator": "kinds",
    "LabelMetric": "kinds",
    "Metric": "kinds",
    "Physics": "kinds",
    "Segmenter": "kinds",
    "Simulator": "kinds",
    "Material": "materials",
    "MaterialParam": "params",
    "check_pipeline": "pipeline.check",
    "read_pipeline": "pipeline.check",
    "run_pipeline": "pipeline.runner",
    "Model": "models",
    "Forecast": "plugin",
    "Plugin": "plugin",
    "Trainable": "plugin",
    "Opened": "reader",
    "Reader": "reader",
    "keeps": "plugin",
    "Table": "tables",
    "Images": "volumes",
    "Labels": "volumes",
    "Volume": "volumes",
    "VolumeSpec": "volumes",
}

__all__ = sorted(_HOMES)


if not TYPE_CHECKING:  # which would take every name for one of the package

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(import_module(f"fibcore.{_HOMES[name]}"), name)
        raise AttributeError(f"module 'fibcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
