"""The tables of the transport loop against the integrals and cross sections they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate

from fib_plugins.electrons.collision import energy_share, entering
from fib_plugins.electrons.elastic import (
    angular_cumulative,
    total_cross_section_cm2,
    transport_cross_section_cm2,
)
from fib_plugins.electrons.medium import ANGLE_ENERGIES_EV, NODES, QUANTILES, ROWS, build_tables
from fib_plugins.electrons.stopping import stopping_power_ev_per_nm
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM, Material

CUTOFF_EV = 50.0
ELEMENTS = ("H", "C", "Si", "Cu", "Ag", "Au", "U")
DRAWS_PER_ELECTRON = 65_536


def pure(symbol):
    return Material.of_element(elements()[symbol])


def collisions_per_nm(material, energy_ev, model="mott"):
    total = 0.0
    for symbol, weight in material.weight_fractions.items():
        atom = elements()[symbol]
        atoms_per_cm3 = material.density_g_cm3 * weight * 6.02214076e23 / atom.atomic_weight_g_mol
        area_cm2 = total_cross_section_cm2(model, atom.atomic_number, energy_ev)
        total = total + 1e-7 * atoms_per_cm3 * area_cm2
    return total


def integral(function, high_ev):
    """Return the integral over energy from the cut-off, by Simpson's rule over its logarithm."""
    logarithms = np.linspace(math.log(CUTOFF_EV), math.log(high_ev), 4001)
    energy_ev = np.exp(logarithms)
    return integrate.simpson(energy_ev * function(energy_ev), x=logarithms)


@pytest.mark.parametrize("energy_kev", [0.3, 2.0, 30.0])
@pytest.mark.parametrize("material", [GOLD, EPOXY], ids=lambda material: material.name)
@pytest.mark.parametrize("models", [("mott", "joy_luo"), ("browning", "dielectric")], ids=str)
def test_ranges_and_optical_depths_are_the_integrals_they_stand_for(energy_kev, material, models):
    elastic, loss = models
    tables = build_tables(
        [material], energy_kev, elastic=elastic, energy_loss=loss, cutoff_ev=CUTOFF_EV
    )

    def slowness(energy_ev):
        return 1.0 / stopping_power_ev_per_nm(loss, material, energy_ev)

    range_nm = integral(slowness, 1000 * energy_kev)
    depth = integral(
        lambda e: collisions_per_nm(material, e, elastic) * slowness(e), 1000 * energy_kev
    )
    assert tables.range_max_nm[0] == pytest.approx(range_nm, rel=1e-4)
    assert tables.depth_max[0] == pytest.approx(depth, rel=1e-4)
    span = math.log(1000 * energy_kev / CUTOFF_EV)
    for share in (0.1, 0.5, 0.9):
        energy_ev = CUTOFF_EV * math.exp(share * span)
        depth, range_nm = entering(np.float32(share), 0, tables)
        assert range_nm == pytest.approx(integral(slowness, energy_ev), rel=2e-3)
        assert energy_share(range_nm, 0, tables) == pytest.approx(share, abs=1e-3)
        place = float(depth) / float(tables.depth_max[0]) * (NODES - 1)
        by_depth = np.interp(place, np.arange(NODES), tables.range_by_depth)
        error_nm = max(2e-3 * float(range_nm), 1e-5 * float(tables.range_max_nm[0]))
        assert by_depth == pytest.approx(float(range_nm), abs=error_nm)


def test_a_table_of_stopping_powers_of_ones_own_counts():
    own = GOLD.model_copy(update={"stopping_ev_per_nm": ((50.0, 20.0), (2000.0, 20.0))})
    tables = build_tables([own], 2.0, cutoff_ev=CUTOFF_EV)
    assert tables.range_max_nm[0] == pytest.approx((2000.0 - 50.0) / 20.0, rel=1e-5)


