"""Twins, and structures to train with."""

from __future__ import annotations

from typing import Any

import numpy as np

from fibcore import Material
from fibcore.materials import VACUUM
from fibcore.registry import registry

VOXEL_NM = 40.0
PHASES: dict[int, Material] = {
    0: VACUUM,
    1: registry().material("LiCoO2"),
    2: registry().material("carbon binder"),
}
TWIN_SHAPE, TWIN_SLICES = (48, 128, 128), (8, 24)
TEACHING_SHAPE, TEACHING_SLICES, TEACHERS = (48, 96, 96), (4, 24), 6


def plugin(name: str, **params: Any) -> Any:
    """Return a built-in plugin with parameters."""
    return registry().plugin(name)(**params)


def twin_structure(seed: int) -> np.ndarray:
    """Return ellipsoids of active material (1) and strands of binder (2) in pores (0)."""
    box = {"shape": TWIN_SHAPE, "voxel_size_nm": VOXEL_NM}
    particles = plugin(
        "generator/particles",
        **box,
        solid_fraction=0.52,
        diameter_nm=1200,
        diameter_std_nm=500,
        axis_ratios=(1.0, 1.3, 1.7),
        fraction="expected",
    )
    strands = plugin("generator/leveled_wave", **box, ligament_diameter_nm=110, solid_fraction=0.55)
    patches = plugin("generator/leveled_wave", **box, ligament_diameter_nm=600, solid_fraction=0.6)
    solid, fine, coarse = (
        made.generate(seed=10 * seed + n).data > 0
        for n, made in enumerate((particles, strands, patches))
    )
    return np.where(solid, 1, np.where(fine & coarse, 2, 0)).astype(np.uint8)


def electrodes(seed: int, number: int) -> np.ndarray:
    """Return an electrode of `generator/electrode`, another one for each number."""
    rng = np.random.default_rng([seed, number])
    made = plugin(
        "generator/electrode",
        shape=TEACHING_SHAPE,
        voxel_size_nm=VOXEL_NM,
        solid_fraction=rng.uniform(0.45, 0.6),
        binder_fraction=rng.uniform(0.1, 0.18),
        diameter_nm=rng.uniform(900, 1500),
        diameter_std_nm=500,
        binder_texture_nm=rng.uniform(180, 300),
        fraction="expected",
    )
    return np.asarray(made.generate(seed=100 * seed + number).data)


def plain_particles(seed: int, number: int) -> np.ndarray:
    """Return packed spheres without binder, another structure for each number."""
    rng = np.random.default_rng([seed, number])
    made = plugin(
        "generator/particles",
        shape=TEACHING_SHAPE,
        voxel_size_nm=VOXEL_NM,
        solid_fraction=rng.uniform(0.45, 0.55),
        diameter_nm=rng.uniform(900, 1500),
        diameter_std_nm=400,
        fraction="expected",
    )
    return np.asarray(made.generate(seed=100 * seed + number).data)
