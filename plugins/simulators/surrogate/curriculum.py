"""The structures that a surrogate learns from, drawn at random family by family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fib_plugins.simulators.surrogate import shapes
from fib_plugins.simulators.surrogate.shapes import Box
from fibcore import Material
from fibcore.kinds import Generator
from fibcore.registry import registry

WAVES = 1000
INVERTED = 0.25
OTHER = 0.5


def draw(
    family: str, box: Box, materials: Sequence[Material], rng: np.random.Generator
) -> np.ndarray:
    """Return a random structure of a family: uint8 in axes (z, y, x), the number of a material.

    Of two materials the second fills the drawn shapes; in a quarter of the structures it is the
    first. Of more, the materials fill shapes one after the other, each of the family or, half of
    the time, of another one: fine binder among large particles, and open pores between both.

    Args:
        family: one of `FAMILIES`.
        box: the volume.
        materials: materials of phases 0, 1, ...
        rng: random generator.
    """
    order = np.arange(len(materials))
    if len(order) > 2 or rng.random() < INVERTED:
        order = rng.permutation(order) if len(order) > 2 else order[::-1]
    if family == "uniform":
        return np.full(box.shape, rng.integers(len(materials)), np.uint8)
    structure = np.full(box.shape, order[0], np.uint8)
    for phase in order[1:]:
        own = family
        if len(order) > 2 and rng.random() < OTHER:
            own = str(rng.choice(list(FAMILIES)))
        structure[FAMILIES[own](box, rng)] = phase
    return structure


def waves(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return a leveled wave."""
    return _generated(
        "generator/leveled_wave",
        box,
        rng,
        solid_fraction=rng.uniform(0.12, 0.65),
        ligament_diameter_nm=box.length_nm(rng, 3.0),
        waves=WAVES,
    )


def hierarchical(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return a hierarchical leveled wave."""
    lower = box.length_nm(rng, 3.0, 8.0)
    return _generated(
        "generator/hierarchical_leveled_wave",
        box,
        rng,
        ligament_diameters_nm=(lower * rng.uniform(2.5, 6.0), lower),
        solid_fractions=rng.uniform(0.4, 0.7, 2).tolist(),
        waves=(WAVES, WAVES),
    )


def particles(box: Box, rng: np.random.Generator) -> np.ndarray:
    """Return particles of different sizes."""
    diameter = box.length_nm(rng, 6.0, 30.0)
    return _generated(
        "generator/particles",
        box,
        rng,
        solid_fraction=rng.uniform(0.15, 0.6),
        diameter_nm=diameter,
        diameter_std_nm=diameter * rng.uniform(0.1, 0.4),
        mode="overlapping",
        fraction="expected",
    )


FAMILIES: dict[str, Callable[[Box, np.random.Generator], np.ndarray]] = {
    "waves": waves,
    "hierarchical": hierarchical,
    "particles": particles,
    "films": shapes.films,
    "plates": shapes.plates,
    "balls": shapes.balls,
    "cylinders": shapes.cylinders,
    "blocks": shapes.blocks,
    "uniform": lambda box, rng: np.zeros(box.shape, bool),
}


def _generated(
    identifier: str, box: Box, rng: np.random.Generator, **parameters: Any
) -> np.ndarray:
    plugin: Any = registry().plugin(identifier)
    generator: Generator = plugin(shape=box.shape, voxel_size_nm=box.voxel_size_nm, **parameters)
    return np.asarray(generator.generate(seed=int(rng.integers(2**63))).data == 1)
