"""The shapes that `generator/particles` offers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from fib_plugins.generators.star_bodies import StarBodies

ShapeName = Literal["ellipsoid", "cylinder", "superellipsoid", "polyhedron", "irregular"]

SHAPES = 32
"""Different random shapes; particles of one shape differ in size and orientation."""
WIDEST: dict[str, float] = {"cylinder": 1.25, "superellipsoid": 1.8, "polyhedron": 2.0}
"""Largest radius of a shape, at most, relative to the ellipsoid of equal volume."""


@dataclass(frozen=True)
class ParticleShape:
    """A shape and what defines it.

    Attributes:
        name: which one.
        exponent: of a superellipsoid.
        faces: of a polyhedron.
        roughness: of irregular particles.
        angle_deg: their correlation angle.
    """

    name: ShapeName
    exponent: float
    faces: int
    roughness: float
    angle_deg: float

    @property
    def widest(self) -> float:
        """Largest radius, relative to the ellipsoid of equal volume."""
        if self.name == "irregular":
            return math.exp(4 * self.roughness)
        return WIDEST.get(self.name, 1.0)

    def bodies(
        self, axes: np.ndarray, rotations: np.ndarray, odd_axis: int, rng: np.random.Generator
    ) -> StarBodies:
        """Return bodies of this shape, which is not ``ellipsoid``, about the origin.

        Args:
            axes: semi-axes (count, 3), nm.
            rotations: (count, 3, 3).
            odd_axis: the axis of a cylinder.
            rng: random generator.
        """
        from fib_plugins.generators import radial_shapes
        from fib_plugins.generators.star_bodies import StarBodies

        if self.name == "cylinder":
            tables = radial_shapes.cylinder(odd_axis)
        elif self.name == "superellipsoid":
            tables = radial_shapes.superellipsoid(self.exponent)
        elif self.name == "polyhedron":
            tables = radial_shapes.polyhedra(SHAPES, self.faces, rng)
        else:
            tables = radial_shapes.gaussian_spheres(SHAPES, self.roughness, self.angle_deg, rng)
        return StarBodies.of(axes, rotations, tables, rng.integers(0, len(tables), len(axes)))
