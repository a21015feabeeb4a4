"""Spinodal structures beside leveled waves: ``python -m benchmarks.structures.spinodal``.

For each structure, in a periodic box of 8 wavelengths: the wavelength of the maximum of the
structure factor and the mean ligament diameter over those asked for; the coefficient of variation
of the chords in the solid; the rms of the mean curvature and the share of the surface that is a
saddle (negative Gaussian curvature), curvatures in units of the surface per volume; the share of
the solid in its largest connected part; seconds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.spinodal import Spinodal
from fib_plugins.metrics.plane_diameters import mean_diameter_in_planes
from fibcore import Context, Labels

WAVELENGTH = 20.0
"""In voxels."""
SMOOTH = 2.0
"""Standard deviation of the Gaussian that makes a smooth field of labels, in voxels."""


def peak_wavelength(solid: np.ndarray) -> float:
    """Return the wavelength of the maximum of the structure factor, by a cubic fit of its log."""
    waves = np.abs(np.fft.rfftn(solid - solid.mean())) ** 2
    k = [np.fft.fftfreq(n) for n in solid.shape[:2]] + [np.fft.rfftfreq(solid.shape[2])]
    length = np.sqrt(k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2] ** 2).ravel() * WAVELENGTH
    shell = (length / 0.08).astype(int)
    count = np.maximum(np.bincount(shell), 1)
    power, centre = np.bincount(shell, waves.ravel()) / count, np.bincount(shell, length) / count
    near = (centre > 0.65) & (centre < 1.45) & (power > 0)
    curve = np.polynomial.Polynomial.fit(centre[near], np.log(power[near]), 3)
    fine = np.linspace(0.65, 1.45, 801)
    return WAVELENGTH / float(fine[np.argmax(curve(fine))])


def chord_variation(solid: np.ndarray) -> float:
    """Return the standard deviation over the mean of the chords in the solid, along x."""
    flat = np.pad(solid, ((0, 0), (0, 0), (1, 1))).astype(np.int8).reshape(-1)
    edges = np.flatnonzero(np.diff(flat))
    lengths = edges[1::2] - edges[0::2]
    return float(lengths.std() / lengths.mean())


def curvatures(solid: np.ndarray) -> tuple[float, float]:
    """Return rms mean curvature and the share of saddles, in units of surface per volume.

    Of the level of smoothed labels (Goldman, Comput. Aided Geom. Des. 22 (2005) 632, for implicit
    surfaces), sampled where the level lies within half a voxel.
    """
    from scipy import ndimage

    field = ndimage.gaussian_filter(solid.astype(np.float32), SMOOTH, mode="wrap") - 0.5

    def slope(values: np.ndarray, axis: int) -> np.ndarray:
        return (np.roll(values, -1, axis) - np.roll(values, 1, axis)) / 2

    g = [slope(field, axis) for axis in range(3)]
    norm = np.sqrt(sum(each**2 for each in g))
    near = np.abs(field) < norm / 2
    hessian = np.empty((np.count_nonzero(near), 3, 3))
    for i in range(3):
        for j in range(i, 3):
            hessian[:, i, j] = hessian[:, j, i] = slope(g[i], j)[near]
    normal, size = np.stack([each[near] for each in g], axis=1), norm[near]
    trace = np.trace(hessian, axis1=1, axis2=2)
    along = np.einsum("ni,nij,nj->n", normal, hessian, normal)
    mean = (along - size**2 * trace) / (2 * size**3)
    adjugate = np.linalg.det(hessian)[:, None, None] * np.linalg.pinv(hessian)
    gauss = np.einsum("ni,nij,nj->n", normal, np.swapaxes(adjugate, 1, 2), normal) / size**4
    # Voxels within half a voxel of the level: as many per volume as there is surface, in voxels.
    per_volume = len(size) / solid.size
    return float(np.sqrt(np.mean(mean**2)) / per_volume), float(np.mean(gauss < 0))


def largest_share(solid: np.ndarray) -> float:
    from scipy import ndimage

    numbered, _ = ndimage.label(solid)
    sizes = np.bincount(numbered.ravel())[1:]
    return float(sizes.max() / sizes.sum())


def row(name: str, labels: Labels, diameter: float, seconds: float) -> str:
    solid = labels.data > 0
    measured = mean_diameter_in_planes(labels.data, "xy", labels.voxel_size_nm, threads=2)
    bent, saddles = curvatures(solid)
    return (
        f"{name:<28}{peak_wavelength(solid) / WAVELENGTH:>12.3f}{measured / diameter:>10.3f}"
        f"{chord_variation(solid):>10.3f}{bent:>10.3f}{saddles:>10.3f}{largest_share(solid):>10.3f}"
        f"{seconds:>8.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", type=int, default=160)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"{args.edge}^3 voxels, {WAVELENGTH:g} to the wavelength")
    heads = ("wavelength", "diameter", "chord CV", "H rms", "saddles", "largest")
    print(f"{'structure':<28}{heads[0]:>12}" + "".join(f"{h:>10}" for h in heads[1:]) + "       s")
    for fraction in (0.3, 0.5):
        shared = {"shape": args.edge, "voxel_size_nm": 1.0, "solid_fraction": fraction}
        shared |= {"wavelength_nm": WAVELENGTH, "periodic": True}
        cases: dict[str, LeveledWave | Spinodal] = {
            f"leveled_wave {fraction}": LeveledWave(**shared, waves=2000)
        }
        for coarsening in (1.6, 2.0, 3.0):
            name = f"spinodal {fraction}, coarsening {coarsening:g}"
            cases[name] = Spinodal(**shared, coarsening=coarsening)
        for name, structure in cases.items():
            start = time.perf_counter()
            labels = structure.generate(Context(args.seed))
            seconds = time.perf_counter() - start
            print(row(name, labels, asked_diameter(structure), seconds), flush=True)


def asked_diameter(structure: LeveledWave | Spinodal) -> float:
    """Return the mean ligament diameter that the relation of the generator gives."""
    from fib_plugins.generators.ligament_diameter import mean_ligament_diameter
    from fib_plugins.generators.spinodal import relative_diameter

    if isinstance(structure, Spinodal):
        return relative_diameter(structure.solid_fraction) * structure.wavelength
    return mean_ligament_diameter(structure.solid_fraction, structure.wave_number)


if __name__ == "__main__":
    main()
