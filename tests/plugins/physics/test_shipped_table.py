"""The table that comes with fib, held against simulations, measurements and the analytic law."""

import csv
import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fib_plugins.backscatter.electron_range import kanaya_okayama_range_nm
from fib_plugins.backscatter.shipped_table import DATA, shipped_table
from fib_plugins.electrons.layers import layered_yield
from fib_plugins.materials import MATERIALS
from fib_plugins.physics.hunger_kuchler import bulk_coefficient
from fib_plugins.physics.monte_carlo import MonteCarloLookup
from fibcore import Material
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM
from fibcore.registry import registry

REPOSITORY = Path(__file__).parents[3]
MEASURED = REPOSITORY / "benchmarks" / "validation" / "backscatter_measured.csv"
TOOL = REPOSITORY / "tools" / "make_backscatter_table.py"

PMMA = Material(name="PMMA", composition={"C": 5, "H": 8, "O": 2}, density_g_cm3=1.18)
SILICONE = Material(
    name="silicone", composition={"Si": 1, "O": 1, "C": 2, "H": 6}, density_g_cm3=1.1
)


@pytest.fixture(scope="module")
def table():
    return shipped_table()


def pure(symbol: str) -> Material:
    return Material.of_element(elements()[symbol])


def test_holds_what_is_built_in_and_the_elements_at_the_voltages_of_microscopes(table):
    names = set(table["material"])
    assert {material.name for material in MATERIALS if material.composition} <= names
    assert {"H", "Li", "C", "O", "Al", "Si", "Cl", "Ti", "Ni", "Ag", "W", "Au", "U"} <= names
    for name in names:
        rows = table["material"] == name
        assert table["atomic_number"][rows][0] == registry().material(name).mean_atomic_number
        energies = table["energy_kev"][rows]
        assert {0.5, 1, 1.5, 2, 3, 5, 10, 15, 20, 30} <= set(energies)
        reach = kanaya_okayama_range_nm(EPOXY, energies)
        deepest = table["depth_nm"][rows] / reach
        assert (deepest.min(), deepest.max()) == (0.0, pytest.approx(0.5))
    assert set(table["overlayer"]) == {"epoxy"}
    eta, error = table["eta"], table["standard_error"]
    assert error == pytest.approx(np.sqrt(eta * (1 - eta) / 100_000))
    assert error.max() < 0.0017


