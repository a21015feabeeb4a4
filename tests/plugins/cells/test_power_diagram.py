import numpy as np
import pytest

from fib_plugins.cells.power_diagram import PowerDiagram
from fibcore.errors import FibError


def owners(points, seeds, period, weights):
    """Return the seed of the smallest power at each point, by brute force."""
    away = points[:, None] - seeds[None]
    away -= np.round(away / period) * period
    return np.argmin((away**2).sum(axis=2) - weights, axis=1)


@pytest.fixture(scope="module")
def poisson():
    rng = np.random.default_rng(1)
    period = np.array([1.0, 1.4, 0.8])
    return PowerDiagram.of(rng.random((1500, 3)) * period, period)


def test_random_cells_have_the_surface_edges_and_faces_of_theory(poisson):
    # Okabe et al. 2000, table 5.5.2; standard errors at this number are about 0.3 %.
    volume = poisson.period.prod()
    density = len(poisson.seeds) / volume
    assert poisson.surface / volume == pytest.approx(2.910 * density ** (1 / 3), rel=0.01)
    assert poisson.edge_length / volume == pytest.approx(5.832 * density ** (2 / 3), rel=0.01)
    assert poisson.mean_faces == pytest.approx(15.535, abs=0.15)
    # Var(v) = 0.179 / n^2 (Gilbert, Ann. Math. Stat. 33 (1962) 958)
    assert np.var(poisson.volumes * density) == pytest.approx(0.179, rel=0.15)


def test_cells_fill_the_box_and_edges_are_listed_once(poisson):
    assert poisson.volumes.sum() == pytest.approx(poisson.period.prod(), rel=1e-9)
    lengths = np.linalg.norm(poisson.edges[:, 1] - poisson.edges[:, 0], axis=1)
    assert lengths.sum() == pytest.approx(poisson.edge_length, rel=1e-9)


def test_faces_are_closed_surfaces_seen_alike_from_both_sides(poisson):
    sums = np.zeros((len(poisson.seeds), 3))
    np.add.at(sums, poisson.owners, poisson.normals * poisson.areas[:, None])
    assert np.abs(sums).max() < 1e-9
    one_way = dict(
        zip(zip(poisson.owners, poisson.neighbours, strict=True), poisson.areas, strict=True)
    )
    for (cell, other), area in one_way.items():
        assert one_way[other, cell] == pytest.approx(area, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("spread", [0.0, 0.1])
def test_volumes_and_centroids_are_those_of_brute_force(spread):
    rng = np.random.default_rng(2)
    period = np.array([1.0, 1.3, 0.8])
    seeds = rng.random((25, 3)) * period
    weights = (spread * rng.random(25)) ** 2
    diagram = PowerDiagram.of(seeds, period, weights)
    points = rng.random((60_000, 3)) * period
    found = owners(points, seeds, period, weights)
    volumes = np.bincount(found, minlength=25) / len(points) * period.prod()
    error = np.sqrt(volumes * period.prod() / len(points))
    assert (np.abs(diagram.volumes - volumes) < 4.5 * error + 1e-6).all()
    largest = int(np.argmax(volumes))
    own = points[found == largest] - seeds[largest]
    own -= np.round(own / period) * period
    assert diagram.centroids[largest] - seeds[largest] == pytest.approx(
        own.mean(axis=0), abs=5 * own.std() / np.sqrt(len(own))
    )


def test_a_cell_may_vanish():
    rng = np.random.default_rng(3)
    seeds = rng.random((30, 3))
    seeds[1] = seeds[0] + 0.01
    weights = np.zeros(30)
    weights[0] = 0.05
    diagram = PowerDiagram.of(seeds, np.ones(3), weights)
    assert diagram.volumes[1] == 0
    assert diagram.volumes.sum() == pytest.approx(1.0)
    assert diagram.starts[1] == diagram.starts[2]


def test_too_few_seeds_are_refused():
    with pytest.raises(FibError, match="at least 8"):
        PowerDiagram.of(np.random.default_rng(0).random((3, 3)), np.ones(3))
