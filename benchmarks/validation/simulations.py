"""Engine and oracle behind functions of the same form."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from fib_plugins.electrons import layers as engine_layers
from fib_plugins.electrons.reference import Sample, simulate
from fib_plugins.electrons.reference_transport import Electrons
from fibcore import Context, Labels
from fibcore.elements import elements
from fibcore.materials import EPOXY, Material

T = TypeVar("T")
R = TypeVar("R")

NAMED = {"epoxy": EPOXY} | {
    s: Material.of_element(elements()[s]) for s in ("Au", "Ag", "Cu", "Si", "Al", "C")
}
"""The materials of the page."""


@dataclass(frozen=True)
class Yield:
    """A backscatter coefficient and its standard error."""

    eta: float
    error: float

    @classmethod
    def of_mean(cls, eta: float, electrons: int) -> Yield:
        """Return a mean over so many electrons."""
        return cls(eta, float(np.sqrt(eta * (1.0 - eta) / electrons)))


@dataclass(frozen=True)
class Bench:
    """Size of the simulations, and the folder of pictures.

    Attributes:
        pictures: folder.
        quick: whether only a tenth of the electrons are followed.
    """

    pictures: Path
    quick: bool = False

    def electrons(self, number: float) -> int:
        """Return how many electrons are followed if `number` are requested."""
        return max(1000, int(number / 10)) if self.quick else int(number)

    def each(self, function: Callable[[T], R], items: Iterable[T]) -> list[R]:
        """Return the results of a function for each item, computed on all cores."""
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return list(pool.map(function, items))

    def histograms(
        self, layers: str, energy_kev: float, electrons: float, thickness_nm: float, **options: Any
    ) -> engine_layers.Yield:
        """Return all counts of the engine for layers; see `engine`."""
        film, bulk = split(layers)
        options.setdefault("seed", seed_of(layers, energy_kev, thickness_nm, "engine", options))
        number = self.electrons(electrons)
        return engine_layers.layered_yield(film, bulk, thickness_nm, energy_kev, number, **options)

    def engine(
        self,
        layers: str,
        energy_kev: float,
        electrons: float,
        *,
        thickness_nm: float = 0.0,
        **options: Any,
    ) -> Yield:
        """Return the engine's yield of a bulk (``"Au"``) or a film over it (``"epoxy/Au"``)."""
        found = self.histograms(layers, energy_kev, electrons, thickness_nm, **options)
        return Yield(found.eta, found.standard_error)

    def oracle(
        self,
        layers: str,
        energy_kev: float,
        electrons: float,
        *,
        thickness_nm: float = 0.0,
        **options: Any,
    ) -> Electrons:
        """Return the oracle's result for the same sample."""
        film, bulk = split(layers)
        below = (bulk, float("inf"))
        sample = (
            Sample.layers((film, thickness_nm), below) if thickness_nm else Sample.layers(below)
        )
        options.setdefault("step", "fine")
        options.setdefault("seed", seed_of(layers, energy_kev, thickness_nm, "oracle"))
        return simulate(sample, energy_kev, self.electrons(electrons), **options)

    def images(
        self,
        labels: Labels,
        energies_kev: Sequence[float],
        electrons_per_pixel: int,
        *,
        seed: int = 0,
        threads: int | None = None,
        **options: Any,
    ) -> np.ndarray:
        """Return images (channel, z, y, x) of a volume, float32 yields."""
        from fib_plugins.simulators.monte_carlo import MonteCarlo

        simulator = MonteCarlo(
            energies_kev=tuple(energies_kev), electrons_per_pixel=electrons_per_pixel, **options
        )
        return np.asarray(simulator.simulate(labels, context=Context(seed, threads=threads)).data)

    def mean_yields(
        self,
        labels: Labels,
        energies_kev: Sequence[float],
        electrons: float,
        *,
        seed: int = 0,
        **options: Any,
    ) -> list[Yield]:
        """Return the mean yield of the first slice at each energy."""
        pixels = labels.shape[1] * labels.shape[2]
        per_pixel = max(1, self.electrons(electrons) // pixels)
        image = self.images(labels, energies_kev, per_pixel, seed=seed, slices=(0, 1), **options)
        return [Yield.of_mean(float(i.mean(dtype=np.float64)), per_pixel * pixels) for i in image]


def split(layers: str) -> tuple[Material, Material]:
    """Return film and bulk of ``"epoxy/Au"``; of ``"Au"`` alone gold and gold."""
    film, _, bulk = layers.rpartition("/")
    return NAMED[film or bulk], NAMED[bulk]


def seed_of(*what: object) -> int:
    """Return a seed that depends on what is simulated, so that no two runs share electrons."""
    return zlib.crc32(repr(what).encode())
