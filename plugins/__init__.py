"""The built-in plugins of fib, registered through the same entry-point group as any other."""

from __future__ import annotations

from collections.abc import Callable

from fib_plugins.materials import MATERIALS
from fibcore import (
    Adapter,
    Generator,
    Material,
    Metric,
    Physics,
    Segmenter,
    Simulator,
    hookimpl,
)


@hookimpl
def fib_register_materials(register: Callable[[Material], None]) -> None:
    """Register the materials of the field."""
    for material in MATERIALS:
        register(material)


@hookimpl
def fib_register_generators(register: Callable[[type[Generator]], None]) -> None:
    """Register the structure generators."""
    from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave
    from fib_plugins.generators.layered import Layered
    from fib_plugins.generators.leveled_wave import LeveledWave
    from fib_plugins.generators.particles import Particles

    for generator in (LeveledWave, HierarchicalLeveledWave, Particles, Layered):
        register(generator)


@hookimpl
def fib_register_physics(register: Callable[[type[Physics]], None]) -> None:
    """Register the backscatter coefficient models."""
    from fib_plugins.physics.ann import ANN
    from fib_plugins.physics.hunger_kuchler import HungerKuchler
    from fib_plugins.physics.monte_carlo import MonteCarloLookup
    from fib_plugins.physics.monte_carlo_table import MonteCarloTable

    for physics in (HungerKuchler, MonteCarloTable, MonteCarloLookup, ANN):
        register(physics)


@hookimpl
def fib_register_simulators(register: Callable[[type[Simulator]], None]) -> None:
    """Register the simulators."""
    from fib_plugins.simulators.monte_carlo import MonteCarlo
    from fib_plugins.simulators.weighted_projection import WeightedProjection

    for simulator in (WeightedProjection, MonteCarlo):
        register(simulator)


@hookimpl
def fib_register_adapters(register: Callable[[type[Adapter]], None]) -> None:
    """Register the image adapters."""
    from fib_plugins.adapters.acquisition import Acquisition
    from fib_plugins.adapters.cut import CUT
    from fib_plugins.adapters.cyclegan import CycleGAN
    from fib_plugins.adapters.histogram_match import HistogramMatch
    from fib_plugins.adapters.identity import Identity
    from fib_plugins.adapters.twin import Twin

    for adapter in (Identity, HistogramMatch, Acquisition, Twin, CycleGAN, CUT):
        register(adapter)


@hookimpl
def fib_register_segmenters(register: Callable[[type[Segmenter]], None]) -> None:
    """Register the segmenters."""
    from fib_plugins.segmenters.kmeans import KMeans
    from fib_plugins.segmenters.random_forest.plugin import RandomForest
    from fib_plugins.segmenters.threshold import Threshold
    from fib_plugins.segmenters.unet.plugin import UNet

    for segmenter in (Threshold, KMeans, RandomForest, UNet):
        register(segmenter)


@hookimpl
def fib_register_metrics(register: Callable[[type[Metric]], None]) -> None:
    """Register the metrics."""
    from fib_plugins.metrics.anisotropy import Anisotropy
    from fib_plugins.metrics.disagreement import Disagreement
    from fib_plugins.metrics.domain_gap import DomainGap
    from fib_plugins.metrics.label_consistency import LabelConsistency
    from fib_plugins.metrics.morphology import Morphology
    from fib_plugins.metrics.overlap import Overlap
    from fib_plugins.metrics.reprojection import Reprojection

    for metric in (
        Overlap,
        Anisotropy,
        Morphology,
        DomainGap,
        LabelConsistency,
        Disagreement,
        Reprojection,
    ):
        register(metric)
