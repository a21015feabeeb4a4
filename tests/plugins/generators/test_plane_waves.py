import numpy as np
import pytest

from fib_plugins.generators.plane_waves import isotropic_waves, lattice_vectors, periodic_waves
from fibcore.errors import FibError

UNSTRETCHED = (1.0, 1.0, 1.0)


def test_isotropic_waves_have_one_wave_number_and_no_preferred_axis():
    waves = isotropic_waves(20_000, 0.2, UNSTRETCHED, np.random.default_rng(0))
    assert np.allclose(np.linalg.norm(waves.vectors, axis=1), 0.2)
    assert np.allclose((waves.vectors**2).mean(axis=0), 0.2**2 / 3, rtol=0.03)
    assert np.allclose(waves.vectors.mean(axis=0), 0, atol=0.2 * 0.02)
    assert waves.phases.min() >= 0
    assert waves.phases.max() < 2 * np.pi


def test_stretching_shortens_the_wave_vectors_along_its_axis():
    rng = np.random.default_rng(0)
    waves = isotropic_waves(100, 0.2, (1.0, 2.0, 4.0), rng)
    assert np.allclose(np.linalg.norm(waves.vectors * (1.0, 2.0, 4.0), axis=1), 0.2)


def brute_force_shell(wave_number, spacing, width):
    most = 1 + int(np.ceil(1.1 * wave_number / min(spacing)))
    each = np.arange(-most, most + 1)
    vectors = np.stack(np.meshgrid(each, each, each, indexing="ij"), axis=-1).reshape(-1, 3)
    off = np.abs(np.linalg.norm(vectors * spacing, axis=1) / wave_number - 1)
    return {tuple(v) for v in vectors[off <= width].tolist()}


def test_lattice_vectors_are_all_of_the_shell_one_of_each_pair():
    box = (60.0, 80.0, 100.0)
    spacing = 2 * np.pi / np.array(box)
    wave_number = 2 * np.pi / 8
    vectors = np.rint(lattice_vectors(wave_number, box, UNSTRETCHED) / spacing).astype(int)
    found = {tuple(v) for v in vectors.tolist()}
    assert len(found) == len(vectors)
    opposite = {tuple(-np.array(v)) for v in found}
    assert not found & opposite
    assert found | opposite == brute_force_shell(wave_number, spacing, 0.01)


def test_lattice_vectors_of_a_small_cube_keep_its_symmetry():
    edge = 100.0
    vectors = lattice_vectors(2 * np.pi / (edge / 4), (edge,) * 3, UNSTRETCHED)
    assert len(vectors) >= 20
    second_moments = vectors.T @ vectors
    assert np.allclose(second_moments, np.eye(3) * second_moments[0, 0])


def test_lattice_vectors_take_the_stretching_into_account():
    box, stretch, wave_number = (200.0, 200.0, 400.0), (1.0, 1.0, 2.0), 2 * np.pi / 20
    vectors = lattice_vectors(wave_number, box, stretch)
    periods = vectors * box / (2 * np.pi)
    assert np.allclose(periods, np.rint(periods), atol=1e-9)
    assert np.allclose(np.linalg.norm(vectors * stretch, axis=1), wave_number, rtol=0.011)


def test_a_large_box_does_not_list_millions_of_vectors():
    vectors = lattice_vectors(2 * np.pi / 1.0, (300.0,) * 3, UNSTRETCHED)
    assert 20 <= len(vectors) < 200_000


def test_a_box_that_few_waves_fit_is_refused_with_what_to_do():
    with pytest.raises(FibError, match=r"periodic.*`shape`.*`periodic`: false"):
        lattice_vectors(2 * np.pi / 50, (100.0,) * 3, UNSTRETCHED)


def test_periodic_waves_come_from_the_lattice():
    box = (100.0, 100.0, 120.0)
    waves = periodic_waves(500, 2 * np.pi / 15, box, UNSTRETCHED, np.random.default_rng(1))
    periods = waves.vectors * box / (2 * np.pi)
    assert len(waves) == 500
    assert np.allclose(periods, np.rint(periods), atol=1e-9)
