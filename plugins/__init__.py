"""The built-in plugins of fib, registered in the same entry-point group as all others.

``from fib_plugins import UNet`` returns the class of a plugin. It is imported at first use, so that
``import fib_plugins`` is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fib_plugins.numba_settings import configure_numba
from fibcore import hookimpl

configure_numba()

if TYPE_CHECKING:
    import typer

    from fib_plugins.adapters.acquisition import Acquisition as Acquisition
    from fib_plugins.adapters.cut import CUT as CUT
    from fib_plugins.adapters.cyclegan import CycleGAN as CycleGAN
    from fib_plugins.adapters.grains.plugin import Grains as Grains
    from fib_plugins.adapters.histogram_match import HistogramMatch as HistogramMatch
    from fib_plugins.adapters.identity import Identity as Identity
    from fib_plugins.adapters.twin import Twin as Twin
    from fib_plugins.correctors.align.plugin import Align as Align
    from fib_plugins.correctors.crop.plugin import Crop as Crop
    from fib_plugins.correctors.destripe.plugin import Destripe as Destripe
    from fib_plugins.correctors.level.plugin import Level as Level
    from fib_plugins.correctors.resample.plugin import Resample as Resample
    from fib_plugins.correctors.thickness.plugin import Thickness as Thickness
    from fib_plugins.correctors.tilt.plugin import Tilt as Tilt
    from fib_plugins.generators.electrode.plugin import Electrode as Electrode
    from fib_plugins.generators.foam.plugin import Foam as Foam
    from fib_plugins.generators.hierarchical_leveled_wave import (
        HierarchicalLeveledWave as HierarchicalLeveledWave,
    )
    from fib_plugins.generators.layered import Layered as Layered
    from fib_plugins.generators.leveled_wave import LeveledWave as LeveledWave
    from fib_plugins.generators.particles import Particles as Particles
    from fib_plugins.generators.resembling.plugin import Resembling as Resembling
    from fib_plugins.generators.spinodal import Spinodal as Spinodal
    from fib_plugins.metrics.adequacy.plugin import Adequacy as Adequacy
    from fib_plugins.metrics.anisotropy import Anisotropy as Anisotropy
    from fib_plugins.metrics.correction_harm import CorrectionHarm as CorrectionHarm
    from fib_plugins.metrics.disagreement import Disagreement as Disagreement
    from fib_plugins.metrics.domain_gap import DomainGap as DomainGap
    from fib_plugins.metrics.error_bars.plugin import ErrorBars as ErrorBars
    from fib_plugins.metrics.label_consistency import LabelConsistency as LabelConsistency
    from fib_plugins.metrics.morphology import Morphology as Morphology
    from fib_plugins.metrics.overlap import Overlap as Overlap
    from fib_plugins.metrics.reprojection import Reprojection as Reprojection
    from fib_plugins.physics.ann import ANN as ANN
    from fib_plugins.physics.hunger_kuchler import HungerKuchler as HungerKuchler
    from fib_plugins.physics.monte_carlo import MonteCarloLookup as MonteCarloLookup
    from fib_plugins.physics.monte_carlo_table import MonteCarloTable as MonteCarloTable
    from fib_plugins.readers.arrays.reader import NumPy as NumPy
    from fib_plugins.readers.mapped.reader import Mapped as Mapped
    from fib_plugins.readers.model import SavedModel as SavedModel
    from fib_plugins.readers.pictures.reader import Png as Png
    from fib_plugins.readers.tables.reader import Csv as Csv
    from fib_plugins.readers.tiff.reader import Tiff as Tiff
    from fib_plugins.readers.zarr.reader import Zarr as Zarr
    from fib_plugins.segmenters.by_hand import ByHand as ByHand
    from fib_plugins.segmenters.calibrated.plugin import Calibrated as Calibrated
    from fib_plugins.segmenters.kmeans import KMeans as KMeans
    from fib_plugins.segmenters.local_threshold_backpropagation import (
        LocalThresholdBackpropagation as LocalThresholdBackpropagation,
    )
    from fib_plugins.segmenters.milled_face import MilledFace as MilledFace
    from fib_plugins.segmenters.optical_flow import OpticalFlow as OpticalFlow
    from fib_plugins.segmenters.pore_back import PoreBack as PoreBack
    from fib_plugins.segmenters.random_forest.plugin import RandomForest as RandomForest
    from fib_plugins.segmenters.threshold import Threshold as Threshold
    from fib_plugins.segmenters.tuned.plugin import Tuned as Tuned
    from fib_plugins.segmenters.unet.plugin import UNet as UNet
    from fib_plugins.simulators.monte_carlo import MonteCarlo as MonteCarlo
    from fib_plugins.simulators.surrogate.plugin import Surrogate as Surrogate
    from fib_plugins.simulators.weighted_projection import WeightedProjection as WeightedProjection
    from fib_plugins.sources.virtual_stacks import VirtualStacks as VirtualStacks
    from fibcore import (
        Adapter,
        Corrector,
        Generator,
        Material,
        Metric,
        Physics,
        Reader,
        Segmenter,
        Simulator,
        Source,
    )
    from fibcore.events import Observer
    from fibcore.pipeline.workers import OpenWorkers

_HOMES = {
    "Acquisition": "adapters.acquisition",
    "CUT": "adapters.cut",
    "CycleGAN": "adapters.cyclegan",
    "Grains": "adapters.grains.plugin",
    "HistogramMatch": "adapters.histogram_match",
    "Identity": "adapters.identity",
    "Twin": "adapters.twin",
    "Align": "correctors.align.plugin",
    "Crop": "correctors.crop.plugin",
    "Destripe": "correctors.destripe.plugin",
    "Level": "correctors.level.plugin",
    "Resample": "correctors.resample.plugin",
    "Thickness": "correctors.thickness.plugin",
    "Tilt": "correctors.tilt.plugin",
    "Electrode": "generators.electrode.plugin",
    "Foam": "generators.foam.plugin",
    "HierarchicalLeveledWave": "generators.hierarchical_leveled_wave",
    "Layered": "generators.layered",
    "LeveledWave": "generators.leveled_wave",
    "Particles": "generators.particles",
    "Resembling": "generators.resembling.plugin",
    "Spinodal": "generators.spinodal",
    "Adequacy": "metrics.adequacy.plugin",
    "Anisotropy": "metrics.anisotropy",
    "CorrectionHarm": "metrics.correction_harm",
    "Disagreement": "metrics.disagreement",
    "DomainGap": "metrics.domain_gap",
    "ErrorBars": "metrics.error_bars.plugin",
    "LabelConsistency": "metrics.label_consistency",
    "Morphology": "metrics.morphology",
    "Overlap": "metrics.overlap",
    "Reprojection": "metrics.reprojection",
    "ANN": "physics.ann",
    "HungerKuchler": "physics.hunger_kuchler",
    "MonteCarloLookup": "physics.monte_carlo",
    "MonteCarloTable": "physics.monte_carlo_table",
    "Csv": "readers.tables.reader",
    "Mapped": "readers.mapped.reader",
    "NumPy": "readers.arrays.reader",
    "Png": "readers.pictures.reader",
    "SavedModel": "readers.model",
    "Tiff": "readers.tiff.reader",
    "Zarr": "readers.zarr.reader",
    "ByHand": "segmenters.by_hand",
    "Calibrated": "segmenters.calibrated.plugin",
    "KMeans": "segmenters.kmeans",
    "LocalThresholdBackpropagation": "segmenters.local_threshold_backpropagation",
    "MilledFace": "segmenters.milled_face",
    "OpticalFlow": "segmenters.optical_flow",
    "PoreBack": "segmenters.pore_back",
    "RandomForest": "segmenters.random_forest.plugin",
    "Threshold": "segmenters.threshold",
    "Tuned": "segmenters.tuned.plugin",
    "UNet": "segmenters.unet.plugin",
    "MonteCarlo": "simulators.monte_carlo",
    "VirtualStacks": "sources.virtual_stacks",
    "Surrogate": "simulators.surrogate.plugin",
    "WeightedProjection": "simulators.weighted_projection",
}
"""Class -> module in this package, in the folder of its kind."""

__all__ = sorted(_HOMES)


def _plugin(name: str) -> Any:
    return getattr(import_module(f"fib_plugins.{_HOMES[name]}"), name)


if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return _plugin(name)
        raise AttributeError(f"module 'fib_plugins' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _register_all(folder: str, register: Callable[[Any], None]) -> None:
    for name, home in _HOMES.items():
        if home.startswith(f"{folder}."):
            register(_plugin(name))


@hookimpl
def fib_register_materials(register: Callable[[Material], None]) -> None:
    """Register the materials of the field."""
    from fib_plugins.materials import MATERIALS

    for material in MATERIALS:
        register(material)


@hookimpl
def fib_define_material(definition: Mapping[str, Any]) -> Material | None:
    """Return the effective material of a mixture."""
    from fib_plugins.mixtures import material_of

    return material_of(definition)


@hookimpl
def fib_register_generators(register: Callable[[type[Generator]], None]) -> None:
    """Register the structure generators."""
    _register_all("generators", register)


@hookimpl
def fib_register_physics(register: Callable[[type[Physics]], None]) -> None:
    """Register the backscatter coefficient models."""
    _register_all("physics", register)


@hookimpl
def fib_register_simulators(register: Callable[[type[Simulator]], None]) -> None:
    """Register the simulators."""
    _register_all("simulators", register)


@hookimpl
def fib_register_adapters(register: Callable[[type[Adapter]], None]) -> None:
    """Register the image adapters."""
    _register_all("adapters", register)


@hookimpl
def fib_register_correctors(register: Callable[[type[Corrector]], None]) -> None:
    """Register the correctors."""
    _register_all("correctors", register)


@hookimpl
def fib_register_sources(register: Callable[[type[Source]], None]) -> None:
    """Register the sources."""
    _register_all("sources", register)


@hookimpl
def fib_register_segmenters(register: Callable[[type[Segmenter]], None]) -> None:
    """Register the segmenters."""
    _register_all("segmenters", register)


@hookimpl
def fib_register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Register the metrics."""
    _register_all("metrics", register)