def test_the_file_is_small_and_holds_numbers_and_names_only():
    assert DATA.stat().st_size < 600_000
    with np.load(DATA, allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= set("fiuU")


def test_below_its_last_depth_no_electron_comes_back_from_the_material(table):
    deep = table["depth_nm"] > 0.49 * kanaya_okayama_range_nm(EPOXY, table["energy_kev"])
    bare = (table["material"] == "epoxy") & (table["depth_nm"] == 0)
    for energy in np.unique(table["energy_kev"]):
        found = table["eta"][deep & (table["energy_kev"] == energy)]
        epoxy = table["eta"][bare & (table["energy_kev"] == energy)]
        error = np.sqrt(epoxy * (1 - epoxy) / 100_000)
        assert np.std(found) < 1.3 * error
        assert found.mean() == pytest.approx(float(epoxy[0]), abs=4 * float(error[0]))


def test_eta_approaches_that_of_epoxy_with_depth_and_never_turns(table):
    for name in set(table["material"]):
        rows = table["material"] == name
        curves = table["eta"][rows].reshape(17, 21)
        error = table["standard_error"][rows].reshape(17, 21)
        towards = np.sign(curves[:, -1] - curves[:, 0])[:, None]
        steps = towards * np.diff(curves, axis=1)
        allowed = 4.5 * np.hypot(error[:, 1:], error[:, :-1])
        assert np.all(steps > -allowed), name


@pytest.mark.parametrize(
    ("name", "energy_kev"), [("Au", 1.0), ("C", 2.0), ("NMC811", 3.0), ("Cu", 0.5), ("W", 5.0)]
)
def test_entries_are_what_a_simulation_with_other_random_numbers_gives(table, name, energy_kev):
    rows = (table["material"] == name) & (table["energy_kev"] == energy_kev)
    for row in np.flatnonzero(rows)[[0, 4, 11]]:
        fresh = layered_yield(
            EPOXY, registry().material(name), table["depth_nm"][row], energy_kev, 50_000, seed=77
        )
        error = np.hypot(fresh.standard_error, table["standard_error"][row])
        assert abs(table["eta"][row] - fresh.eta) < 4 * error


@pytest.mark.parametrize(
    ("name", "energy_kev", "fraction"),
    [("Au", 1.12, 0.11), ("Cu", 0.55, 0.05), ("Si", 1.75, 0.21), ("YSZ", 2.75, 0.31),
     ("Pb", 3.6, 0.26), ("LiCoO2", 6.0, 0.16), ("Ag", 12.0, 0.0), ("C", 0.77, 0.09),
     ("Fe", 24.0, 0.19)],
)  # fmt: skip
def test_between_its_energies_and_depths_it_agrees_with_fresh_simulations(
    name, energy_kev, fraction
):
    material = registry().material(name)
    depth = fraction * float(kanaya_okayama_range_nm(EPOXY, energy_kev))
    fresh = layered_yield(EPOXY, material, depth, energy_kev, 60_000, seed=5)
    found = float(MonteCarloLookup().coefficient(material, energy_kev, depth))
    error = np.hypot(fresh.standard_error, np.sqrt(found * (1 - found) / 100_000))
    assert abs(found - fresh.eta) < 4 * error


@pytest.mark.parametrize(
    ("symbols", "rms"),
    [(("Au", "Pt", "W", "Pb", "U"), 0.02), (("Cu", "Ag", "Fe", "Ni"), 0.04), (("Al", "Si"), 0.06)],
)
def test_bare_elements_agree_with_the_analytic_law_where_it_was_fitted(table, symbols, rms):
    deviations = []
    for symbol in symbols:
        rows = (table["material"] == symbol) & (table["depth_nm"] == 0) & (table["energy_kev"] >= 4)
        law = bulk_coefficient(pure(symbol), table["energy_kev"][rows])
        deviations += list(table["eta"][rows] / law - 1)
    assert len(deviations) == 7 * len(symbols)
    assert np.sqrt(np.mean(np.square(deviations))) < rms


@pytest.mark.parametrize(
    ("element", "source", "rms"),
    [("Au", "elgomati1997", 0.045), ("Cu", "elgomati1997", 0.1), ("C", "elgomati1997", 0.135),
     ("Au", "hunger1979", 0.02), ("Cu", "hunger1979", 0.055), ("Si", "hunger1979", 0.065),
     ("C", "hunger1979", 0.18)],
)  # fmt: skip
def test_bare_elements_deviate_from_measurements_as_the_validation_page_says(element, source, rms):
    with MEASURED.open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if (r["element"], r["source"]) == (element, source)]
    energy, eta = (np.array([float(row[k]) for row in rows]) for k in ("energy_kev", "eta"))
    inside = (energy >= 0.5) & (energy <= 30)
    found = MonteCarloLookup().coefficient(pure(element), energy[inside])
    assert np.count_nonzero(inside) >= 6
    assert np.sqrt(np.mean((found / eta[inside] - 1) ** 2)) < rms


def test_without_a_table_of_ones_own_it_gives_the_entries_of_this_one(table, caplog):
    rows = (table["material"] == "YSZ") & (table["energy_kev"] < 8)
    with caplog.at_level(logging.WARNING):
        found = MonteCarloLookup().coefficient(
            registry().material("YSZ"), table["energy_kev"][rows], table["depth_nm"][rows]
        )
    assert found == pytest.approx(table["eta"][rows], abs=1e-15)
    assert MonteCarloLookup().overlayer_name == "epoxy"
    assert caplog.text == ""


def test_in_vacuum_buried_material_looks_like_bare_material(table, caplog):
    lookup = MonteCarloLookup(overlayer=VACUUM)
    with caplog.at_level(logging.WARNING):
        found = lookup.coefficient(GOLD, [[0.5], [2.0], [30.0]], [0.0, 5.0, 1e6])
        empty = lookup.coefficient(VACUUM, [0.1, 40.0])
    assert found == pytest.approx(
        MonteCarloLookup().coefficient(GOLD, [[0.5], [2.0], [30.0]]) * [1, 1, 1]
    )
    assert empty.tolist() == [0.0, 0.0]
    assert caplog.text == ""
    assert lookup.overlayer_name == "vacuum"


def test_deeper_than_the_table_nothing_changes_and_no_warning_is_due(caplog):
    with caplog.at_level(logging.WARNING):
        found = MonteCarloLookup().coefficient(GOLD, 2.0, [90.0, 1e5])
        epoxy = MonteCarloLookup().coefficient(EPOXY, 2.0)
    assert found[0] == found[1] == pytest.approx(float(epoxy), abs=0.004)
    assert caplog.text == ""


@pytest.mark.parametrize("energy_kev", [0.3, 40.0])
def test_voltages_that_it_does_not_hold_are_warned_of(energy_kev, caplog):
    with caplog.at_level(logging.WARNING):
        found = MonteCarloLookup().coefficient(GOLD, energy_kev)
    assert 0.2 < found < 0.55
    assert f"energies {energy_kev:g} keV is an extrapolation; the table covers 0.5 to 30 keV" in (
        caplog.text
    )


