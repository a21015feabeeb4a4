import csv
import logging
from pathlib import Path

import numpy as np
import pytest

from fib_plugins.backscatter.electron_range import kanaya_okayama_range_nm
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fibcore import FibError, Material
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM

MEASURED = Path(__file__).parents[3] / "../shared/references/backscatter_measured.csv"

THICKNESS_NM = [0, 5, 10, 20, 30, 40, 50, 75, 100, 150, 190]
GOLD_UNDER_EPOXY = {
    1: [0.417, 0.293, 0.167] + 8 * [0.070],
    2: [0.445, 0.411, 0.380, 0.300, 0.208, 0.122, 0.068] + 4 * [0.059],
    4: [0.451, 0.443, 0.436, 0.420, 0.401, 0.378, 0.357, 0.288, 0.213, 0.080, 0.052],
}
"""Monte Carlo with Mott cross sections and Joy-Luo energy loss, by voltage; error 0.002."""


def pure(symbol: str) -> Material:
    return Material.of_element(elements()[symbol])


def test_bulk_values_by_hand():
    law = HungerKuchler()
    # Au: m = 0.03457, C = 0.43670; Cu: m = -0.03284, C = 0.33349
    assert law.coefficient(pure("Au"), 20.0) == pytest.approx(0.43670 * 20**0.03457, rel=1e-4)
    assert law.coefficient(pure("Cu"), 10.0) == pytest.approx(0.33349 * 10**-0.03284, rel=1e-4)


@pytest.mark.skipif(
    not MEASURED.exists(), reason="measured coefficients are not beside the project"
)
@pytest.mark.parametrize(
    ("symbol", "rms"), [("Au", 0.01), ("Cu", 0.02), ("Si", 0.035), ("C", 0.08)]
)
def test_agrees_with_the_measurements_it_was_made_from(symbol, rms):
    with MEASURED.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "hunger1979"]
    rows = [row for row in rows if row["element"] == symbol]
    energy = np.array([float(row["energy_kev"]) for row in rows])
    eta = np.array([float(row["eta"]) for row in rows])
    assert len(energy) >= 8
    deviation = HungerKuchler().coefficient(pure(symbol), energy) / eta - 1
    assert np.sqrt(np.mean(deviation**2)) <= rms


@pytest.mark.parametrize(("kv", "rms"), [(1, 0.06), (2, 0.04), (4, 0.022)])
def test_falls_with_depth_as_a_monte_carlo_simulation_does(kv, rms):
    reference = np.array(GOLD_UNDER_EPOXY[kv])
    eta = HungerKuchler().coefficient(GOLD, kv, THICKNESS_NM)

    def visible(values: np.ndarray) -> np.ndarray:
        return (values - values[-1]) / (values[0] - values[-1])

    assert np.sqrt(np.mean((visible(eta) - visible(reference)) ** 2)) < rms
    assert np.sqrt(np.mean((eta - reference) ** 2)) < rms


def test_is_the_mean_over_weight_fractions_for_compounds():
    law = HungerKuchler()
    alloy = Material(
        name="alloy", composition={"Au": 0.3, "Cu": 0.7}, basis="weight", density_g_cm3=10.7
    )
    expected = 0.3 * law.coefficient(pure("Au"), 10) + 0.7 * law.coefficient(pure("Cu"), 10)
    assert law.coefficient(alloy, 10) == pytest.approx(float(expected), rel=1e-12)


def test_hydrogen_and_vacuum_send_nothing_back():
    law = HungerKuchler(overlayer=VACUUM)
    assert law.coefficient(pure("H"), 10.0) == 0.0
    assert law.coefficient(VACUUM, 10.0, 50.0) == 0.0


def test_starts_at_the_bulk_and_ends_at_the_overlayer():
    law = HungerKuchler()
    cut = float(kanaya_okayama_range_nm(EPOXY, 5.0)) / 3
    eta = law.coefficient(GOLD, 5.0, np.linspace(0, 1.2 * cut, 300))
    assert eta[0] == law.coefficient(GOLD, 5.0)
    assert np.all(np.diff(eta) <= 0)
    assert law.coefficient(GOLD, 5.0, 1.001 * cut) == law.coefficient(EPOXY, 5.0)
    assert law.coefficient(GOLD, 5.0, 0.9 * cut) > law.coefficient(EPOXY, 5.0)


