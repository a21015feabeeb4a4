"""The learned Monte Carlo: a large volume with its counts and its referee."""

from __future__ import annotations

import time

import numpy as np

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.simulators.surrogate.plugin import Surrogate
from fibcore import Context, Images, Labels

from .machine import cores
from .part import Part
from .parts import SURROGATE
from .result import Result
from .stacks import VOXEL_NM

SAME_YIELDS = 0.002
"""Root mean square difference of expected yields on GPU and CPU: numbers of 16 bits allow for it,
and it is small beside the error of the surrogate."""
SECONDS = "s"


def measure(part: Part) -> None:
    """Image a leveled wave with the package's surrogate, and a few slices of it on the CPU."""
    labels = LeveledWave(
        shape=part.size(512, (4, 32, 32)),
        voxel_size_nm=VOXEL_NM,
        ligament_diameter_nm=30.0,
        solid_fraction=0.3,
        waves=part.size(1000, 20),
    ).generate(seed=1)
    few = part.size(16, 2)
    made, _ = _imaged(labels, part.device, few, None)
    expected, on_cpu = _imaged(labels, "cpu", few, None)
    _, on_gpu = _imaged(labels, part.device, labels.shape[0], 100)
    deviation = float(np.sqrt(np.mean((made.data - expected.data) ** 2)))
    part.result(
        Result(
            SURROGATE, SECONDS, on_gpu, on_cpu * labels.shape[0] / few,
            f"{cores()} cores, extrapolated from {few} slices without referee",
            f"yields differ by {deviation:.5f} (root mean square)", deviation < SAME_YIELDS,
        )
    )  # fmt: skip


def _imaged(
    labels: Labels, device: str, slices: int, electrons: int | None
) -> tuple[Images, float]:
    """Return images of the first slices, and the time in seconds.

    With electrons, the referee checks half a per cent of the pixels; without, there is none.
    """
    surrogate = Surrogate(
        energies_kev=(2.0,),
        slices=(0, slices),
        electrons_per_pixel=electrons,
        referee_share=0.005 if electrons else 0.0,
        on_failure="warn",
    )
    start = time.perf_counter()
    images = surrogate.simulate(labels, Context(0, device=device, threads=cores()))
    return images, time.perf_counter() - start
