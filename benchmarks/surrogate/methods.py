"""The ways to compute expected yields that are compared."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fib_plugins import Surrogate
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fibcore import Context, Labels

from .errors import ENERGIES_KEV, Sample

Method = Callable[[Sample], np.ndarray]
"""From a sample to the yields of its pixels, (channel, pixel)."""

CLOSE_TO_EXPECTED = 10**6
"""Electrons per pixel whose counting noise is negligible: mode sum gives yields only as counts."""
PAPER_SLICES, ALL_SLICES = 12, 48

QUIET = logging.Logger("benchmark", logging.ERROR)


def projection_sum(sample: Sample) -> np.ndarray:
    """Weighted projection as in the paper."""
    simulator = WeightedProjection(
        energies_kev=ENERGIES_KEV,
        slices=PAPER_SLICES,
        mode="sum",
        electrons_per_pixel=CLOSE_TO_EXPECTED,
    )
    return sample.at(np.asarray(simulator.simulate(sample.labels, context=_context()).data))


def projection_first_hit(sample: Sample) -> np.ndarray:
    """Weighted projection that takes the first solid voxel."""
    simulator = WeightedProjection(energies_kev=ENERGIES_KEV, slices=ALL_SLICES, mode="first_hit")
    return sample.at(np.asarray(simulator.simulate(sample.labels, context=_context()).data))


def monte_carlo(sample: Sample) -> np.ndarray:
    """Monte Carlo with 100 electrons per pixel, other ones than those of the sample."""
    again = Sample.of(sample.labels, len(sample.pixels), 100, seed=1)
    assert np.array_equal(again.pixels, sample.pixels)
    return again.counted


def surrogate(trained: Surrogate | None = None) -> Method:
    """Return the method of a trained surrogate, by default of those of the package."""

    def yields(sample: Sample) -> np.ndarray:
        return sample.at(expected(sample.labels, trained))

    return yields


def expected(labels: Labels, trained: Surrogate | None = None) -> np.ndarray:
    """Return the expected yields of a structure by a surrogate, (channel, z, y, x)."""
    unchecked = {"energies_kev": ENERGIES_KEV, "referee_share": 0.0}
    if trained is None:
        simulator = Surrogate(**unchecked)
    else:
        simulator = Surrogate.from_model(trained.model, **unchecked)
    return np.asarray(simulator.simulate(labels, context=_context()).data)


def train(scratch: Path, **parameters: object) -> tuple[Surrogate, dict[str, float]]:
    """Return a surrogate trained from nothing, and the seconds of each part of the work."""
    seconds: dict[str, float] = {"structures simulated": 0.0, "training": 0.0, "CPU": 0.0}
    last = time.perf_counter()

    def report(what: str, _done: float, _total: float | None) -> None:
        nonlocal last
        part = what.split(",")[0]
        now = time.perf_counter()
        seconds[part] = seconds.get(part, 0.0) + now - last
        last = now

    start, cpu = last, time.process_time()
    context = Context(seed=7, scratch=scratch, report=report, log=QUIET)
    fitted = Surrogate(energies_kev=ENERGIES_KEV, **parameters).fit(context=context)
    seconds["CPU"] = time.process_time() - cpu
    return fitted, seconds | {"all": time.perf_counter() - start}


def _context() -> Context:
    return Context(seed=1, log=QUIET)