@hookimpl
def fib_register_readers(register: Callable[[type[Reader]], None]) -> None:
    """Register the readers of file formats."""
    _register_all("readers", register)


@hookimpl
def fib_register_commands(app: typer.Typer) -> None:
    """Add the commands."""
    from fib_plugins.commands import app as commands
    from fib_plugins.report import commands as report

    for module in (commands, report):
        module.register(app)


@hookimpl
def fib_repr_html(item: object) -> str | None:
    """Show volumes and tables in notebooks."""
    from fib_plugins.notebook import html_of

    return html_of(item)


@hookimpl
def fib_observe_run(command: Sequence[str]) -> Iterable[Observer]:
    """Return the observers of runs from the command line: progress display and report."""
    if not command:  # runs from Python pass their own observers
        return []
    from fib_plugins.progress import displays
    from fib_plugins.report import ReportWriter

    return [*displays(), ReportWriter()]


@hookimpl
def fib_workers(where: str) -> OpenWorkers | None:
    """Return processes of this machine, and Dask clusters."""
    from fib_plugins.workers import workers_named

    return workers_named(where)


@hookimpl
def fib_describe_run(base: Path) -> Mapping[str, Any]:
    """Return facts of the machine, and the git commit of the pipeline's folder."""
    from fib_plugins.git_commit import commit_of
    from fib_plugins.machine import machine_facts

    commit = commit_of(base)
    return {**machine_facts(), "git": None if commit is None else {"commit": commit}}
