import math

import pytest

import fibcore
from fib_plugins.materials import LICOO2, MATERIALS, NMC811, YSZ
from fibcore.elements import elements
from fibcore.materials import EPOXY, VACUUM
from fibcore.registry import Registry

AVOGADRO_PER_CUBIC_ANGSTROM = 0.602214
HEXAGON = math.sqrt(3) / 2


def formula_weight(amounts: dict[str, float]) -> float:
    return sum(n * elements()[symbol].atomic_weight_g_mol for symbol, n in amounts.items())


def by_name(name: str) -> fibcore.Material:
    return next(material for material in MATERIALS if material.name == name)


@pytest.mark.parametrize(
    ("name", "volume_a3", "units"),
    [
        ("alumina", HEXAGON * 4.759**2 * 12.991, 6),
        ("LiCoO2", HEXAGON * 2.816**2 * 14.05, 3),
        ("NMC811", HEXAGON * 2.872**2 * 14.20, 3),
        ("YSZ", 5.139**3, 4 / 1.08),  # 1.08 cations in a formula unit, 4 in a cell
    ],
)
def test_densities_of_crystals_follow_from_their_unit_cells(name, volume_a3, units):
    material = by_name(name)
    density = units * formula_weight(material.composition) / volume_a3 / AVOGADRO_PER_CUBIC_ANGSTROM
    assert material.density_g_cm3 == pytest.approx(density, abs=0.006)


@pytest.mark.parametrize(
    ("name", "fractions"),
    [
        ("epoxy", {"C": 0.741, "H": 0.071, "O": 0.188}),
        ("alumina", {"Al": 0.5293, "O": 0.4707}),
        ("silica", {"Si": 0.4674, "O": 0.5326}),
        ("LiCoO2", {"Li": 0.0709, "Co": 0.6021, "O": 0.3269}),
        ("YSZ", {"Zr": 0.6386, "Y": 0.1082, "O": 0.2532}),
    ],
)
def test_weight_fractions(name, fractions):
    assert by_name(name).weight_fractions == pytest.approx(fractions, abs=1.2e-3)


@pytest.mark.parametrize("material", [LICOO2, NMC811, YSZ], ids=lambda m: m.name)
def test_oxides_are_neutral(material):
    charges = {"Li": 1, "Co": 3, "Ni": 3, "Mn": 3, "Zr": 4, "Y": 3, "O": -2}
    assert sum(n * charges[s] for s, n in material.composition.items()) == pytest.approx(0)


def test_names_are_unique_and_every_solid_names_its_source():
    names = [material.name.lower() for material in MATERIALS]
    assert len(set(names)) == len(names)
    assert {"vacuum", "epoxy", "alumina", "silica", "licoo2", "nmc811", "ysz"} < set(names)
    assert {"carbon black", "pvdf"} < set(names)
    assert all(material.source for material in MATERIALS if material is not VACUUM)
    assert not set(names) & {entry.name for entry in elements().values()}


def test_they_register_and_resolve_beside_the_elements():
    class Package:
        @fibcore.hookimpl
        def fib_register_materials(self, register):
            for material in MATERIALS:
                register(material)

    registry = Registry()
    registry.add_module(Package(), "test")
    assert not registry.broken
    assert registry.material("nmc811") is NMC811
    assert registry.material("epoxy") is EPOXY
    assert registry.material("gold").mean_atomic_number == pytest.approx(79)