@pytest.mark.parametrize(
    ("filler", "material", "error", "warned"),
    [(PMMA, "Au", 0.006, False), (PMMA, "C", 0.006, False), (SILICONE, "Cu", 0.01, False),
     (pure("Si"), "Au", 0.02, True), (pure("Si"), "C", 0.01, True), (pure("Cu"), "Au", 0.02, True),
     (pure("Pt"), "Al", 0.03, True)],
)  # fmt: skip
def test_under_another_filler_it_is_close_to_simulations_there(
    filler, material, error, warned, caplog
):
    solid = registry().material(material)
    fractions = np.array([0.05, 0.15, 0.3])
    depths = fractions * float(kanaya_okayama_range_nm(filler, 3.0))
    with caplog.at_level(logging.WARNING):
        found = MonteCarloLookup(overlayer=filler).coefficient(solid, 3.0, depths)
    fresh = [layered_yield(filler, solid, d, 3.0, 40_000, seed=3).eta for d in depths]
    assert np.sqrt(np.mean((found - fresh) ** 2)) < error
    said = f"simulated under epoxy; under {filler.name} its depths are converted" in caplog.text
    assert said == warned


@pytest.mark.parametrize(
    ("composition", "error"),
    [({"Ti": 1, "O": 2}, 0.005), ({"Li": 1, "Fe": 1, "P": 1, "O": 4}, 0.01),
     ({"Si": 1, "C": 1}, 0.006), ({"W": 1, "C": 1}, 0.03)],
)  # fmt: skip
def test_a_compound_is_the_mean_of_its_elements_by_electrons(composition, error, caplog):
    compound = Material(name="powder", composition=composition, density_g_cm3=4.0)
    with caplog.at_level(logging.WARNING):
        found = MonteCarloLookup().coefficient(compound, 2.0)
    fresh = layered_yield(EPOXY, compound, 0.0, 2.0, 60_000, seed=3)
    assert abs(found - fresh.eta) < error
    assert "powder is not in the table; its eta is the mean of those of its elements" in caplog.text


def test_an_element_under_another_name_and_density_is_that_element(caplog):
    foam = Material(name="foam", composition={"Ni": 3}, density_g_cm3=2.0)
    with caplog.at_level(logging.WARNING):
        found = MonteCarloLookup().coefficient(foam, 2.0, [0.0, 20.0])
    assert np.array_equal(found, MonteCarloLookup().coefficient(pure("Ni"), 2.0, [0.0, 20.0]))
    assert caplog.text == ""


def test_an_element_that_it_lacks_lies_between_its_neighbours(caplog):
    with caplog.at_level(logging.WARNING):
        found = MonteCarloLookup().coefficient(pure("Tc"), 2.0)
    fresh = layered_yield(EPOXY, pure("Tc"), 0.0, 2.0, 60_000, seed=3)
    assert abs(found - fresh.eta) < 4 * fresh.standard_error
    assert "Tc is not in the table; its eta is taken between Mo and Ru" in caplog.text


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("make_backscatter_table", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_makes_the_same_table_again(tool, tmp_path, table):
    for threads in ("1", "2"):
        out = tmp_path / f"{threads}.npz"
        tool.main(["--only", "Au,0.6", "--threads", threads, "--out", str(out)])
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.npz", "2.npz"]
    again = shipped_table(tmp_path / "1.npz")
    rows = (table["material"] == "Au") & (table["energy_kev"] == 0.6)
    assert again["depth_nm"] == pytest.approx(table["depth_nm"][rows], rel=1e-12)
    # another processor may send a few electrons another way; other random numbers all of them
    assert np.abs(again["eta"] - table["eta"][rows]).max() < 2e-4


def test_the_command_refuses_what_is_not_in_the_table(tool, tmp_path):
    with pytest.raises(SystemExit, match=r"--only: 2\.2, Aux not in the table"):
        tool.main(["--only", "Aux,2.2,Au", "--out", str(tmp_path / "part.npz")])


def test_the_command_covers_the_whole_of_what_is_shipped(tool, table):
    assert list(dict.fromkeys(table["material"])) == list(tool.materials())
    assert tuple(np.unique(table["energy_kev"])) == tool.ENERGIES_KEV


def test_the_file_is_read_when_a_coefficient_is_asked_for_and_not_before():
    code = (
        "import sys\n"
        "from fib_plugins.physics.monte_carlo import MonteCarloLookup\n"
        "from fib_plugins.backscatter import shipped_table\n"
        "from fibcore.materials import GOLD\n"
        "MonteCarloLookup(overlayer='vacuum')\n"
        "assert shipped_table.shipped_lookup.cache_info().currsize == 0\n"
        "assert not {'numba', 'scipy', 'torch'} & set(sys.modules), 'heavy'\n"
        "MonteCarloLookup().coefficient(GOLD, 2.0)\n"
        "assert shipped_table.shipped_lookup.cache_info().currsize == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)
