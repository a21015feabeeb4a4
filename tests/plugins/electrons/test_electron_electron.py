import numpy as np
import pytest
from scipy import constants
from scipy.integrate import quad

from fib_plugins.electrons import electron_electron as collisions
from fib_plugins.electrons.joy_luo import mean_ionisation_ev

E2_EV_CM = constants.e / (4 * np.pi * constants.epsilon_0) * 100


def moller(lost: float, z: int, energy: float) -> float:
    rest = energy - lost
    shape = 1 / lost**2 + 1 / rest**2 - 1 / (lost * rest)
    return z * np.pi * E2_EV_CM**2 / energy * shape


def deflection(lost: float, energy: float) -> float:
    return (1 - np.sqrt(1 - lost / energy)) / 2


@pytest.mark.parametrize(("z", "energy"), [(1, 100.0), (6, 500.0), (14, 20_000.0), (79, 3000.0)])
def test_total_mean_and_cumulative_are_integrals_of_mollers_formula(z, energy):
    lowest = mean_ionisation_ev(z) / 2
    total = quad(moller, lowest, energy / 2, args=(z, energy), epsabs=0)[0]
    assert collisions.total_cm2(z, np.array([energy]))[0] == pytest.approx(total, rel=1e-4)
    moment = quad(
        lambda w: moller(w, z, energy) * deflection(w, energy), lowest, energy / 2, epsabs=0
    )[0]
    mean = collisions.mean_mu(z, np.array([energy]))[0]
    assert mean == pytest.approx(moment / total, rel=1e-6)
    lost = np.sqrt(lowest * energy / 2)
    part = quad(moller, lowest, lost, args=(z, energy), epsabs=0)[0] / total
    mu = np.array([0.0, deflection(lost, energy), 0.2, 0.9, 1.0])
    expected = [0.0, part, 1.0, 1.0, 1.0]
    assert collisions.cumulative(z, energy, mu) == pytest.approx(expected, abs=1e-6)


def test_density_is_the_slope_of_the_cumulative():
    lowest, energy = deflection(mean_ionisation_ev(14) / 2, 5000.0), 5000.0
    mu = np.geomspace(1.01 * lowest, 0.145, 40)
    step = 1e-6 * mu
    slope = (
        collisions.cumulative(14, energy, mu + step) - collisions.cumulative(14, energy, mu - step)
    ) / (2 * step)
    assert collisions.density(14, energy, mu) == pytest.approx(slope, rel=1e-4)
    outside = np.array([0.0, 0.5 * lowest, 0.1465, 0.5, 0.8535, 0.99, 1.0])
    assert np.all(collisions.density(14, energy, outside) == 0)


def test_bound_electrons_do_not_count_below_the_mean_ionisation_energy():
    below = np.array([mean_ionisation_ev(79) - 1.0, 100.0])
    assert np.all(collisions.total_cm2(79, below) == 0)
    assert np.all(collisions.mean_mu(79, below) == 0)
    assert collisions.cumulative(79, 100.0, np.array([0.0, 0.5])).tolist() == [1.0, 1.0]
    assert np.all(collisions.density(79, 100.0, np.linspace(0, 1, 11)) == 0)
