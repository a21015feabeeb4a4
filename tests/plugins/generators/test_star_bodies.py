import numpy as np
import pytest

from fib_plugins.generators.ellipsoids import squared_distance
from fib_plugins.generators.particle_sizes import ParticleSizes
from fib_plugins.generators.radial_shapes import EDGE, cylinder, gaussian_spheres
from fib_plugins.generators.star_bodies import StarBodies, squared_scale
from fibcore.context import Context

SHAPE, VOXEL = (24, 30, 28), (3.0, 2.0, 2.5)


def drawn(count, tables, ratios=(1.0, 1.5, 2.0), seed=0):
    rng = np.random.default_rng(seed)
    axes, rotations = ParticleSizes(20.0, 5.0, ratios).draw(count, rng)
    bodies = StarBodies.of(axes, rotations, tables, rng.integers(0, len(tables), count))
    return bodies.at(rng.random((count, 3)) * np.multiply(SHAPE, VOXEL))


def test_bodies_of_radius_one_are_ellipsoids():
    bodies = drawn(12, np.ones((1, EDGE, EDGE), np.float32))
    painted = squared_scale(bodies, SHAPE, VOXEL, 1.2, Context(threads=2))
    expected = squared_distance(bodies.ellipsoids, SHAPE, VOXEL, 1.2, Context())
    assert np.isfinite(expected).mean() > 0.15
    assert np.allclose(painted, expected, rtol=1e-4)


def test_painted_volumes_are_those_of_the_ellipsoids():
    tables = gaussian_spheres(3, 0.25, 35.0, np.random.default_rng(0))
    for seed in range(3):
        bodies = drawn(1, tables, seed=seed).at(np.array([[40.0, 40.0, 40.0]]))
        field = squared_scale(bodies, (80, 80, 80), (1.0, 1.0, 1.0), 1.0, Context())
        volume = np.count_nonzero(field < 1)
        assert volume == pytest.approx(bodies.ellipsoids.volume_nm3, rel=0.02)


def test_a_cylinder_is_painted_as_one():
    # The first axis of the frame lies along x.
    axes, rotation = np.array([[30.0, 10.0, 10.0]]), np.eye(3)[::-1][None]
    bodies = StarBodies.of(axes, rotation, cylinder(0), np.zeros(1, np.int64))
    bodies = bodies.at(np.array([[30.0, 30.0, 40.0]]))
    inside = squared_scale(bodies, (60, 60, 80), (1.0, 1.0, 1.0), 1.0, Context()) < 1
    relative = (2 / 3) ** (1 / 3)
    assert np.count_nonzero(inside.any(axis=(0, 1))) == pytest.approx(60 * relative, abs=2)
    area = np.pi * (10 * relative) ** 2
    for x in (20, 40, 60):
        assert np.count_nonzero(inside[:, :, x]) == pytest.approx(area, rel=0.06)


def test_scaled_bodies_are_larger_by_the_factor():
    bodies = drawn(5, gaussian_spheres(2, 0.2, 40.0, np.random.default_rng(1)))
    small = squared_scale(bodies, SHAPE, VOXEL, 1.5, Context())
    large = squared_scale(bodies.scaled(1.25), SHAPE, VOXEL, 1.2, Context())
    assert np.allclose(large, small / 1.25**2, rtol=1e-4)


def test_all_images_of_a_periodic_arrangement_that_meet_the_box_are_found():
    bodies = drawn(20, np.ones((1, EDGE, EDGE), np.float32))
    box = np.multiply(SHAPE, VOXEL)
    which, centres = bodies.in_box(box, box, 1.0)
    here = bodies.taken(which, centres)
    whole = squared_scale(here, SHAPE, VOXEL, 1.0, Context())
    moved = bodies.at(bodies.centres + np.array([0, VOXEL[1] * 10, 0]))
    rolled = squared_scale(moved.taken(*moved.in_box(box, box, 1.0)), SHAPE, VOXEL, 1.0, Context())
    assert np.allclose(np.roll(whole, 10, axis=1), rolled, rtol=1e-3)
