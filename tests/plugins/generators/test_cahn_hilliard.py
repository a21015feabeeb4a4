import numpy as np
import pytest

from fib_plugins.generators import cahn_hilliard
from fib_plugins.generators.cahn_hilliard import KAPPA, SPLIT, coarsened, first_wavelength
from fibcore.context import Context


def solver(shape=(8, 12, 10), spacing=(1.0, 0.9, 0.8)):
    return cahn_hilliard._Solver(shape, spacing, Context(threads=2))


def test_a_step_is_the_semi_implicit_one():
    shape, spacing, step = (8, 12, 10), (1.0, 0.9, 0.8), 1.7
    c = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    force = np.empty_like(c)
    steps = solver(shape, spacing)
    steps.force(c, force)
    waves = np.fft.rfftn(c).astype(np.complex64)
    steps.advance(waves, np.fft.rfftn(force).astype(np.complex64), step)
    k = [2 * np.pi * np.fft.fftfreq(n, a) for n, a in zip(shape, spacing, strict=True)]
    k2 = k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2] ** 2
    before = np.fft.fftn(c.astype(float))
    right = before - step * k2 * (np.fft.fftn(c.astype(float) ** 3 - c) - SPLIT * before)
    expected = right / (1 + step * k2 * (SPLIT + KAPPA * k2))
    assert np.allclose(waves, expected[..., :6], atol=2e-4 * np.abs(expected).max())


def test_mass_is_conserved_and_phases_form():
    found = coarsened((48, 48, 48), (1, 1, 1), 0.2, 11.0, Context(1).rng_for("a"), Context(1))
    assert found.concentration.mean() == pytest.approx(0.2, abs=0.01)  # that of the first noise
    middle = np.abs(found.concentration) > 0.7
    assert middle.mean() > 0.6
    assert (found.concentration > 0).mean() == pytest.approx(0.6, abs=0.04)  # the lever rule


def test_it_lowers_the_free_energy():
    shape = (32, 32, 32)
    steps = solver(shape, (1, 1, 1))
    c = (0.1 * np.random.default_rng(2).standard_normal(shape)).astype(np.float32)
    waves, force = np.fft.rfftn(c).astype(np.complex64), np.empty_like(c)

    def energy(c):
        slopes = sum((np.roll(c, 1, axis) - c) ** 2 for axis in range(3))
        return float(np.mean((c**2 - 1) ** 2 / 4 + KAPPA / 2 * slopes))

    energies = [energy(c)]
    for _ in range(40):
        steps.force(c, force)
        steps.advance(waves, np.fft.rfftn(force).astype(np.complex64), 3.0)
        c = np.fft.irfftn(waves, shape, axes=(0, 1, 2)).astype(np.float32)
        energies.append(energy(c))
    assert (np.diff(energies[1:]) < 0).all()
    assert energies[-1] < 0.5 * energies[0]


def test_coarsening_follows_the_law_of_lifshitz_and_slyozov():
    found = coarsened((72, 72, 72), (1, 1, 1), 0.0, 17.0, Context(3).rng_for("a"), Context(3))
    late = found.wavelengths > 11
    slope = np.polyfit(np.log(found.times[late]), np.log(found.wavelengths[late]), 1)[0]
    assert slope == pytest.approx(1 / 3, abs=0.1)
    assert found.wavelengths[-1] == pytest.approx(17.0, rel=0.02)


def test_first_growth_is_that_of_the_linear_theory():
    assert first_wavelength(0.0) == pytest.approx(2 * np.pi * np.sqrt(2 * KAPPA))
    assert first_wavelength(0.4) > 1.3 * first_wavelength(0.0)


def test_threads_do_not_change_a_byte():
    one, two = (
        coarsened(
            (30, 32, 36), (1, 1, 1), 0.1, 10.0, Context(4).rng_for("a"), Context(4, threads=n)
        )
        for n in (1, 2)
    )
    assert one.concentration.tobytes() == two.concentration.tobytes()
