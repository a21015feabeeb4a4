"""What the reprojection of the truth leaves unexplained, imaged again by several simulators.

    python -m benchmarks.reprojection [--size 160]

A leveled wave is imaged by Monte Carlo at 2 kV; the stack is taken as it is, and recorded by a
twin. The truth is then imaged again. What remains is the error of the simulator, its own counting
noise, and what the link of the metric cannot describe.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from fib_plugins import (
    LeveledWave,
    MonteCarlo,
    Reprojection,
    Surrogate,
    Twin,
    WeightedProjection,
)
from fibcore import Context, Images, Labels

ENERGY, ELECTRONS = 2.0, 60
DEEPER = 48
"""Slices below those that are compared."""


def again(slices: int) -> dict[str, Callable[[Labels], Images]]:
    """Return the simulators that image the truth again, by name."""
    wanted = (0, slices)
    projection = WeightedProjection(energies_kev=(ENERGY,), slices=24, mode="first_hit")
    return {
        "surrogate, expected yield": lambda labels: Surrogate(
            energies_kev=(ENERGY,), slices=wanted
        ).simulate(labels, Context(4)),
        f"Monte Carlo, {ELECTRONS} other electrons": lambda labels: MonteCarlo(
            energies_kev=(ENERGY,), electrons_per_pixel=ELECTRONS, slices=wanted
        ).simulate(labels, Context(9)),
        "weighted projection, first hit": lambda labels: _first(
            projection.simulate(labels), slices
        ),
    }


def _first(images: Images, slices: int) -> Images:
    return images.with_data(images.data[:, :slices])


def main() -> None:
    """Print a table of unexplained percent."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=160, help="edge of the slices, pixels")
    parser.add_argument("--slices", type=int, default=24)
    chosen = parser.parse_args()
    labels = LeveledWave(
        shape=(chosen.slices + DEEPER, chosen.size, chosen.size),
        voxel_size_nm=3.26,
        solid_fraction=0.3,
        ligament_diameter_nm=30,
    ).generate(seed=5)
    ideal = MonteCarlo(
        energies_kev=(ENERGY,), electrons_per_pixel=ELECTRONS, slices=(0, chosen.slices)
    ).simulate(labels, Context(3))
    stacks = {
        "no instrument": ideal,
        "typical twin": Twin(preset="typical").transform(ideal, context=Context(5)),
    }
    print(f"| imaged again by | seconds | {' | '.join(f'{name}, %' for name in stacks)} |")
    print("|---" * (2 + len(stacks)) + "|")
    for name, simulate in again(chosen.slices).items():
        start = time.perf_counter()
        images = simulate(labels)
        seconds = time.perf_counter() - start
        found = [
            Reprojection().measure(stack, images)["unexplained_percent"][0]
            for stack in stacks.values()
        ]
        print(f"| {name} | {seconds:.1f} | {' | '.join(f'{value:.1f}' for value in found)} |")


if __name__ == "__main__":
    main()
