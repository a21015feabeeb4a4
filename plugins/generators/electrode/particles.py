"""The particles of an electrode: irregular, some cracked, some hollow.

For coordinates and frames see `fib_plugins.generators.star_bodies`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fib_plugins.generators.radial_shapes import gaussian_spheres
from fib_plugins.generators.star_bodies import StarBodies

REACH = 1.7
"""Particles are painted up to this factor of their radius."""
SHAPES = 32
"""Different shapes; particles of one shape differ in size, axes and orientation."""
MOST_CRACKS = 3
WARP = 0.12
"""Amplitude of the waves of a crack, in semi-axes."""
HOLLOW_RADII = (0.35, 0.65)
"""Radius of a hollow relative to that of its particle."""
ECCENTRIC = 0.6
"""Largest distance of a hollow from the centre, relative to the room there is."""


@dataclass(frozen=True, eq=False)
class ElectrodeParticles:
    """Particles of an electrode.

    Attributes:
        bodies: their outer shapes.
        hollow: (count, 5): offset of a hollow (3), its radius (0 for none), its table.
        cracks: (count, MOST_CRACKS, 16), see `_cracks`.
        crack_count: (count,).
    """

    bodies: StarBodies
    hollow: np.ndarray
    cracks: np.ndarray
    crack_count: np.ndarray

    @classmethod
    def drawn(
        cls,
        semi_axes: np.ndarray,
        rotations: np.ndarray,
        *,
        roughness: float,
        angle_deg: float,
        cracked: float,
        hollow: float,
        rng: np.random.Generator,
    ) -> ElectrodeParticles:
        """Return particles about the origin.

        Args:
            semi_axes: (count, 3), nm.
            rotations: (count, 3, 3).
            roughness: relative standard deviation of the radius.
            angle_deg: correlation angle of the radius.
            cracked: share of the particles with cracks.
            hollow: share of the particles with a hollow.
            rng: random generator.
        """
        count = len(semi_axes)
        tables = gaussian_spheres(SHAPES, roughness, angle_deg, rng)
        bodies = StarBodies.of(semi_axes, rotations, tables, rng.integers(0, SHAPES, count))
        has = rng.random(count) < cracked
        return cls(
            bodies,
            _hollows(count, hollow, rng),
            _cracks(bodies.frames, rng),
            np.where(has, rng.integers(1, MOST_CRACKS + 1, count), 0),
        )

    def __len__(self) -> int:
        return len(self.bodies)

    def at(self, centres: np.ndarray) -> ElectrodeParticles:
        """Return the same particles elsewhere."""
        return replace(self, bodies=self.bodies.at(centres))

    def moved(self, shift_nm: np.ndarray) -> ElectrodeParticles:
        """Return the same particles, shifted."""
        return self.at(self.bodies.centres + shift_nm)

    def in_box(self, box_nm: np.ndarray, period_nm: np.ndarray) -> ElectrodeParticles:
        """Return those that, larger by `REACH`, meet the box from 0, with their nearest images."""
        which, centres = self.bodies.in_box(box_nm, period_nm, REACH)
        return ElectrodeParticles(
            self.bodies.taken(which, centres),
            self.hollow[which],
            self.cracks[which],
            self.crack_count[which],
        )


def _hollows(count: int, share: float, rng: np.random.Generator) -> np.ndarray:
    """Return offset (3), radius and table of each hollow, (count, 5); radius 0 for none."""
    radii = rng.uniform(*HOLLOW_RADII, count)
    offsets = rng.standard_normal((count, 3))
    offsets /= np.linalg.norm(offsets, axis=1, keepdims=True)
    offsets *= (ECCENTRIC * (1 - radii) * rng.random(count))[:, None]
    tables = rng.integers(0, SHAPES, count)
    radii[rng.random(count) >= share] = 0.0
    return np.column_stack([offsets, radii, tables])


def _cracks(frames: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return cracks (count, MOST_CRACKS, 16) in the frame of each particle.

    A crack is a wavy surface. Its numbers: normal n (3), direction m in it in which it opens (3),
    n x m (3), offset along n, place of its tip along m, wave number and phase of a wave along m
    and of one along n x m, and the thickness in the frame of one nm along n.
    """
    shape = (len(frames), MOST_CRACKS)
    normal = rng.standard_normal((*shape, 3))
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    along = np.cross(normal, rng.standard_normal((*shape, 3)))
    along /= np.linalg.norm(along, axis=-1, keepdims=True)
    single = [
        rng.uniform(-0.5, 0.5, shape),
        rng.uniform(-1.5, 0.3, shape),
        rng.uniform(2, 6, shape),
        rng.uniform(0, 2 * np.pi, shape),
        rng.uniform(2, 6, shape),
        rng.uniform(0, 2 * np.pi, shape),
        np.linalg.norm(np.einsum("ncu,nur->ncr", normal, frames), axis=-1),
    ]
    across = np.cross(normal, along)
    return np.concatenate([normal, along, across, np.stack(single, axis=-1)], axis=-1)