def test_materials_of_one_name_keep_their_own_stopping_power():
    dense = Material(name="carbon", composition={"C": 1}, density_g_cm3=2.2)
    light = Material(name="carbon", composition={"C": 1}, density_g_cm3=1.1)
    ranges = build_tables([dense, light], 2.0).range_max_nm
    assert ranges[1] == pytest.approx(2 * ranges[0], rel=1e-5)


def angle_table(symbol, model="mott"):
    """Return sin(theta / 2) in float64, (row, node): node q is exceeded with chance (q / n)^4."""
    tables = build_tables([pure(symbol)], 5.0, elastic=model, dtype=np.float64)
    return tables.angles.reshape(ROWS, QUANTILES + 1)


@pytest.mark.parametrize("model", ["mott", "browning", "rutherford"])
@pytest.mark.parametrize("symbol", ELEMENTS)
def test_sampled_angles_meet_the_transport_cross_section(symbol, model):
    sine = angle_table(symbol, model)
    fine = (np.arange(QUANTILES * 64) + 0.5) / 64  # as the loop interpolates, midpoint rule
    place = fine.astype(int)
    sampled = sine[:, place] + (fine - place) * (sine[:, place + 1] - sine[:, place])
    chance = np.diff((np.arange(QUANTILES * 64 + 1) / (QUANTILES * 64.0)) ** 4)
    mean = np.sum(2.0 * sampled**2 * chance, axis=1)  # 1 - cos = 2 sin^2(theta / 2)
    number = elements()[symbol].atomic_number
    expected = transport_cross_section_cm2(
        model, number, ANGLE_ENERGIES_EV
    ) / total_cross_section_cm2(model, number, ANGLE_ENERGIES_EV)
    np.testing.assert_allclose(mean, expected, rtol=2e-3)


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_sampled_angles_turn_back_as_often_as_the_cross_section(symbol):
    sine = angle_table(symbol)
    number = elements()[symbol].atomic_number
    for row in range(0, ROWS, 5):
        place = np.interp(-math.sqrt(0.5), -sine[row], np.arange(QUANTILES + 1.0))
        back = (place / QUANTILES) ** 4
        forwards = angular_cumulative("mott", number, float(ANGLE_ENERGIES_EV[row]), 0.5)
        assert back == pytest.approx(1.0 - float(forwards), rel=0.013)


def test_a_compound_scatters_as_its_atoms_in_proportion_to_their_cross_sections():
    water = Material(name="water", composition={"H": 2, "O": 1}, density_g_cm3=1.0)
    sine = build_tables([water], 5.0, dtype=np.float64).angles.reshape(ROWS, QUANTILES + 1)
    energy = float(ANGLE_ENERGIES_EV[40])
    area = {z: float(total_cross_section_cm2("mott", z, energy)) for z in (1, 8)}
    for node in (20, 64, 120):
        mu = sine[40, node] ** 2
        share = {z: float(angular_cumulative("mott", z, energy, mu)) for z in (1, 8)}
        below = (2 * area[1] * share[1] + area[8] * share[8]) / (2 * area[1] + area[8])
        assert 1.0 - below == pytest.approx((node / QUANTILES) ** 4, rel=1e-3)


def test_vacuum_has_no_optical_depth_and_lets_electrons_come_from_anywhere():
    alone, beside = build_tables([GOLD], 2.0), build_tables([VACUUM, GOLD], 2.0)
    assert beside.depth_max[0] == 0.0
    assert beside.range_max_nm[0] > 1e8
    assert beside.depth_max[1] == alone.depth_max[0]
    assert beside.reach_by_depth[NODES:].min() > 1e8
    assert alone.reach_by_depth.max() < 100.0


@pytest.mark.parametrize("symbol", ["C", "Au", "U"])
def test_no_electron_uses_its_random_numbers_up(symbol):
    depth = float(build_tables([pure(symbol)], 30.0).depth_max[0])
    assert depth + 10 * math.sqrt(depth) < 0.5 * DRAWS_PER_ELECTRON  # half for changes of medium
