import logging
from typing import Any

import numpy as np
import pytest

from fib_plugins.physics.monte_carlo import MonteCarloLookup
from fib_plugins.testing import check_plugin
from fibcore import FibError, Material, Model, Table
from fibcore.elements import elements
from fibcore.formats import read_model, write_model
from fibcore.materials import EPOXY, GOLD, VACUUM

DEPTHS = np.arange(0.0, 200.0, 10.0)
ENERGIES = (1.0, 2.0, 4.0)


def law(z: float, energy_kev: Any, depth_nm: Any) -> Any:
    """A smooth law like nature's: it falls with the depth as a fraction of the range."""
    fraction = np.asarray(depth_nm) / (30.0 * np.asarray(energy_kev) ** 1.67)
    bare = z / 200 * np.asarray(energy_kev) ** 0.05
    return 0.06 + (bare - 0.03) / (1 + np.exp((fraction - 0.3) / 0.1))


def tabulated(materials: Any = ("epoxy", "C", "Cu", "Au"), energies: Any = ENERGIES) -> Table:
    number = {"epoxy": EPOXY.mean_atomic_number, "C": 6.0, "Cu": 29.0, "Au": 79.0}
    return Table.from_rows(
        {
            "material": name,
            "atomic_number": number[name],
            "overlayer": "epoxy",
            "energy_kev": energy,
            "depth_nm": depth,
            "eta": float(law(number[name], energy, depth)),
        }
        for name in materials
        for energy in energies
        for depth in DEPTHS.tolist()
    )


@pytest.fixture(scope="module")
def lookup() -> MonteCarloLookup:
    return MonteCarloLookup().fit(tabulated())


def pure(symbol: str) -> Material:
    return Material.of_element(elements()[symbol])


def test_keeps_the_contract():
    assert check_plugin(MonteCarloLookup) == []


def test_entries_of_the_table_come_back_as_they_are(lookup):
    table = tabulated()
    for name, material in (("Au", GOLD), ("epoxy", EPOXY)):
        rows = table["material"] == name
        energy, depth = table["energy_kev"][rows], table["depth_nm"][rows]
        found = lookup.coefficient(material, energy, depth)
        assert found == pytest.approx(table["eta"][rows], abs=1e-15)


def test_between_energies_and_depths_it_is_close_to_the_law_behind_the_table(lookup):
    energy, depth = np.array([[1.8], [2.5], [2.8], [3.2]]), np.arange(0.0, 190.0, 7.0)
    found, true = lookup.coefficient(GOLD, energy, depth), law(79.0, energy, depth)
    assert found.shape == (4, 28)
    assert np.abs(found - true).max() < 0.012
    # What interpolation at the same depth, not at the same part of the range, would give:
    share = np.log2(energy) - 1
    plain = (1 - share) * law(79.0, 2.0, depth) + share * law(79.0, 4.0, depth)
    assert np.abs(plain[1:3] - true[1:3]).max() > 0.05


def test_eta_never_leaves_what_the_table_holds_and_falls_with_depth(lookup):
    found = lookup.coefficient(GOLD, 1.3, np.linspace(0, 190, 500))
    eta = tabulated()["eta"]
    assert eta.min() <= found.min()
    assert found.max() <= eta.max()
    assert np.all(np.diff(found) <= 1e-12)


def test_a_material_that_is_not_in_the_table_lies_between_its_neighbours(lookup, caplog):
    with caplog.at_level(logging.WARNING):
        found = lookup.coefficient(pure("Ag"), 2.0, 20.0)
    copper, gold = (lookup.coefficient(pure(symbol), 2.0, 20.0) for symbol in ("Cu", "Au"))
    assert found == pytest.approx(copper + (47 - 29) / (79 - 29) * (gold - copper))
    assert "Ag is not in the table; its eta is taken between Cu and Au" in caplog.text


def test_a_material_of_the_same_name_but_another_composition_is_another(lookup, caplog):
    alloy = Material(name="Au", composition={"Au": 1, "Cu": 2}, density_g_cm3=15.0)
    with caplog.at_level(logging.WARNING):
        found = lookup.coefficient(alloy, 2.0, 20.0)
    copper, gold = (lookup.coefficient(pure(symbol), 2.0, 20.0) for symbol in ("Cu", "Au"))
    assert found == pytest.approx((2 * 29 * copper + 79 * gold) / (2 * 29 + 79))
    assert "Au is not in the table; its eta is the mean of those of its elements" in caplog.text


def test_a_compound_with_an_element_that_the_table_lacks_lies_between_neighbours(lookup, caplog):
    oxide = Material(name="oxide", composition={"Cu": 1, "O": 1}, density_g_cm3=6.3)
    with caplog.at_level(logging.WARNING):
        found = lookup.coefficient(oxide, 2.0)
    epoxy, copper = (lookup.coefficient(material, 2.0) for material in (EPOXY, pure("Cu")))
    share = (oxide.mean_atomic_number - EPOXY.mean_atomic_number) / (29 - EPOXY.mean_atomic_number)
    assert found == pytest.approx(epoxy + share * (copper - epoxy))
    assert "oxide is not in the table; its eta is taken between epoxy and Cu" in caplog.text


def test_beyond_the_heaviest_and_the_lightest_the_nearest_one_is_taken(lookup, caplog):
    with caplog.at_level(logging.WARNING):
        heavy = lookup.coefficient(pure("U"), 2.0)
    assert heavy == lookup.coefficient(GOLD, 2.0)
    assert "taken as that of Au" in caplog.text
    assert "an atomic number 92 is an extrapolation; the table covers 6 to 79" in caplog.text


