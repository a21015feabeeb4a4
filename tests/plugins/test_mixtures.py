import json

import pytest
from pydantic import BaseModel, ValidationError

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.mixtures import Mixture
from fibcore import FibError, check_pipeline
from fibcore.params import MaterialParam
from fibcore.registry import registry


class Holder(BaseModel):
    material: MaterialParam


def given(**definition):
    return Holder(material={"name": "mixed", **definition}).material


def test_pores_lower_the_density_and_keep_the_composition():
    porous = given(mixture={"carbon black": 1}, porosity=0.4)
    assert porous.density_g_cm3 == pytest.approx(0.6 * 1.8)
    assert porous.weight_fractions == pytest.approx({"C": 1.0})
    same = given(mixture={"carbon black": 60, "vacuum": 40})
    assert same.density_g_cm3 == pytest.approx(porous.density_g_cm3)


def test_shares_are_by_volume_and_composition_by_mass():
    mixed = given(mixture={"Au": 1, "carbon black": 3}, porosity=0.2, filler="epoxy")
    gold, carbon, epoxy = map(registry().material, ("Au", "carbon black", "epoxy"))
    masses = 0.2 * gold.density_g_cm3, 0.6 * carbon.density_g_cm3, 0.2 * epoxy.density_g_cm3
    assert mixed.density_g_cm3 == pytest.approx(sum(masses))
    of_carbon = masses[1] + masses[2] * epoxy.weight_fractions["C"]
    assert mixed.weight_fractions["Au"] == pytest.approx(masses[0] / sum(masses))
    assert mixed.weight_fractions["C"] == pytest.approx(of_carbon / sum(masses))


def test_scattering_centres_per_volume_are_the_mean_of_the_parts():
    from fib_plugins.electrons.medium import _atoms

    def per_volume(material):
        return {number: density for density, number in _atoms(material)}

    mixed = per_volume(given(mixture={"alumina": 1, "Au": 1}, porosity=0.5))
    for name, numbers in (("alumina", (8, 13)), ("Au", (79,))):
        part = per_volume(registry().material(name))
        for number in numbers:
            assert mixed[number] == pytest.approx(0.25 * part[number])


def test_a_mixture_of_nothing_but_vacuum_is_vacuum():
    nothing = given(mixture={"vacuum": 1}, porosity=0.5)
    assert (nothing.composition, nothing.density_g_cm3) == ({}, 0.0)


def test_a_filler_that_is_also_a_part_adds_up():
    shares = Mixture(name="m", mixture={"Au": 1, "vacuum": 1}, porosity=0.5).shares
    assert shares == pytest.approx({"Au": 0.25, "vacuum": 0.75})


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"mixture": {"carbon blak": 1}}, "carbon blak.*carbon black"),
        ({"mixture": {}}, "at least 1"),
        ({"mixture": {"Au": -1}}, "greater than 0"),
        ({"mixture": {"Au": 1}, "porosity": 1.0}, "less than 1"),
        ({"mixture": {"Au": 1}, "density_g_cm3": 2.0}, "density_g_cm3.*Allowed: name, mixture"),
        ({"mixture": {"Au": 1}, "porosty": 0.2}, "Did you mean 'porosity'"),
        ({"mixture": {"Au": 1}, "filler": "ether"}, "ether"),
    ],
)
def test_what_does_not_fit_is_refused(definition, words):
    with pytest.raises(ValidationError, match=f"(?s){words}"):
        given(**definition)


def test_parts_with_a_stopping_table_need_one_of_the_mixture(monkeypatch):
    gold = registry().material("Au")
    table = ((100.0, 38.0), (1000.0, 14.0))
    special = gold.model_copy(update={"stopping_ev_per_nm": table})
    monkeypatch.setattr(type(registry()), "material", lambda self, name: special)
    with pytest.raises(ValueError, match="stopping table of its own"):
        Mixture(name="m", mixture={"Au": 1}).material()
    mixed = Mixture(name="m", mixture={"Au": 1}, stopping_ev_per_nm=table).material()
    assert mixed.stopping_ev_per_nm == table


def test_a_generator_writes_the_effective_material_into_its_parameters():
    binder = {"name": "binder", "mixture": {"carbon black": 4, "PVDF": 1}, "porosity": 0.5}
    wave = LeveledWave(
        shape=8, voxel_size_nm=5, solid_fraction=0.4, wavelength_nm=40, materials=("vacuum", binder)
    )
    again = LeveledWave(**json.loads(wave.model_dump_json()))
    assert again == wave
    assert wave.materials[1].density_g_cm3 == pytest.approx(0.5 * (0.8 * 1.8 + 0.2 * 1.78))


def test_a_pipeline_takes_a_mixture_and_reports_where_one_is_wrong():
    def checked(part):
        binder = {"name": "binder", "mixture": {part: 1}, "porosity": 0.4}
        step = {
            "id": "structure",
            "run": "generator/leveled_wave",
            "params": {
                "shape": 8,
                "voxel_size_nm": 5,
                "solid_fraction": 0.4,
                "wavelength_nm": 40,
                "materials": ["vacuum", binder],
            },
        }
        return check_pipeline({"version": 1, "name": "p", "seed": 0, "steps": [step]})

    assert checked("carbon black").steps
    with pytest.raises(FibError, match=r"(?s)materials.*carbon blak"):
        checked("carbon blak")
