"""Constants of secondary electrons: the rules for materials, and yields against measurements."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fib_plugins.electrons.emission import atom_fractions, emission_of, empty_d_states
from fib_plugins.electrons.layers import layered_yield
from fibcore import Material
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD

MEASURED = Path(__file__).parents[3] / "benchmarks" / "validation" / "secondary_measured.csv"


def pure(symbol):
    return Material.of_element(elements()[symbol])


@pytest.mark.parametrize(
    ("symbol", "holes"),
    [("C", 0), ("Al", 0), ("Sc", 8), ("Fe", 3), ("Ni", 1), ("Cu", 0), ("Mo", 5), ("Ag", 0),
     ("La", 8), ("Hf", 7), ("W", 5), ("Pt", 1), ("Au", 0), ("U", 8)],
)  # fmt: skip
def test_empty_d_states_are_those_of_the_group(symbol, holes):
    assert empty_d_states(elements()[symbol].atomic_number) == holes


def test_compounds_of_non_metals_emit_from_deeper_than_metals():
    cobaltate = Material(name="LiCoO2", composition={"Li": 1, "Co": 1, "O": 2}, density_g_cm3=5.05)
    steel = Material(
        name="steel", composition={"Fe": 98, "C": 1, "S": 1}, basis="weight", density_g_cm3=7.8
    )
    metals = [emission_of(m) for m in (GOLD, pure("C"), steel)]
    others = [emission_of(m) for m in (EPOXY, cobaltate)]
    assert min(o.escape_nm for o in others) > max(m.escape_nm for m in metals)
    assert max(o.epsilon_ev for o in others) < min(m.epsilon_ev for m in metals)
    assert emission_of(pure("W")).escape_nm < emission_of(GOLD).escape_nm


def test_fractions_of_atoms_do_not_depend_on_the_basis():
    water = Material(name="water", composition={"H": 2, "O": 1}, density_g_cm3=1.0)
    by_weight = Material(
        name="water", composition=water.weight_fractions, basis="weight", density_g_cm3=1.0
    )
    for each in (water, by_weight):
        assert atom_fractions(each) == pytest.approx({"H": 2 / 3, "O": 1 / 3})


@pytest.mark.parametrize("symbol", ["Al", "Cu", "Au"])
def test_yields_have_the_shape_measured_on_clean_surfaces(symbol):
    with MEASURED.open(encoding="utf-8") as file:
        rows = [
            (float(row["energy_kev"]), float(row["delta"]))
            for row in csv.DictReader(file)
            if row["element"] == symbol and row["source"] == "bronstein1969"
        ]
    chosen = [(e, delta) for e, delta in rows if 0.5 <= e <= 4.0]
    material = pure(symbol)
    ratio = [
        layered_yield(material, material, 0.0, e, 10_000, seed=1, emissions={}).delta / delta
        for e, delta in chosen
    ]
    middle = np.sqrt(max(ratio) * min(ratio))
    assert len(chosen) > 5
    assert max(ratio) / middle < 1.15
    assert 0.8 < middle < 1.25


def test_yields_are_inverse_to_the_energy_of_a_secondary_electron():
    metal = emission_of(GOLD)
    changed = metal.model_copy(update={"epsilon_ev": 4 * metal.epsilon_ev})
    many, few = (
        layered_yield(GOLD, GOLD, 0.0, 1.0, 20_000, seed=1, emissions={"Au": each})
        for each in (metal, changed)
    )
    assert many.counts == few.counts
    assert many.secondary / few.secondary == pytest.approx(4, rel=4 / np.sqrt(few.secondary))


def test_without_emissions_no_secondary_electrons_are_counted():
    found = layered_yield(EPOXY, GOLD, 5.0, 2.0, 2000, seed=1)
    assert found.secondary == found.delta == 0
