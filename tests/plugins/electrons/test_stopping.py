import numpy as np
import pytest
from scipy import constants

from fib_plugins.electrons.joy_luo import mean_ionisation_ev
from fib_plugins.electrons.stopping import stopping_power_ev_per_nm
from fibcore import FibError, Material
from fibcore.elements import element, elements
from fibcore.materials import EPOXY, GOLD, VACUUM

MODELS = ("joy_luo", "dielectric")
SILICA = Material(name="silica", composition={"Si": 1, "O": 2}, density_g_cm3=2.2)
ICRU_MEAN_IONISATION_EV = {
    "Be": 63.7, "C": 81.0, "Al": 166.0, "Si": 173.0, "Ti": 233.0, "Fe": 286.0, "Ni": 311.0,
    "Cu": 322.0, "Ge": 350.0, "Ag": 470.0, "W": 727.0, "Pt": 790.0, "Au": 790.0, "Pb": 823.0,
}  # fmt: skip
RELATIVITY_AT_20_KEV = 1.05
"""Bethe's law with relativity over that without, which Joy and Luo's law tends to."""


def relativistic_bethe(symbol: str, energy_ev: float) -> float:
    """Collision stopping power of ICRU Report 37, equation 8.1, in eV/nm, no density effect."""
    atom = element(symbol)
    tau = energy_ev * constants.e / (constants.m_e * constants.c**2)
    beta2 = 1 - 1 / (1 + tau) ** 2
    radius_nm = constants.physical_constants["classical electron radius"][0] * 1e9
    rest_ev = constants.m_e * constants.c**2 / constants.e
    atoms_per_nm3 = atom.density_g_cm3 / atom.atomic_weight_g_mol * constants.N_A * 1e-21
    correction = (1 - beta2) * (1 + tau**2 / 8 - (2 * tau + 1) * np.log(2))
    logarithm = 2 * np.log(energy_ev / ICRU_MEAN_IONISATION_EV[symbol]) + np.log(1 + tau / 2)
    front = 2 * np.pi * radius_nm**2 * rest_ev / beta2 * atoms_per_nm3 * atom.atomic_number
    return front * (logarithm + correction)


def own(rows, material=EPOXY):
    return material.model_copy(update={"stopping_ev_per_nm": rows})


@pytest.mark.parametrize("symbol", ICRU_MEAN_IONISATION_EV)
@pytest.mark.parametrize(("model", "error"), [("joy_luo", 0.03), ("dielectric", 0.06)])
def test_fast_electrons_lose_energy_by_bethes_law(model, error, symbol):
    material = Material.of_element(element(symbol))
    expected = relativistic_bethe(symbol, 20_000.0)
    if model == "joy_luo":
        expected /= RELATIVITY_AT_20_KEV
    found = stopping_power_ev_per_nm(model, material, 20_000.0)
    assert found == pytest.approx(expected, rel=error)


def test_mean_ionisation_energies_are_those_of_icru_near_the_formula_of_berger_and_seltzer():
    found = {symbol: mean_ionisation_ev(element(symbol).atomic_number) for symbol in elements()}
    assert {s: found[s] for s in ICRU_MEAN_IONISATION_EV} == ICRU_MEAN_IONISATION_EV
    z = np.arange(13, 93)
    formula = 9.76 * z + 58.5 * z**-0.19
    found_all = [mean_ionisation_ev(int(n)) for n in z]  # gases are furthest from it
    assert found_all == pytest.approx(formula.tolist(), rel=0.2)


@pytest.mark.parametrize("model", MODELS)
def test_every_element_slows_electrons_at_every_energy(model):
    energy = np.geomspace(50, 30_000, 30)
    for symbol in ("H", "Li", "C", "Al", "Zn", "Zr", "Gd", "Au", "U"):
        material = Material.of_element(element(symbol))
        assert np.all(stopping_power_ev_per_nm(model, material, energy) > 0)


@pytest.mark.parametrize("symbol", ["C", "Al", "Si", "Ni", "Cu", "Pd", "Ag", "Pt", "Au"])
def test_two_models_without_common_input_agree(symbol):
    energy = np.geomspace(500, 10_000, 20)
    material = Material.of_element(element(symbol))
    loss = [stopping_power_ev_per_nm(model, material, energy) for model in MODELS]
    assert loss[1] == pytest.approx(loss[0], rel=0.17)
    assert loss[1][energy > 4000] == pytest.approx(loss[0][energy > 4000], rel=0.08)


@pytest.mark.parametrize("model", MODELS)
def test_vacuum_slows_nothing(model):
    assert stopping_power_ev_per_nm(model, VACUUM, [100.0, 1000.0]).tolist() == [0.0, 0.0]


def test_elements_of_a_compound_add_up_by_weight():
    energy = np.geomspace(50, 30_000, 9)
    parts = sum(
        weight
        * stopping_power_ev_per_nm("joy_luo", Material.of_element(elements()[symbol]), energy)
        / elements()[symbol].density_g_cm3
        for symbol, weight in SILICA.weight_fractions.items()
    )
    assert stopping_power_ev_per_nm("joy_luo", SILICA, energy) == pytest.approx(2.2 * parts)


def test_joy_and_luo_with_the_constants_as_published():
    """78 500 keV/cm, A = 196.97, J = 790 eV and k = 0.8615 of gold, at 2 keV."""
    keV_per_cm = 78_500 * 19.3 / 2.0 * 79 / 196.97 * np.log(1.166 * (2.0 + 0.8615 * 0.790) / 0.790)
    found = stopping_power_ev_per_nm("joy_luo", GOLD, 2000.0)
    assert found == pytest.approx(keV_per_cm * 1e3 / 1e7, rel=1e-3)


@pytest.mark.parametrize("model", MODELS)
def test_an_own_table_takes_precedence(model):
    material = own(((100.0, 40.0), (1000.0, 20.0), (10_000.0, 2.0)))
    found = stopping_power_ev_per_nm(model, material, [100.0, np.sqrt(1e5), 1000.0, 10_000.0])
    assert found == pytest.approx([40.0, np.sqrt(800.0), 20.0, 2.0])


@pytest.mark.parametrize("model", MODELS)
def test_beyond_its_ends_an_own_table_continues_as_the_model(model):
    energy = np.array([50.0, 100.0, 5000.0, 20_000.0])
    plain = stopping_power_ev_per_nm(model, EPOXY, energy)
    found = stopping_power_ev_per_nm(model, own(((100.0, 40.0), (5000.0, 3.0))), energy)
    assert found / plain == pytest.approx(
        [40.0 / plain[1], 40.0 / plain[1], 3.0 / plain[2], 3.0 / plain[2]]
    )


def test_results_have_the_shape_of_the_energies():
    for model in MODELS:
        assert stopping_power_ev_per_nm(model, GOLD, np.full((2, 3), 500.0)).shape == (2, 3)
        assert stopping_power_ev_per_nm(model, GOLD, 500.0).shape == ()


def test_what_makes_no_sense_is_refused():
    with pytest.raises(FibError, match="joy_luo, dielectric"):
        stopping_power_ev_per_nm("bethe", GOLD, 1000.0)
    with pytest.raises(FibError, match="above 0 eV"):
        stopping_power_ev_per_nm("joy_luo", GOLD, [100.0, 0.0])
    with pytest.raises(FibError, match="above 0 eV"):
        stopping_power_ev_per_nm("joy_luo", GOLD, float("nan"))
