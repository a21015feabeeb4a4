import numpy as np
import pytest

from fib_plugins.cells.nearest import NearestSeed

SHAPE, VOXEL = (6, 30, 40), (3.0, 1.0, 1.5)


def points():
    axes = [(np.arange(n) + 0.5) * size for n, size in zip(SHAPE, VOXEL, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("count", [1, 7, 400])
def test_it_is_the_nearest_of_all(count, periodic):
    rng = np.random.default_rng(count)
    extent = np.multiply(SHAPE, VOXEL)
    seeds = rng.random((count, 3)) * extent
    if not periodic:
        seeds = 1.6 * seeds - 0.3 * extent
    nearest = NearestSeed(seeds, VOXEL, extent if periodic else None)
    wanted = rng.random(SHAPE) < 0.7
    for z in range(SHAPE[0]):
        away = points()[z][:, :, None] - seeds
        if periodic:
            away -= np.round(away / extent) * extent
        expected = np.argmin((away**2).sum(axis=-1), axis=-1)
        found = nearest.plane(z, wanted[z])
        assert (found[wanted[z]] == expected[wanted[z]]).all()
        assert (found[~wanted[z]] == -1).all()
