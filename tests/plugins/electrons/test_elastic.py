import numpy as np
import pytest
from scipy import constants
from scipy.integrate import trapezoid

from fib_plugins.electrons.elastic import (
    ENERGY_RANGE_EV,
    angular_cumulative,
    differential_cross_section_cm2_per_sr,
    total_cross_section_cm2,
    transport_cross_section_cm2,
)
from fibcore import FibError

MODELS = ("mott", "browning", "rutherford")
ATOMS_AND_ENERGIES = [(1, 400.0), (6, 3000.0), (6, 30_000.0), (29, 150.0), (79, 50.0), (92, 2000.0)]
BOHR_CM = 100 * constants.physical_constants["Bohr radius"][0]


def beta_squared(energy_ev: float) -> float:
    gamma = 1 + energy_ev * constants.e / (constants.m_e * constants.c**2)
    return 1 - 1 / gamma**2


def fine_angles() -> np.ndarray:
    return np.concatenate([[0.0], np.geomspace(1e-5, 1.0, 6000), np.linspace(1.02, 180, 18_000)])


@pytest.mark.parametrize("electrons", [False, True])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("z", "energy"), ATOMS_AND_ENERGIES)
def test_cumulative_rises_from_0_to_1(model, z, energy, electrons):
    mu = np.concatenate([[0.0], np.geomspace(1e-10, 1.0, 3000)])
    found = angular_cumulative(model, z, energy, mu, electrons=electrons)
    assert found[0] == 0.0
    assert found[-1] == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(found) >= 0)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("z", "energy"), ATOMS_AND_ENERGIES)
def test_total_transport_and_cumulative_are_integrals_of_the_differential(model, z, energy):
    theta = fine_angles()
    mu = np.sin(np.radians(theta) / 2) ** 2
    dcs = 4 * np.pi * differential_cross_section_cm2_per_sr(model, z, energy, theta)
    total = total_cross_section_cm2(model, z, energy)
    assert trapezoid(dcs, mu) == pytest.approx(float(total), rel=2e-4)
    transport = transport_cross_section_cm2(model, z, energy)
    assert trapezoid(2 * mu * dcs, mu) == pytest.approx(float(transport), rel=2e-4)
    below = theta <= 90
    share = trapezoid(dcs[below], mu[below]) / total
    half = mu[below][-1]
    assert angular_cumulative(model, z, energy, half) == pytest.approx(float(share), abs=2e-4)


@pytest.mark.parametrize("z", [1, 6, 79])
def test_deflection_by_electrons_adds_to_the_atom(z):
    energy = np.array([300.0, 5000.0])
    alone = transport_cross_section_cm2("mott", z, energy)
    together = transport_cross_section_cm2("mott", z, energy, electrons=True)
    mu = np.linspace(0, 1, 20_001)
    for i, e in enumerate(energy):
        total = total_cross_section_cm2("mott", z, e, electrons=True)
        mean = trapezoid(1 - angular_cumulative("mott", z, e, mu, electrons=True), mu)
        assert 2 * total * mean == pytest.approx(together[i], rel=3e-3)
    assert np.all(together >= alone)
    assert together[1] > alone[1]


@pytest.mark.parametrize("theta", [20.0, 60.0, 120.0, 180.0])
def test_hydrogen_at_high_energy_scatters_as_the_born_approximation_says(theta):
    energy = 30_000.0
    beta2 = beta_squared(energy)
    gamma2 = 1 / (1 - beta2)
    k = np.sqrt(beta2 * gamma2) / constants.alpha  # momentum in atomic units
    q2 = (2 * k * np.sin(np.radians(theta) / 2)) ** 2
    born = BOHR_CM**2 * gamma2 * 4 * (8 + q2) ** 2 / (4 + q2) ** 4
    spin = 1 - beta2 * np.sin(np.radians(theta) / 2) ** 2
    found = differential_cross_section_cm2_per_sr("mott", 1, energy, theta)
    assert found == pytest.approx(born * spin, rel=0.02)


def test_total_of_hydrogen_at_high_energy_is_that_of_born():
    energy = 30_000.0
    born = 7 * np.pi / 3 * BOHR_CM**2 * constants.alpha**2 / beta_squared(energy)
    assert total_cross_section_cm2("mott", 1, energy) == pytest.approx(born, rel=0.01)


@pytest.mark.parametrize("model", ["mott", "rutherford"])
def test_light_atoms_scatter_fast_electrons_by_rutherfords_formula(model):
    energy, z, theta = 30_000.0, 6, np.array([60.0, 90.0])
    p_v = energy * (energy + 2 * 510_999) / (energy + 510_999)
    nucleus = (z * 1.43996e-7 / (2 * p_v)) ** 2 / np.sin(np.radians(theta) / 2) ** 4
    found = differential_cross_section_cm2_per_sr(model, z, energy, theta)
    assert found == pytest.approx(nucleus, rel=0.05)


def test_screened_rutherford_errs_more_the_heavier_and_slower():
    energy = np.array([1000.0, 5000.0, 25_000.0])
    for lighter, heavier in ((6, 29), (29, 79)):
        error = [
            np.abs(
                transport_cross_section_cm2("rutherford", z, energy)
                / transport_cross_section_cm2("mott", z, energy)
                - 1
            )
            for z in (lighter, heavier)
        ]
        assert np.all(error[1] > error[0])
        assert np.all(np.diff(error[1]) < 0)


@pytest.mark.parametrize("z", [6, 14, 29, 47, 79])
def test_browning_comes_near_the_mott_transport_cross_section(z):
    energy = np.geomspace(500, 30_000, 20)
    ratio = transport_cross_section_cm2("browning", z, energy) / transport_cross_section_cm2(
        "mott", z, energy
    )
    assert np.all(np.abs(ratio - 1) < 0.35)


def test_ends_of_the_energy_range_count_as_inside_despite_rounding():
    ends = np.exp(np.log(np.array(ENERGY_RANGE_EV)))
    assert np.all(total_cross_section_cm2("mott", 79, ends) > 0)


def test_results_have_the_shape_of_what_varies():
    energy = np.full((2, 3), 1000.0)
    assert total_cross_section_cm2("mott", 6, energy).shape == (2, 3)
    assert transport_cross_section_cm2("browning", 6, energy, electrons=True).shape == (2, 3)
    assert angular_cumulative("mott", 6, 1000.0, np.zeros((4, 5))).shape == (4, 5)
    assert total_cross_section_cm2("rutherford", 6, 1000.0).shape == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mot", 6, 1000.0), "mott, browning, rutherford"),
        (("mott", 0, 1000.0), "1 to 92"),
        (("mott", 93, 1000.0), "1 to 92"),
        (("mott", 6, 49.0), "49 eV.*50 to 30000 eV"),
        (("browning", 6, [100.0, 31_000.0]), "31000 eV"),
        (("rutherford", 6, float("nan")), "nan eV"),
    ],
)
def test_what_the_tables_do_not_hold_is_refused(arguments, message):
    with pytest.raises(FibError, match=message):
        total_cross_section_cm2(*arguments)
