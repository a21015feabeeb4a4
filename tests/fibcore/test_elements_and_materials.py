from itertools import pairwise

import pytest
from pydantic import ValidationError

from fibcore import FibError, Material
from fibcore.elements import element, elements
from fibcore.materials import EPOXY, GOLD, VACUUM


def test_there_are_92_elements_in_order():
    entries = list(elements().values())
    assert [entry.atomic_number for entry in entries] == list(range(1, 93))
    assert len({entry.name for entry in entries}) == 92
    assert all(entry.symbol == symbol for symbol, entry in elements().items())
    assert all(entry.name == entry.name.lower() for entry in entries)
    assert [e.symbol for e in entries if e.atomic_number in (1, 26, 47, 74, 82, 92)] == [
        "H", "Fe", "Ag", "W", "Pb", "U",
    ]  # fmt: skip


def test_weights_rise_with_atomic_number_but_for_the_known_inversions():
    entries = list(elements().values())
    falls = {
        (a.symbol, b.symbol)
        for a, b in pairwise(entries)
        if a.atomic_weight_g_mol >= b.atomic_weight_g_mol
    }
    assert falls == {("Ar", "K"), ("Co", "Ni"), ("Te", "I"), ("Th", "Pa")}


def test_weights_keep_to_the_ratio_of_nuclei():
    for entry in elements().values():
        if entry.atomic_number > 1:
            assert 1.95 < entry.atomic_weight_g_mol / entry.atomic_number < 2.7


def test_gases_alone_are_lighter_than_lithium():
    light = {s for s, entry in elements().items() if entry.density_g_cm3 < 0.1}
    # bromine is tabulated as vapour
    assert light == {"H", "He", "N", "O", "F", "Ne", "Cl", "Ar", "Br", "Kr", "Xe", "Rn"}
    assert max(entry.density_g_cm3 for entry in elements().values()) < 23


def test_gas_densities_follow_the_ideal_gas_law():
    molar_volume_cm3 = 24055  # 20 C, one atmosphere
    atoms = {"H": 2, "He": 1, "N": 2, "O": 2, "F": 2, "Ne": 1, "Cl": 2, "Ar": 1, "Kr": 1, "Xe": 1}
    for symbol, count in atoms.items():
        entry = elements()[symbol]
        ideal = count * entry.atomic_weight_g_mol / molar_volume_cm3
        assert entry.density_g_cm3 == pytest.approx(ideal, rel=0.02)


@pytest.mark.parametrize(
    ("symbol", "weight", "density"),
    [("C", 12.011, 2.0), ("Al", 26.98, 2.70), ("Si", 28.085, 2.33), ("Cu", 63.55, 8.96),
     ("Ag", 107.87, 10.5), ("Pt", 195.08, 21.45), ("Au", 196.97, 19.3), ("Ar", 39.95, 1.66e-3)],
)  # fmt: skip
def test_well_known_values(symbol, weight, density):
    entry = elements()[symbol]
    assert entry.atomic_weight_g_mol == pytest.approx(weight, rel=1e-3)
    assert entry.density_g_cm3 == pytest.approx(density, rel=5e-3)


def test_elements_go_by_symbol_or_name():
    assert element("Au") is element("gold") is element("Gold")
    with pytest.raises(FibError, match="Did you mean 'gold'"):
        element("golt")


def test_weight_fractions_of_a_compound():
    silica = Material(name="silica", composition={"Si": 1, "O": 2}, density_g_cm3=2.2)
    assert silica.weight_fractions["Si"] == pytest.approx(28.085 / 60.083, rel=1e-6)
    assert sum(silica.weight_fractions.values()) == pytest.approx(1.0)
    assert silica.mean_atomic_number == pytest.approx(10.80, abs=0.01)


def test_amounts_by_weight_are_normalised():
    alloy = Material(name="a", composition={"Au": 30, "Ag": 10}, basis="weight", density_g_cm3=15.0)
    assert alloy.weight_fractions == pytest.approx({"Au": 0.75, "Ag": 0.25})


def test_built_in_constants():
    assert GOLD.mean_atomic_number == pytest.approx(79)
    assert EPOXY.mean_atomic_number == pytest.approx(6.02, abs=0.02)
    assert VACUUM.mean_atomic_number == 0
    assert VACUUM.weight_fractions == {}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"composition": {"Xx": 1}, "density_g_cm3": 1.0}, "not the symbol of an element"),
        ({"composition": {"Si": 0}, "density_g_cm3": 1.0}, "leave it out"),
        ({"composition": {}, "density_g_cm3": 1.0}, "a material has both"),
        ({"composition": {"Si": 1}, "density_g_cm3": 0.0}, "a material has both"),
    ],
)
def test_messages_on_wrong_materials_state_what_to_do(fields, message):
    with pytest.raises(ValidationError, match=message):
        Material(name="wrong", **fields)


def test_misspelt_fields_are_refused():
    with pytest.raises(ValidationError, match="density"):
        Material(name="wrong", composition={"Si": 1}, density=2.0)