def test_an_overlayer_brighter_than_the_material_raises_the_coefficient():
    eta = HungerKuchler(overlayer=GOLD).coefficient(pure("C"), 10.0, np.linspace(0, 100, 20))
    assert np.all(np.diff(eta) >= 0)
    assert eta[-1] > eta[0]


def test_without_overlayer_depth_does_not_matter():
    eta = HungerKuchler(overlayer=VACUUM).coefficient(GOLD, 10.0, [0.0, 10.0, 1e6])
    assert np.all(eta == eta[0])


def test_the_material_under_itself_is_bulk_at_any_depth():
    law = HungerKuchler()
    eta = law.coefficient(EPOXY, 5.0, [0.0, 7.0, 1e4])
    assert np.all(eta == law.coefficient(EPOXY, 5.0))


def test_broadcasts_energy_against_depth():
    law = HungerKuchler()
    energies, depths = np.array([[5.0], [10.0], [20.0]]), np.array([0.0, 30.0])
    eta = law.coefficient(GOLD, energies, depths)
    assert eta.shape == (3, 2)
    assert eta.dtype == np.float64
    for i, energy in enumerate(energies[:, 0]):
        for j, depth in enumerate(depths):
            assert eta[i, j] == law.coefficient(GOLD, float(energy), float(depth))


def test_stays_within_zero_and_one_at_extreme_energies():
    eta = HungerKuchler().coefficient(pure("C"), np.array([1e-4, 0.01, 1.0, 50.0]))
    assert eta[0] == 1.0  # E^m grows without bound towards E = 0
    assert np.all((eta >= 0) & (eta <= 1))


def test_warns_once_outside_the_fitted_range_and_names_the_energies(caplog):
    with caplog.at_level(logging.WARNING, logger="fib"):
        HungerKuchler().coefficient(GOLD, [1.0, 2.0, 10.0, 45.0], 0.0)
    assert len(caplog.records) == 1
    assert "1, 2, 45 keV" in caplog.text
    assert "4 to 40 keV" in caplog.text


def test_warns_of_every_material_in_the_same_words_and_not_of_vacuum(caplog):
    law = HungerKuchler()
    with caplog.at_level(logging.WARNING, logger="fib"):
        law.coefficient(VACUUM, [1.0, 2.0], 0.0)
        assert caplog.records == []
        for material in (GOLD, EPOXY):
            law.coefficient(material, [1.0, 2.0], 0.0)
    first, second = (record.getMessage() for record in caplog.records)
    assert first == second


def test_is_silent_within_the_fitted_range(caplog):
    with caplog.at_level(logging.WARNING, logger="fib"):
        HungerKuchler().coefficient(GOLD, [4.0, 40.0], 10.0)
    assert not caplog.records


@pytest.mark.parametrize("energy_kev", [0.0, -1.0, np.nan])
def test_refuses_energies_that_are_not_positive(energy_kev):
    with pytest.raises(FibError, match="above 0 keV"):
        HungerKuchler().coefficient(GOLD, [5.0, energy_kev])


def test_refuses_negative_depths():
    with pytest.raises(FibError, match="from 0 nm"):
        HungerKuchler().coefficient(GOLD, 5.0, -1.0)


def test_tabulates_the_reference_materials():
    table = HungerKuchler().tabulate()
    assert table.names == ["material", "atomic_number", "energy_kev", "depth_nm", "eta"]
    assert all(table[name].dtype == np.float64 for name in table.names[1:])
    row = next(
        r
        for r in table.rows()
        if (r["material"], r["energy_kev"], r["depth_nm"]) == ("Au", 10.0, 30.0)
    )
    assert row["atomic_number"] == 79
    assert row["eta"] == float(HungerKuchler().coefficient(GOLD, 10.0, 30.0))
