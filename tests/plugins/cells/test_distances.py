import numpy as np
import pytest

from fib_plugins.cells.distances import EdgeDistance, FaceDistance
from fib_plugins.cells.power_diagram import PowerDiagram

SHAPE, VOXEL = (12, 20, 16), (0.05, 0.03, 0.04)
STRETCH = (1.5, 1.0, 0.7)


WEIGHTS = 0.005 * np.random.default_rng(4).random(40)


@pytest.fixture(scope="module")
def diagram():
    rng = np.random.default_rng(5)
    period = np.array([0.9, 0.7, 1.1])
    return PowerDiagram.of(rng.random((40, 3)) * period, period, WEIGHTS)


@pytest.fixture(scope="module")
def origin():
    return np.array([0.2, 0.05, 0.3])


def voxels():
    axes = [(np.arange(n) + 0.5) * size for n, size in zip(SHAPE, VOXEL, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def images(diagram):
    steps = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return steps * diagram.period


@pytest.mark.parametrize("stretch", [(1.0, 1.0, 1.0), STRETCH])
def test_faces_are_the_nearest_planes_of_the_cell_of_lowest_power(diagram, origin, stretch):
    distance, cells = FaceDistance(diagram, VOXEL, origin, stretch).slab(0, SHAPE[0], SHAPE[1:])
    points = voxels() / stretch + origin
    seeds = diagram.seeds[:, None] + images(diagram)
    for index in np.random.default_rng(0).choice(len(points), 200, replace=False):
        power = ((points[index] - seeds) ** 2).sum(axis=2) - WEIGHTS[:, None]
        cell, image = np.unravel_index(np.argmin(power), power.shape)
        assert cells.reshape(-1)[index] == cell
        part = slice(diagram.starts[cell], diagram.starts[cell + 1])
        place = points[index] - images(diagram)[image]
        away = diagram.offsets[part] - diagram.normals[part] @ place
        away /= np.linalg.norm(diagram.normals[part] / stretch, axis=1)
        assert away.min() == pytest.approx(distance.reshape(-1)[index], abs=1e-6)


@pytest.mark.parametrize(("stretch", "thickening"), [((1.0, 1.0, 1.0), 0.0), (STRETCH, 2.0)])
def test_edges_are_the_nearest_segments(diagram, origin, stretch, thickening):
    reach, box = 0.12, np.multiply(SHAPE, VOXEL) / stretch
    field = EdgeDistance(diagram, box, VOXEL, origin, stretch, reach, thickening)
    found = np.concatenate([field.slab(0, 5, SHAPE[1:]), field.slab(5, 12, SHAPE[1:])]).reshape(-1)
    segments = (diagram.edges[None] + images(diagram)[:, None, None] - origin) * stretch
    starts, ends = segments.reshape(-1, 2, 3)[:, 0], segments.reshape(-1, 2, 3)[:, 1]
    along = ends - starts
    points = voxels()
    for index in np.random.default_rng(1).choice(len(points), 80, replace=False):
        away = points[index] - starts
        share = np.clip((away * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
        nearest = np.linalg.norm(away - share[:, None] * along, axis=1)
        nearest = (nearest / np.sqrt(1 + thickening * (2 * share - 1) ** 4)).min()
        if nearest <= reach:
            assert found[index] == pytest.approx(nearest, abs=1e-6)
        else:
            assert np.isinf(found[index])


def test_slabs_do_not_change_distances(diagram, origin):
    faces = FaceDistance(diagram, VOXEL, origin, STRETCH)
    whole = faces.slab(0, SHAPE[0], SHAPE[1:])
    parts = [faces.slab(z, z + 1, SHAPE[1:]) for z in range(SHAPE[0])]
    for number in (0, 1):
        joined = np.concatenate([part[number] for part in parts])
        assert joined == pytest.approx(whole[number], abs=1e-7)
