import numpy as np
import pytest

from fib_plugins.generators.particle_sizes import ParticleSizes


@pytest.mark.parametrize("std", [0.0, 10.0, 40.0])
def test_drawn_diameters_have_the_moments_asked_for(std):
    sizes = ParticleSizes(100.0, std, (1.0, 1.0, 1.0))
    semi_axes, _ = sizes.draw(200_000, np.random.default_rng(0))
    diameters = 2 * semi_axes[:, 0]
    assert diameters.mean() == pytest.approx(100.0, rel=0.005)
    assert diameters.std() == pytest.approx(std, rel=0.02, abs=1e-9)
    assert (np.pi / 6 * diameters**3).mean() == pytest.approx(sizes.mean_volume_nm3, rel=0.02)
    assert diameters.max() <= sizes.largest_nm * (1 + 1e-12)


def test_ellipsoids_have_the_volume_of_their_sphere():
    sizes = ParticleSizes(100.0, 0.0, (1.0, 3.0, 2.0))
    semi_axes, _ = sizes.draw(1, np.random.default_rng(0))
    assert np.prod(2 * semi_axes[0]) == pytest.approx(100.0**3)
    assert np.allclose(semi_axes[0] / semi_axes[0].min(), [3.0, 2.0, 1.0])
    assert sizes.largest_nm == pytest.approx(2 * semi_axes[0].max())


def test_rotations_are_proper_and_have_no_preferred_direction():
    _, rotations = ParticleSizes(1.0, 0.0, (1.0, 1.0, 2.0)).draw(50_000, np.random.default_rng(1))
    products = rotations @ np.swapaxes(rotations, 1, 2)
    assert np.allclose(products, np.eye(3))
    assert np.allclose(np.linalg.det(rotations), 1)
    assert np.allclose((rotations**2).mean(axis=0), 1 / 3, atol=0.01)
