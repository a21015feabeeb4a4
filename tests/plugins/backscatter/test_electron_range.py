import numpy as np
import pytest

from fib_plugins.backscatter.electron_range import (
    kanaya_okayama_range_nm,
    kanaya_okayama_transmission,
)
from fibcore import Material
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM


def pure(symbol: str) -> Material:
    return Material.of_element(elements()[symbol])


@pytest.mark.parametrize(
    ("symbol", "energy_kev", "range_um"),
    [("Al", 10, 1.32), ("Cu", 10, 0.46), ("Au", 5, 0.085), ("Au", 10, 0.27), ("Au", 30, 1.7)],
)
def test_range_agrees_with_values_published_for_pure_elements(symbol, energy_kev, range_um):
    found = kanaya_okayama_range_nm(pure(symbol), energy_kev)
    assert found == pytest.approx(1000 * range_um, rel=0.02)


def test_range_follows_the_original_form_of_the_law():
    # J. Phys. D 5 (1972) 43: 5.025e-12 A E^(5/3) / (0.182 rho Z^(8/9)) cm, E in eV
    for symbol in ("C", "Si", "Ag", "Au"):
        entry = elements()[symbol]
        for energy_kev in (1.0, 10.0, 30.0):
            original_cm = (
                5.025e-12
                * entry.atomic_weight_g_mol
                * (1000 * energy_kev) ** (5 / 3)
                / (0.182 * entry.density_g_cm3 * entry.atomic_number ** (8 / 9))
            )
            found = kanaya_okayama_range_nm(pure(symbol), energy_kev)
            assert found == pytest.approx(1e7 * original_cm, rel=0.015)


def test_mass_range_of_a_compound_is_the_harmonic_mean_of_its_elements():
    fractions = EPOXY.weight_fractions
    inverse = sum(
        weight / (kanaya_okayama_range_nm(pure(s), 3.0) * pure(s).density_g_cm3)
        for s, weight in fractions.items()
    )
    expected_nm = 1 / (inverse * EPOXY.density_g_cm3)
    assert kanaya_okayama_range_nm(EPOXY, 3.0) == pytest.approx(expected_nm, rel=1e-12)


def test_range_keeps_the_shape_and_is_infinite_in_vacuum():
    energies = np.array([[1.0, 2.0, 4.0]])
    ranges = kanaya_okayama_range_nm(GOLD, energies)
    assert ranges.shape == (1, 3)
    assert np.all(np.diff(ranges) > 0)
    assert np.all(np.isinf(kanaya_okayama_range_nm(VACUUM, energies)))


def test_transmission_falls_from_one_to_nothing_at_the_range():
    reach = float(kanaya_okayama_range_nm(EPOXY, 2.0))
    path = np.linspace(0, 1.5 * reach, 200)
    through = kanaya_okayama_transmission(EPOXY, 2.0, path)
    assert through[0] == 1.0
    assert np.all(np.diff(through) <= 0)
    assert np.all(through[path >= reach] == 0.0)
    assert np.all(through[path < 0.9 * reach] > 0)


def test_transmission_of_half_a_range_by_hand():
    # y = 1/2: exp(-gamma) with gamma = 0.187 * 13^(2/3) = 1.0339 for aluminium
    aluminium = pure("Al")
    half = kanaya_okayama_range_nm(aluminium, 20.0) / 2
    assert kanaya_okayama_transmission(aluminium, 20.0, half) == pytest.approx(0.3556, abs=2e-4)


def test_vacuum_lets_everything_through():
    assert np.all(kanaya_okayama_transmission(VACUUM, 1.0, [0.0, 1e9]) == 1.0)
