"""Measure how the mean ligament diameter of a leveled wave depends on its solid fraction.

Prints, per solid fraction, the diameter measured by `metric/anisotropy` (largest inscribed discs in
plane sections, averaged over the solid) in wavelengths, its ratio to the mean chord 4 phi / S_V,
the ratio of the relation in `fib_plugins.generators.ligament_diameter` to the measured values, and
the coefficients of new fits.

    python -m benchmarks.ligament_diameter [--seeds 3] [--sections 64] [--edge 1024]
"""

from __future__ import annotations

import argparse
import os

import numpy as np

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.ligament_diameter import mean_ligament_diameter, specific_surface
from fib_plugins.metrics.plane_diameters import mean_diameter_in_planes
from fibcore.materials import EPOXY, GOLD

WAVELENGTH = 40.0
"""In pixels of the sections: ligaments are 20 to 50 pixels wide."""


def measured(fraction: float, sections: int, edge: int, seed: int) -> float:
    """Return the mean ligament diameter in wavelengths, of sections far apart from each other."""
    structure = LeveledWave(
        shape=(sections, edge, edge),
        voxel_size_nm=(3 * WAVELENGTH, 1.0, 1.0),
        wavelength_nm=WAVELENGTH,
        solid_fraction=fraction,
        materials=(EPOXY, GOLD),
    ).generate(seed=seed)
    diameter = mean_diameter_in_planes(
        structure.data, "xy", structure.voxel_size_nm, threads=os.cpu_count() or 1
    )
    return diameter / WAVELENGTH


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sections", type=int, default=64)
    parser.add_argument("--edge", type=int, default=1024)
    args = parser.parse_args()

    q = 2 * np.pi
    fractions = np.arange(0.15, 0.81, 0.05)
    ratios = []
    print("phi   D/wavelength  +-       D/chord  relation/measured")
    for fraction in fractions:
        each = [
            measured(float(fraction), args.sections, args.edge, seed) for seed in range(args.seeds)
        ]
        diameter, scatter = np.mean(each), np.std(each) / np.sqrt(len(each))
        ratios.append(diameter * specific_surface(fraction, q) / (4 * fraction))
        relation = mean_ligament_diameter(fraction, q) / diameter
        print(
            f"{fraction:.2f}  {diameter:.4f}        {scatter:.4f}   {ratios[-1]:.4f}   "
            f"{relation:.4f}",
            flush=True,
        )
    for degree in (1, 2, 3):
        fit = np.polynomial.Polynomial.fit(fractions, ratios, degree).convert()
        worst = np.abs(fit(fractions) / ratios - 1).max()
        print(f"degree {degree}: {np.round(fit.coef, 4).tolist()}, largest deviation {worst:.2%}")


if __name__ == "__main__":
    main()
