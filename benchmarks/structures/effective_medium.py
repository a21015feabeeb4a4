"""Pores as an effective medium: ``python -m benchmarks.structures.effective_medium``.

Mean backscatter yield of a flat face of carbon with 40 % of open pores, by Monte Carlo on voxels
that resolve the pores (a leveled wave, 10 voxels to the wavelength), over that of the homogeneous
mixture of the same density. Pores are about half a wavelength wide. Standard errors are in
brackets.
"""

from __future__ import annotations

import argparse

import numpy as np
from pydantic import BaseModel

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.simulators.monte_carlo import MonteCarlo
from fibcore import Context, Labels, Material
from fibcore.materials import VACUUM
from fibcore.params import MaterialParam

POROSITY, EDGE = 0.4, 50
PIXELS_PER_WAVELENGTH = 10


class _Given(BaseModel):
    material: MaterialParam


def mixture(part: str) -> Material:
    """Return the material with pores."""
    return _Given.model_validate(
        {"material": {"name": "porous", "mixture": {part: 1}, "porosity": POROSITY}}
    ).material


def yields(labels: Labels, kev: float, electrons: int, seed: int) -> tuple[float, float]:
    """Return the mean yield of the face and its standard error."""
    simulator = MonteCarlo(
        energies_kev=[kev], electrons_per_pixel=electrons, slices=(0, 1), below="mirror"
    )
    image = simulator.simulate(labels, context=Context(seed)).data[0, 0]
    mean = float(image.mean())
    return mean, float(np.sqrt(mean * (1 - mean) / (image.size * electrons)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--electrons", type=int, default=40)
    parser.add_argument("--part", default="carbon black")
    args = parser.parse_args()
    part = _Given.model_validate({"material": args.part}).material
    wavelengths = (5, 10, 20, 50, 100, 200, 500)
    print(f"{args.part}, porosity {POROSITY}: yield over that of the mixture")
    print(f"{'kV':>4}{'mixture':>10}" + "".join(f"{w:>14} nm" for w in wavelengths))
    for kev in (1.0, 2.0, 5.0):
        bulk = np.ones((EDGE,) * 3, np.uint8)
        whole = Labels(bulk, (10.0, 10.0, 10.0), {0: VACUUM, 1: mixture(args.part)})
        expected, own = yields(whole, kev, 2 * args.electrons, 1)
        line = f"{kev:>4g}{expected:>10.4f}"
        for wavelength in wavelengths:
            porous = LeveledWave(
                shape=EDGE,
                voxel_size_nm=wavelength / PIXELS_PER_WAVELENGTH,
                solid_fraction=1 - POROSITY,
                wavelength_nm=wavelength,
                periodic=True,
                waves=1000,
                materials=(VACUUM, part),
            ).generate(seed=1)
            mean, error = yields(porous, kev, args.electrons, 2)
            ratio = mean / expected
            error = ratio * np.hypot(error / mean, own / expected)
            line += f"{ratio:>9.3f} ({error:.3f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
