import numpy as np
import pytest

from fib_plugins.generators.radial_shapes import (
    EDGE,
    cylinder,
    directions,
    gaussian_spheres,
    of_unit_volume,
    polyhedra,
    radius_towards,
    superellipsoid,
)


def on_sphere(count, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def radii(table, vectors):
    return np.array([radius_towards(table, *vector) for vector in vectors])


def test_a_table_gives_the_radius_in_every_direction():
    nodes, vectors = directions(), on_sphere(2000)

    def smooth(v):
        return 1 + 0.3 * v[..., 0] * v[..., 1] - 0.2 * v[..., 2] ** 3 + 0.1 * v[..., 1]

    table = smooth(nodes).astype(np.float32)
    assert radii(table, vectors) == pytest.approx(smooth(vectors), abs=4e-3)
    assert radii(table, 7.5 * vectors[:50]) == pytest.approx(radii(table, vectors[:50]), rel=1e-5)
    corners = [nodes[i, j] for i, j in ((0, 0), (0, 31), (63, 63), (31, 31), (40, 10))]
    expected = [table[i, j] for i, j in ((0, 0), (0, 31), (63, 63), (31, 31), (40, 10))]
    assert radii(table, corners) == pytest.approx(expected, rel=1e-5)


def test_volumes_are_those_of_the_sphere():
    # By Monte Carlo over directions, independent of the weights of the nodes.
    vectors = on_sphere(20_000)
    rng = np.random.default_rng(0)
    shapes = [
        cylinder(0)[0],
        superellipsoid(4.0)[0],
        polyhedra(1, 12, rng)[0],
        gaussian_spheres(2, 0.3, 40.0, rng)[1],
    ]
    for table in shapes:
        assert (radii(table, vectors) ** 3).mean() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize(
    ("table", "least", "most"),
    [
        # A cylinder as high as wide, of volume 2 pi a^3; an octahedron, of volume 4/3 a^3.
        (cylinder(2), (2 / 3) ** (1 / 3), 2**0.5 * (2 / 3) ** (1 / 3)),
        (superellipsoid(1.0), np.pi ** (1 / 3) / 3**0.5, np.pi ** (1 / 3)),
        (superellipsoid(2.0), 1.0, 1.0),
    ],
)
def test_radii_are_those_of_the_solids(table, least, most):
    assert table.shape == (1, EDGE, EDGE)
    assert table.min() == pytest.approx(least, rel=0.01)
    assert table.max() == pytest.approx(most, rel=0.02)


def test_a_cylinder_lies_along_its_axis():
    for axis in range(3):
        table = cylinder(axis)[0]
        ends = np.eye(3)[axis]
        tilted = ends + 0.5 * np.roll(ends, 1)  # still meets the flat end: longer by 1 / cos
        assert radius_towards(table, *tilted) / radius_towards(table, *ends) == pytest.approx(
            np.hypot(1, 0.5), rel=0.01
        )


def test_polyhedra_are_convex_and_have_faces():
    tables = polyhedra(4, 12, np.random.default_rng(1))
    vectors = on_sphere(400, seed=2)
    for table in tables:
        surface = radii(table, vectors)[:, None] * vectors
        between = (surface[:200] + surface[200:]) / 2
        outer = radii(table, between)
        assert (np.linalg.norm(between, axis=1) <= 1.02 * outer).all()
    assert len(np.unique(tables.reshape(4, -1).round(3), axis=0)) == 4


@pytest.mark.parametrize("roughness", [0.1, 0.3])
def test_gaussian_spheres_are_as_rough_as_asked(roughness):
    tables = gaussian_spheres(24, roughness, 35.0, np.random.default_rng(3))
    vectors = on_sphere(150)
    values = np.array([radii(table, vectors) for table in tables])
    relative = values.std(axis=1) / values.mean(axis=1)
    assert np.sqrt((relative**2).mean()) == pytest.approx(roughness, rel=0.06)
    logs = np.log(values) / np.log(values).std()
    skewness = ((logs - logs.mean()) ** 3).mean()
    assert abs(skewness) < 0.3


def test_the_correlation_angle_is_the_one_asked_for():
    # The widest of the lengths has the covariance exp(-1/2) at the given angle; finer ones take
    # some of the variance. The mean over the sphere is taken out, which lowers the correlation.
    vectors = on_sphere(150)
    at = {}
    for angle in (15.0, 40.0):
        tables = gaussian_spheres(30, 0.1, angle, np.random.default_rng(4))
        logs = np.log([radii(table, vectors) for table in tables])
        logs -= logs.mean(axis=1, keepdims=True)
        correlation = (logs.T @ logs) / len(tables) / (logs**2).mean()
        apart = np.degrees(np.arccos(np.clip(vectors @ vectors.T, -1, 1)))
        near = correlation[np.abs(apart - angle) < 2].mean()
        at[angle] = near
    assert at[15.0] == pytest.approx(np.exp(-0.5) * 0.85, abs=0.1)
    assert at[40.0] == pytest.approx(np.exp(-0.5) * 0.75, abs=0.15)


def test_smooth_spheres_are_spheres():
    tables = gaussian_spheres(2, 0.0, 30.0, np.random.default_rng(0))
    assert np.allclose(tables, 1)
    assert np.allclose(of_unit_volume(np.full((1, EDGE, EDGE), 3.0)), 1)
