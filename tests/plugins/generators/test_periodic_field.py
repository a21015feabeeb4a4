import numpy as np
import pytest

from fib_plugins.generators.periodic_field import PeriodicField, fourier_matrix


@pytest.mark.parametrize("cells", [9, 10])
def test_waves_that_the_grid_resolves_are_exact_anywhere(cells):
    places = np.random.default_rng(0).uniform(-3, 9, 40)
    grid = np.arange(cells) * 5.0 / cells
    matrix = fourier_matrix(cells, 5.0, places)
    for wave in range((cells - 1) // 2 + 1):
        given = np.cos(2 * np.pi * wave * grid / 5 + 0.3)
        wanted = np.cos(2 * np.pi * wave * places / 5 + 0.3)
        assert matrix @ given == pytest.approx(wanted, abs=1e-5)


def test_values_of_the_grid_are_kept_and_slabs_agree():
    values = np.random.default_rng(1).standard_normal((6, 8, 5)).astype(np.float32)
    # Voxel centres at (i + 1/2) size: every third one lies on a cell with size 2/3.
    field = PeriodicField(values, (6.0, 8.0, 5.0), (9, 12, 6), (2 / 3, 2 / 3, 2 / 3))
    whole = field.slab((0, 9))
    assert whole[1::3, 1::3, 1::3] == pytest.approx(values[1::2, 1::2, 1::2], abs=1e-5)
    parts = np.concatenate([field.slab((0, 4)), field.slab((4, 9))])
    assert parts.tobytes() == whole.tobytes()
