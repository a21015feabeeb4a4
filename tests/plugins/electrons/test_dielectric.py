import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from fib_plugins.electrons import dielectric
from fibcore import Material
from fibcore.elements import element

ATOMS_PER_NM3 = 602.214
FREE_ELECTRON_PLASMON_EV = {"Na": 5.9, "Mg": 10.9, "Al": 15.8, "Si": 16.6, "Be": 18.4}
"""28.8 eV sqrt(valence electrons x density / atomic weight); measured ones are within 1 eV."""


@pytest.mark.parametrize("symbol", ["Li", "C", "Si", "Cu", "Ag", "Au"])
def test_oscillators_hold_all_electrons_but_those_beyond_30_kev(symbol):
    atom = element(symbol)
    energies, strengths = dielectric.oscillators(atom.density_g_cm3, {symbol: 1.0})
    per_atom = strengths.sum() * atom.atomic_weight_g_mol / atom.density_g_cm3 / ATOMS_PER_NM3
    k_shell_is_out_of_reach = 3.5 if atom.atomic_number > 40 else 0.3
    assert atom.atomic_number - k_shell_is_out_of_reach < per_atom <= atom.atomic_number
    assert np.all(strengths >= 0)
    assert energies[0] < 40 < energies[1]


@pytest.mark.parametrize(("symbol", "plasmon_ev"), FREE_ELECTRON_PLASMON_EV.items())
def test_the_sum_rule_finds_the_plasmons_of_simple_metals(symbol, plasmon_ev):
    energies, _ = dielectric.oscillators(element(symbol).density_g_cm3, {symbol: 1.0})
    assert energies[0] == pytest.approx(plasmon_ev, rel=0.13)


@pytest.mark.parametrize(("w_ev", "energy_ev"), [(15.0, 60.0), (20.0, 1000.0), (300.0, 5000.0)])
def test_stopping_numbers_are_the_integral_over_momentum(w_ev, energy_ev):
    w, energy = w_ev / 27.21139, energy_ev / 27.21139
    v2 = (3 * np.pi * w**2 / 4) ** (2 / 3)
    k = np.sqrt(2 * energy)

    def loss(q):
        return np.sqrt(w**2 + v2 * q**2 / 3 + q**4 / 4)

    def allowed(q):
        """Positive where a loss w(q) can go with the momentum q."""
        rest = energy - loss(q)
        if rest < 0:
            return -1.0
        return min(q - (k - np.sqrt(2 * rest)), (energy + w) / 2 - loss(q))

    def integrand(q):
        r = loss(q) / (energy + w - loss(q))
        return (1 - q**4 / 4 / loss(q) ** 2 * (r - r**2)) / q

    grid = np.geomspace(w / k / 2, 2 * k, 4000)
    inside = np.flatnonzero([allowed(q) > 0 for q in grid])
    low = brentq(allowed, grid[inside[0] - 1], grid[inside[0]])
    high = brentq(allowed, grid[inside[-1]], grid[inside[-1] + 1])
    expected = quad(integrand, low, high)[0]
    found = dielectric.stopping_numbers(np.array([w_ev]), energy_ev)[0]
    assert found == pytest.approx(expected, abs=0.02)


def test_nothing_is_lost_to_what_takes_more_energy_than_there_is():
    assert dielectric.stopping_numbers(np.array([200.0]), 150.0)[0] == 0.0


def test_silica_loses_energy_by_bethes_law():
    """Mean ionisation energy 139.2 eV: ICRU Report 37; relativity adds 5 % at 20 keV."""
    silica = Material(name="silica", composition={"Si": 1, "O": 2}, density_g_cm3=2.2)
    electrons_per_nm3 = 30 * ATOMS_PER_NM3 * 2.2 / 60.083
    bethe = 2 * np.pi * 1.43996**2 / 20_000 * electrons_per_nm3 * np.log(1.166 * 20_000 / 139.2)
    found = dielectric.stopping_power(silica, np.array([20_000.0]))
    assert found[0] == pytest.approx(1.05 * bethe, rel=0.05)