def test_outside_of_the_table_the_nearest_value_holds_and_a_warning_says_so(lookup, caplog):
    with caplog.at_level(logging.WARNING):
        deep = lookup.coefficient(GOLD, 4.0, [190.0, 300.0])
    assert deep[0] == deep[1]
    assert "depths 300 nm is the value at the nearest depth inside" in caplog.text
    with caplog.at_level(logging.WARNING):
        slow = lookup.coefficient(GOLD, 0.5, 10.0)
    assert slow == pytest.approx(lookup.coefficient(GOLD, 1.0, 10.0 * 2**1.67))
    assert "energies 0.5 keV is an extrapolation; the table covers 1 to 4 keV" in caplog.text


def test_inside_the_table_nothing_is_said(lookup, caplog):
    with caplog.at_level(logging.WARNING):
        lookup.coefficient(GOLD, [1.0, 4.0], [0.0, 190.0])
    assert caplog.text == ""


def test_vacuum_scatters_nothing(lookup):
    assert lookup.coefficient(VACUUM, [1.0, 2.0]).tolist() == [0.0, 0.0]


def test_one_energy_and_one_depth_make_a_table_too():
    table = tabulated(("Au",), (2.0,))
    single = Table({name: values[:1] for name, values in table.columns.items()})
    assert MonteCarloLookup().fit(single).coefficient(GOLD, 2.0, 0.0) == single["eta"][0]


def test_curves_of_different_depths_make_a_table_too():
    table = tabulated(("Au",))
    rows = (table["energy_kev"] != 1.0) | (table["depth_nm"] <= 50)
    ragged = Table({name: values[rows] for name, values in table.columns.items()})
    found = MonteCarloLookup().fit(ragged).coefficient(GOLD, [1.0, 2.0], [30.0, 150.0])
    assert found == pytest.approx([law(79, 1.0, 30.0), law(79, 2.0, 150.0)])


def test_a_model_from_disk_gives_the_same(lookup, tmp_path):
    write_model(lookup.model, tmp_path / "model.safetensors")
    read = MonteCarloLookup.from_model(read_model(tmp_path / "model.safetensors"))
    depths = np.linspace(0, 100, 7)
    assert np.array_equal(
        read.coefficient(GOLD, 1.7, depths), lookup.coefficient(GOLD, 1.7, depths)
    )
    assert read.model.info["overlayer"] == "epoxy"


def test_a_table_of_ones_own_takes_the_place_of_the_one_of_fib(lookup):
    assert MonteCarloLookup().coefficient(GOLD, 2.0) != lookup.coefficient(GOLD, 2.0)
    assert lookup.overlayer_name == "epoxy"
    columns = {name: v for name, v in tabulated().columns.items() if name != "overlayer"}
    assert MonteCarloLookup().fit(Table(columns)).overlayer_name is None
    assert MonteCarloLookup(overlayer="C").fit(Table(columns)).overlayer_name == "C"


def test_a_table_for_another_overlayer_than_the_parameter_is_refused():
    assert MonteCarloLookup(overlayer=EPOXY).fit(tabulated()).overlayer_name == "epoxy"
    with pytest.raises(FibError, match="under epoxy, the parameter overlayer is vacuum"):
        MonteCarloLookup(overlayer=VACUUM).fit(tabulated())


def test_a_model_of_parameters_alone_is_the_table_of_fib():
    plain = MonteCarloLookup(overlayer=VACUUM)
    model = Model(plain.identifier(), plain.model_dump(mode="json"))
    read = MonteCarloLookup.from_model(model)
    assert read.overlayer_name == "vacuum"
    assert read.coefficient(GOLD, 2.0, 50.0) == plain.coefficient(GOLD, 2.0, 50.0)


def test_a_model_that_lost_its_table_is_refused(lookup):
    model = lookup.model
    with pytest.raises(FibError, match="lacks the weights"):
        MonteCarloLookup.from_model(Model(model.plugin, model.params, {}, model.info))
    with pytest.raises(FibError, match="info of the model"):
        MonteCarloLookup.from_model(Model(model.plugin, model.params, model.weights))


def test_steps_run_it_without_a_table_and_fit_and_apply_it_with_one(bench):
    own = {"materials": ["Au", "epoxy"], "energies_kev": [2], "electrons": 200, "depths_nm": [0, 9]}
    physics = [
        {"id": "plain", "run": "physics/monte_carlo"},
        {"id": "open", "run": "physics/monte_carlo", "params": {"overlayer": "vacuum"}},
        {"id": "law", "run": "physics/hunger_kuchler"},
        {"id": "own", "run": "physics/monte_carlo_table", "params": own},
        {"id": "fitted", "fit": "physics/monte_carlo", "inputs": {"table": "own"}},
        {"id": "applied", "apply": "fitted"},
    ]
    structure = {"id": "gold", "run": "generator/toy_blocks"}
    images = [
        {
            "id": f"by_{name or 'default'}",
            "run": "simulator/weighted_projection",
            "inputs": {"labels": "gold"} | ({"physics": name} if name else {}),
            "params": {"energies_kev": [2], "slices": 3, "mode": "first_hit"},
        }
        for name in ("", "plain", "open", "law", "fitted", "applied")
    ]
    done = bench.run([structure, *physics, *images])
    seen = {name: done[f"by_{name}"].data.tobytes() for name in ("default", "plain", "open")}
    assert seen["default"] == seen["plain"] != seen["open"]
    assert done["by_law"].data.tobytes() not in seen.values()
    assert done["by_fitted"].data.tobytes() not in seen.values()
    assert done["by_applied"].data.tobytes() == done["by_fitted"].data.tobytes()
