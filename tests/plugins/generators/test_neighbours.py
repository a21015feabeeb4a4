import numpy as np
import pytest

from fib_plugins.generators.neighbours import neighbours


def brute_force(centres, radii, box, factor, skin):
    apart = np.abs(centres[None] - centres[:, None])
    distances = np.linalg.norm(np.minimum(apart, box - apart), axis=2)
    near = distances < factor * (radii[:, None] + radii[None]) + skin
    return {frozenset(pair) for pair in np.argwhere(np.triu(near, 1)).tolist()}


@pytest.mark.parametrize("sigma", [0.0, 0.4, 1.2])
@pytest.mark.parametrize("box", [(200.0, 200.0, 200.0), (90.0, 300.0, 400.0)])
def test_pairs_are_those_of_all_distances(sigma, box):
    rng = np.random.default_rng(3)
    box = np.array(box)
    radii = np.minimum(5.0 * np.exp(sigma * rng.standard_normal(400)), box.min() / 5)
    centres = rng.random((400, 3)) * box
    for factor, skin in ((1.0, 0.0), (1.01, 3.0)):
        pairs = neighbours(centres, radii, box, factor, skin)
        found = {frozenset(pair) for pair in pairs.tolist()}
        assert len(found) == len(pairs)
        assert found == brute_force(centres, radii, box, factor, skin)


def test_one_particle_has_no_neighbours():
    box = np.full(3, 10.0)
    assert len(neighbours(np.full((1, 3), 5.0), np.ones(1), box, 1.0, 0.5)) == 0
