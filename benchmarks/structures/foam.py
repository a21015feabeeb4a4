"""Cells against known constants, and time: ``python -m benchmarks.structures.foam``.

First, of random cells and of relaxed and packed ones: surface and length of edges per volume over
n^(1/3) and n^(2/3), with n cells per volume, faces of a cell, coefficient of variation of volumes.
Poisson-Voronoi cells have 2.910, 5.832, 15.54 and 0.424 (Okabe, Boots, Sugihara, Chiu, Spatial
Tessellations, 2nd ed. 2000, section 5.5); truncated octahedra 2.657 and 5.345, with 14 faces.

Then the CPU seconds of structures of 128 x 128 x 128 voxels with cells of 24 voxels.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from fib_plugins.cells.power_diagram import PowerDiagram
from fib_plugins.generators.foam.plugin import Foam
from fibcore import Context

CASES: dict[str, dict[str, Any]] = {
    "random": {"arrangement": "random"},
    "relaxed, 3 steps": {"relaxation": 3},
    "relaxed, 10 steps": {"relaxation": 10},
    "relaxed, 50 steps": {"relaxation": 50},
    "packed": {"arrangement": "packed"},
    "packed, spread 0.3": {"arrangement": "packed", "cell_diameter_std_nm": 0.3 * 24},
}
"""Arrangements of cells of 24 nm."""


def statistics(diagram: PowerDiagram) -> tuple[float, float, float, float]:
    volume = float(diagram.period.prod())
    density = len(diagram.seeds) / volume
    return (
        diagram.surface / volume / density ** (1 / 3),
        diagram.edge_length / volume / density ** (2 / 3),
        diagram.mean_faces,
        float(diagram.volumes.std() / diagram.volumes.mean()),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", type=int, default=240)
    args = parser.parse_args()
    shared: dict[str, Any] = {"voxel_size_nm": 1.0, "cell_diameter_nm": 24.0}
    print(f"{'cells':<22}{'number':>8}{'S n^-1/3':>10}{'L n^-2/3':>10}{'faces':>8}{'CV':>8}")
    for name, params in CASES.items():
        foam = Foam(shape=args.edge, thickness_nm=3.0, periodic=True, **shared, **params)
        diagram = foam._diagram(Context(1))
        surface, edges, faces, spread = statistics(diagram)
        print(
            f"{name:<22}{len(diagram.seeds):>8}{surface:>10.3f}{edges:>10.3f}{faces:>8.2f}"
            f"{spread:>8.3f}",
            flush=True,
        )
    print(f"{'structure':<22}{'CPU s':>8}{'solid':>10}")
    for cells in ("open", "closed", "grains"):
        for size in ({"thickness_nm": 4.0}, {"solid_fraction": 0.3}):
            foam = Foam(shape=128, cells=cells, **shared, **size)
            Foam(shape=32, cells=cells, **shared, **size).generate(Context(0))  # compiles
            start = time.process_time()
            labels = foam.generate(Context(1))
            seconds = time.process_time() - start
            what = f"{cells}, {next(iter(size)).partition('_')[0]} {next(iter(size.values())):g}"
            print(f"{what:<22}{seconds:>8.1f}{np.mean(labels.data):>10.3f}", flush=True)


if __name__ == "__main__":
    main()
