"""fibcore: the core of fib. It defines contracts and knows no concrete plugin.

Public names are loaded at first use, so that ``import fibcore`` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fibcore.environment import configure
from fibcore.version import __version__ as __version__

configure()

if TYPE_CHECKING:
    from fibcore.context import Context as Context
    from fibcore.errors import FibError as FibError
    from fibcore.formats import read_model as read_model
    from fibcore.formats import read_table as read_table
    from fibcore.formats import read_volume as read_volume
    from fibcore.formats import write_model as write_model
    from fibcore.formats import write_table as write_table
    from fibcore.formats import write_volume as write_volume
    from fibcore.hooks import hookimpl as hookimpl
    from fibcore.kinds import Adapter as Adapter
    from fibcore.kinds import Corrector as Corrector
    from fibcore.kinds import Generator as Generator
    from fibcore.kinds import LabelMetric as LabelMetric
    from fibcore.kinds import Metric as Metric
    from fibcore.kinds import Physics as Physics
    from fibcore.kinds import Segmenter as Segmenter
    from fibcore.kinds import Simulator as Simulator
    from fibcore.kinds import Source as Source
    from fibcore.materials import Material as Material
    from fibcore.models import Model as Model
    from fibcore.params import MaterialParam as MaterialParam
    from fibcore.pipeline.check import check_pipeline as check_pipeline
    from fibcore.pipeline.check import read_pipeline as read_pipeline
    from fibcore.pipeline.runner import run_pipeline as run_pipeline
    from fibcore.plugin import Forecast as Forecast
    from fibcore.plugin import Plugin as Plugin
    from fibcore.plugin import Trainable as Trainable
    from fibcore.plugin import keeps as keeps
    from fibcore.reader import Opened as Opened
    from fibcore.reader import Reader as Reader
    from fibcore.tables import Table as Table
    from fibcore.volumes import Images as Images
    from fibcore.volumes import Labels as Labels
    from fibcore.volumes import Volume as Volume
    from fibcore.volumes import VolumeSpec as VolumeSpec

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
    "Corrector": "kinds",
    "Generator": "kinds",
    "LabelMetric": "kinds",
    "Metric": "kinds",
    "Physics": "kinds",
    "Segmenter": "kinds",
    "Simulator": "kinds",
    "Source": "kinds",
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


if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(import_module(f"fibcore.{_HOMES[name]}"), name)
        raise AttributeError(f"module 'fibcore' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
