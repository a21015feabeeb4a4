"""Yields of bulk and of films over it against measurements, the plain Monte Carlo and voxels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fib_plugins.electrons import reference
from fib_plugins.electrons.electron import make_beam
from fib_plugins.electrons.imaging import Imager, make_lattice
from fib_plugins.electrons.layers import BINS, layered_yield
from fib_plugins.electrons.medium import build_tables
from fib_plugins.generators.layered import Layered
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fibcore import Material
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM

COPPER, SILICON, CARBON = (Material.of_element(elements()[symbol]) for symbol in ("Cu", "Si", "C"))


def bulk(material, energy_kev, electrons=40_000, seed=1, **options):
    return layered_yield(material, material, 0.0, energy_kev, electrons, seed=seed, **options)


def expect_same(one, other, sigmas=4):
    noise = np.hypot(one.standard_error, other.standard_error)
    assert one.eta == pytest.approx(other.eta, abs=sigmas * noise)


@pytest.mark.parametrize(
    ("energy_kev", "low", "high"),
    [(1, 0.39, 0.42), (2, 0.425, 0.455), (3, 0.44, 0.47), (4, 0.44, 0.465), (5, 0.44, 0.475),
     (20, 0.48, 0.51)],
)  # fmt: skip
def test_bulk_gold_returns_what_was_measured(energy_kev, low, high):
    found = bulk(GOLD, energy_kev)
    assert low - 4 * found.standard_error < found.eta < high + 4 * found.standard_error


HEINRICH = [
    (COPPER, 10.0, 0.318),
    (COPPER, 20.0, 0.309),
    (SILICON, 10.0, 0.174),
    (SILICON, 20.0, 0.164),
]
"""K. F. J. Heinrich, Proc. 4th Int. Conf. X-Ray Optics and Microanalysis (1966), p. 159."""


@pytest.mark.parametrize(("material", "energy_kev", "measured"), HEINRICH)
def test_copper_and_silicon_return_what_was_measured_within_10_percent(
    material, energy_kev, measured
):
    found = bulk(material, energy_kev)
    assert found.eta == pytest.approx(measured, abs=0.1 * measured)
    theory = float(HungerKuchler().coefficient(material, energy_kev))
    assert found.eta == pytest.approx(theory, abs=0.1 * theory)


@pytest.mark.parametrize("tilt_deg", [30.0, -45.0, 60.0])
def test_a_tilted_beam_comes_back_as_arnal_measured(tilt_deg):
    """F. Arnal, P. Verdier, P.-D. Vincensini, C. R. Acad. Sci. Paris B 268 (1969) 1526."""
    found = bulk(COPPER, 20.0, tilt_deg=tilt_deg)
    expected = (1.0 + np.cos(np.radians(tilt_deg))) ** (-9.0 / np.sqrt(29.0))
    assert found.eta == pytest.approx(expected, rel=0.05)


def test_collisions_with_atomic_electrons_add_to_what_light_elements_return():
    plain, more = bulk(CARBON, 10.0), bulk(CARBON, 10.0, atomic_electrons=True)
    assert more.eta - plain.eta > 4 * np.hypot(plain.standard_error, more.standard_error)


def test_the_standard_error_is_the_scatter_of_repetitions():
    found = [bulk(GOLD, 1.0, 2000, seed=seed) for seed in range(60)]
    etas = [one.eta for one in found]
    assert len(set(etas)) > 30
    assert np.std(etas) == pytest.approx(found[0].standard_error, rel=0.3)


def test_a_film_of_no_thickness_or_of_the_same_material_is_not_there():
    bare = bulk(GOLD, 2.0, 2000)
    for film, thickness in ((EPOXY, 0.0), (GOLD, 30.0)):
        other = layered_yield(film, GOLD, thickness, 2.0, 2000, seed=1)
        assert other.counts == bare.counts
        np.testing.assert_array_equal(other.energies, bare.energies)
    expect_same(layered_yield(EPOXY, GOLD, 1e-4, 2.0, 40_000, seed=3), bulk(GOLD, 2.0))


def test_a_film_that_no_electron_gets_through_is_bulk():
    thick = layered_yield(EPOXY, GOLD, 300.0, 2.0, 40_000, seed=2)
    expect_same(thick, bulk(EPOXY, 2.0))
    assert thick.eta < 0.1


def test_a_film_of_vacuum_changes_nothing():
    expect_same(layered_yield(VACUUM, GOLD, 50.0, 1.0, 40_000, seed=2), bulk(GOLD, 1.0))


def test_a_film_over_vacuum_returns_less_than_bulk_and_vacuum_nothing():
    thin = layered_yield(GOLD, VACUUM, 2.0, 2.0, 20_000, seed=2)
    assert 0.02 < thin.eta < 0.5 * bulk(GOLD, 2.0).eta
    assert layered_yield(VACUUM, VACUUM, 5.0, 2.0, 500, seed=2).counts == 0


def test_gold_shines_through_epoxy_the_less_the_thicker_it_is():
    etas = [layered_yield(EPOXY, GOLD, t, 2.0, 20_000, seed=1).eta for t in (0, 10, 20, 40, 80)]
    assert np.all(np.diff(etas) < -0.02)


@pytest.mark.parametrize("tilt_deg", [0.0, 50.0])
def test_gold_under_epoxy_agrees_with_the_plain_monte_carlo(tilt_deg):
    electrons, tilt = 25_000, np.radians(tilt_deg)
    found = layered_yield(EPOXY, GOLD, 20.0, 2.0, electrons, seed=1, tilt_deg=tilt_deg)
    layers = reference.Sample.layers((EPOXY, 20.0), (GOLD, np.inf))
    oracle = reference.simulate(layers, 2.0, electrons, seed=2, tilt_deg=tilt_deg, step="fine")
    expect_same(found, oracle)
    back = oracle.escaped
    expect_same_histogram(found.energies, oracle.energy_ev[back] / 2000.0)
    x, _, z = oracle.direction[back].T
    expect_same_histogram(found.cosines, -(x * np.sin(tilt) + z * np.cos(tilt)))
    depths = oracle.max_depth_nm[back]
    noise = np.sqrt(2 / found.counts) * depths.std()
    assert found.mean_depth_nm == pytest.approx(depths.mean(), abs=4 * noise)


def expect_same_histogram(histogram, values):
    """Expect values, those out of range in the outer bins, to be distributed like a histogram."""
    other = np.histogram(np.clip(values, 0.0, 1.0), BINS, (0.0, 1.0))[0]
    both = np.stack([histogram, other]).reshape(2, 20, -1).sum(axis=2)
    both = both[:, both.sum(axis=0) >= 10]
    assert both.sum() > 0.99 * (histogram.sum() + other.sum())
    assert stats.chi2_contingency(both).pvalue > 1e-3


def test_no_electron_comes_back_below_the_cut_off_or_above_the_beam_energy():
    found = bulk(GOLD, 2.0, cutoff_ev=500.0)
    assert found.energies.sum() == found.counts
    assert not found.energies[: BINS // 4].any()
    assert found.energies[BINS // 4 : BINS // 4 + 3].all()
    lower = bulk(GOLD, 2.0)
    assert lower.eta > found.eta
    expected = lower.energies[BINS // 4 :].sum() / lower.electrons
    assert found.eta == pytest.approx(expected, abs=4 * np.sqrt(2) * found.standard_error)


@pytest.mark.parametrize("thickness_nm", [0.0, 6.0, 24.0])
def test_voxels_of_a_film_agree_with_the_film(thickness_nm):
    structure = Layered(
        shape=(20, 8, 8), voxel_size_nm=(6.0, 4.0, 4.0), film_thickness_nm=thickness_nm
    ).generate(seed=1)
    electrons = 1500
    imager = Imager(
        make_lattice(structure, [0, 1]),
        build_tables([EPOXY, GOLD], 2.0),
        make_beam(2.0),
        electrons_per_pixel=electrons,
        key=7,
        threads=2,
    )
    counts = imager.image(0, (0, 8), (0, 8)).counts
    film = layered_yield(EPOXY, GOLD, thickness_nm, 2.0, 64 * electrons, seed=8)
    noise = np.sqrt(2) * film.standard_error
    assert counts.sum() / (64 * electrons) == pytest.approx(film.eta, abs=4 * noise)
    assert noise < 0.01 * film.eta  # so that a deviation of a few percent would be seen


def test_float64_agrees_with_float32_within_noise():
    single = layered_yield(EPOXY, GOLD, 10.0, 2.0, 40_000, seed=1)
    double = layered_yield(EPOXY, GOLD, 10.0, 2.0, 40_000, seed=2, dtype=np.float64)
    expect_same(single, double)
    assert single.mean_depth_nm == pytest.approx(double.mean_depth_nm, rel=0.03)


def test_the_same_seed_gives_the_same_electrons():
    one, again, other = (bulk(GOLD, 2.0, 3000, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.energies, again.energies)
    assert np.any(one.energies != other.energies)
