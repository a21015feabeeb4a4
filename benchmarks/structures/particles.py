"""Time of particles and electrodes: ``python -m benchmarks.structures.particles``.

CPU seconds on one thread, after a first run that compiles. The limit is 5 s for each. Then what
the structures have: solid share, and of packed particles the volume that they were drawn with
over the volume that is solid in a periodic box (1 where nothing overlaps).
"""

from __future__ import annotations

import logging
import time
from typing import Any

import numpy as np

from fib_plugins.generators.electrode.plugin import Electrode
from fib_plugins.generators.particles import Particles
from fibcore import Context

LIMIT_S = 5.0
FLAT: dict[str, Any] = {"shape": (32, 192, 192), "diameter_nm": 2500.0, "voxel_size_nm": 20.0}
CUBE: dict[str, Any] = {"shape": 128, "voxel_size_nm": 10.0, "diameter_nm": 100.0}
PARTICLES: dict[str, dict[str, Any]] = {
    "2500 nm, std 2500, share .60": {**FLAT, "solid_fraction": 0.6, "diameter_std_nm": 2500.0},
    "2500 nm, std 1500, ellipsoids": {
        **FLAT,
        "solid_fraction": 0.55,
        "diameter_std_nm": 1500.0,
        "axis_ratios": (1.0, 1.2, 1.4),
    },
    "4 voxels, share .60": {**CUBE, "diameter_nm": 40.0, "solid_fraction": 0.6},
    "6 voxels, share .60": {**CUBE, "diameter_nm": 60.0, "solid_fraction": 0.6},
    "10 voxels, std 10, share .60": {**CUBE, "diameter_std_nm": 100.0, "solid_fraction": 0.6},
    "6 voxels, axes 1 1 2.4": {
        **CUBE,
        "diameter_nm": 60.0,
        "solid_fraction": 0.5,
        "axis_ratios": (1.0, 1.0, 2.4),
    },
    "voxels 30 10 10 nm, std 5": {
        **CUBE,
        "voxel_size_nm": (30.0, 10.0, 10.0),
        "diameter_std_nm": 50.0,
        "solid_fraction": 0.6,
    },
    "rods 1 1 3": {
        **CUBE,
        "particle_shape": "cylinder",
        "axis_ratios": (1.0, 1.0, 3.0),
        "solid_fraction": 0.4,
    },
    "crystals": {**CUBE, "particle_shape": "polyhedron", "solid_fraction": 0.5},
    "irregular": {**CUBE, "particle_shape": "irregular", "solid_fraction": 0.5},
    "overlapping, share .90": {**CUBE, "mode": "overlapping", "solid_fraction": 0.9},
}
ELECTRODES: dict[str, dict[str, Any]] = {
    "voxels 10 nm, expected": {"voxel_size_nm": 10.0, "fraction": "expected"},
    "voxels 25 nm, expected": {"voxel_size_nm": 25.0, "fraction": "expected"},
    "voxels 50 nm": {"voxel_size_nm": 50.0},
    "voxels 100 nm": {"voxel_size_nm": 100.0},
    "voxels 100 50 50 nm": {"voxel_size_nm": (100.0, 50.0, 50.0)},
    "1000 nm, std 1000": {"voxel_size_nm": 50.0, "diameter_nm": 1000.0, "diameter_std_nm": 1000.0},
    "500 nm, std 200, share .70": {
        "voxel_size_nm": 50.0,
        "diameter_nm": 500.0,
        "diameter_std_nm": 200.0,
        "solid_fraction": 0.7,
    },
}
OVERLAPS: dict[str, dict[str, Any]] = {
    "ellipsoid": {},
    "cylinder": {"particle_shape": "cylinder"},
    "superellipsoid": {"particle_shape": "superellipsoid"},
    "polyhedron": {"particle_shape": "polyhedron"},
    "irregular": {"particle_shape": "irregular"},
}


def timed(structure: Particles | Electrode) -> tuple[float, np.ndarray]:
    """Return CPU seconds and the labels."""
    start = time.process_time()
    labels = structure.generate(Context(1, threads=1))
    return time.process_time() - start, np.asarray(labels.data)


def main() -> None:
    logging.disable(logging.WARNING)
    for shape in OVERLAPS.values():  # compiles
        Particles(
            **{**CUBE, "shape": 32, "diameter_nm": 60.0, "solid_fraction": 0.3, **shape}
        ).generate()
    Electrode(shape=24, voxel_size_nm=100, diameter_nm=500, diameter_std_nm=100).generate()
    print(f"{'particles':<32}{'number':>8}{'CPU s':>8}{'limit':>8}{'solid':>8}")
    for name, params in PARTICLES.items():
        structure = Particles(**params)
        seconds, data = timed(structure)
        number = round(structure._expected_count())
        print(f"{name:<32}{number:>8}{seconds:>8.2f}{LIMIT_S:>8.0f}{data.mean():>8.3f}", flush=True)
    print(
        f"\n{'electrode, 128^3':<32}{'number':>8}{'CPU s':>8}{'limit':>8}{'solid':>8}{'binder':>8}"
    )
    for name, params in ELECTRODES.items():
        electrode = Electrode(shape=128, **params)
        seconds, data = timed(electrode)
        number = round(electrode._count())
        shares = np.bincount(data.ravel(), minlength=3) / data.size
        print(
            f"{name:<32}{number:>8}{seconds:>8.2f}{LIMIT_S:>8.0f}{shares[1]:>8.3f}{shares[2]:>8.3f}",
            flush=True,
        )
    print(f"\n{'packed, share drawn':<32}" + "".join(f"{share:>8.2f}" for share in (0.3, 0.4, 0.5)))
    for name, params in OVERLAPS.items():
        ratios = []
        for share in (0.3, 0.4, 0.5):
            given = {**CUBE, "periodic": True, "fraction": "expected", "solid_fraction": share}
            ratios.append(share / timed(Particles(**given, **params))[1].mean())
        print(f"{name:<32}" + "".join(f"{ratio:>8.3f}" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
