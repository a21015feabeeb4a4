"""Free flights and deflections against the distributions and integrals they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from fib_plugins.electrons.collision import deflection, energy_share, entering, flight, logarithm
from fib_plugins.electrons.elastic import angular_cumulative, total_cross_section_cm2
from fib_plugins.electrons.medium import ANGLE_ENERGIES_EV, QUANTILES, ROWS, build_tables
from fib_plugins.electrons.stopping import stopping_power_ev_per_nm
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM, Material

CARBON = Material.of_element(elements()["C"])
BEAM_KEV, CUTOFF_EV = 5.0, 50.0
MEDIA = (CARBON, GOLD, EPOXY, VACUUM)
SOLID = [0, 1, 2]
IN_VACUUM = 3
AVOGADRO = 6.02214076e23


@pytest.fixture(scope="module")
def tables():
    return build_tables(MEDIA, BEAM_KEV, cutoff_ev=CUTOFF_EV)


def random_bits(count, seed=1):
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def energy_of(share):
    """Return the energy in eV that the engine writes as a share, ln(E / cut-off) / ln(E0 / ...)."""
    return CUTOFF_EV * (1000.0 * BEAM_KEV / CUTOFF_EV) ** float(share)


def collisions_per_nm(material, energy_ev):
    """Return the inverse mean free path, from the definition."""
    total = 0.0
    for symbol, weight in material.weight_fractions.items():
        atom = elements()[symbol]
        atoms_per_nm3 = (
            1e-21 * material.density_g_cm3 * weight * AVOGADRO / atom.atomic_weight_g_mol
        )
        total += (
            atoms_per_nm3
            * 1e14
            * float(total_cross_section_cm2("mott", atom.atomic_number, energy_ev))
        )
    return total


def cumulative(material, energy_ev, mu):
    """Return the distribution of mu = (1 - cos theta) / 2 in a compound: that of its atoms."""
    mixture, total = np.zeros_like(mu), 0.0
    for symbol, weight in material.weight_fractions.items():
        atom = elements()[symbol]
        share = (
            weight
            / atom.atomic_weight_g_mol
            * float(total_cross_section_cm2("mott", atom.atomic_number, energy_ev))
        )
        mixture += share * angular_cumulative("mott", atom.atomic_number, energy_ev, mu)
        total += share
    return mixture / total


def row_at(energy_ev):
    return float(np.interp(math.log(energy_ev), np.log(ANGLE_ENERGIES_EV), np.arange(ROWS)))


def test_the_logarithm_is_that_of_numpy():
    places = np.concatenate(
        [np.geomspace(0.5, 2**24, 4000), 2**24 - np.geomspace(0.5, 2**23, 4000)]
    )
    chances = (places * 2.0**-24).astype(np.float32)
    found = np.array([logarithm(chance) for chance in chances], dtype=float)
    np.testing.assert_allclose(found, np.log(chances.astype(float)), rtol=3e-7)
    assert found.max() <= 0.0  # a flight never adds to what is left


@pytest.mark.parametrize("medium", SOLID)
def test_flights_take_exponentially_distributed_depths_away(tables, medium):
    start = tables.depth_max[medium]
    left = np.array(
        [flight(b, start, tables.depth_scale[medium], np.uint32(medium), tables)[0]
         for b in random_bits(20_000)]
    )  # fmt: skip
    taken = (start - left).astype(float)
    assert left.min() > 0
    assert stats.kstest(taken, "expon").pvalue > 1e-3


@pytest.mark.parametrize("medium", SOLID)
@pytest.mark.parametrize("share_of_depth", [1.0, 0.3])
def test_the_loss_along_a_flight_is_the_integral_of_the_stopping_power(
    tables, medium, share_of_depth
):
    material = MEDIA[medium]
    number, scale = np.uint32(medium), tables.depth_scale[medium]
    depth = np.float32(share_of_depth) * tables.depth_max[medium]
    always = np.uint64(0xFFFFFFFFFFFFFFFF)  # a flight of no length
    range_before = flight(always, depth, scale, number, tables)[1]
    energy_before = energy_of(energy_share(range_before, medium, tables))

    def rates(_, state):
        energy = max(state[0], CUTOFF_EV)
        loss = float(stopping_power_ev_per_nm("joy_luo", material, energy))
        return [-loss, collisions_per_nm(material, energy)]

    for bits in random_bits(8, seed=medium):
        left, range_after, _, _ = flight(bits, depth, scale, number, tables)
        length = float(range_before - range_after)
        path = integrate.solve_ivp(rates, (0.0, length), [energy_before, 0.0], rtol=1e-8)
        energy_after, depth_taken = path.y[:, -1]
        found = energy_of(energy_share(range_after, medium, tables))
        assert found == pytest.approx(energy_after, rel=1e-3)
        assert float(depth - left) == pytest.approx(depth_taken, rel=3e-3, abs=2e-3)


def test_a_flight_beyond_what_is_left_ends_where_the_electron_stops(tables):
    farthest = np.uint64(0)
    left, range_after, _, _ = flight(
        farthest, np.float32(17.0), tables.depth_scale[1], np.uint32(1), tables
    )
    assert left == 0.0
    assert range_after == 0.0
    assert energy_of(energy_share(range_after, 1, tables)) == pytest.approx(CUTOFF_EV)


@pytest.mark.parametrize("medium", SOLID)
def test_after_a_flight_row_and_reach_belong_to_the_energy(tables, medium):
    depth, scale = np.float32(0.7) * tables.depth_max[medium], tables.depth_scale[medium]
    for bits in random_bits(10, seed=9):
        _, range_after, row, reach = flight(bits, depth, scale, np.uint32(medium), tables)
        energy = energy_of(energy_share(range_after, medium, tables))
        expected = np.interp(math.log(energy), np.log(ANGLE_ENERGIES_EV), np.arange(ROWS))
        assert row == pytest.approx(expected, abs=0.1)
        assert reach > 1e6  # through vacuum, which is one of the media, it may come from anywhere


def test_the_reach_is_the_range_in_the_least_stopping_and_never_less():
    media = (CARBON, GOLD, EPOXY)
    tables = build_tables(media, BEAM_KEV, cutoff_ev=CUTOFF_EV)

    def longest(energy):
        stopping = [stopping_power_ev_per_nm("joy_luo", material, energy) for material in media]
        return 1.0 / np.min(stopping, axis=0)

    for bits in random_bits(10, seed=2):
        depth, scale = np.float32(0.4) * tables.depth_max[1], tables.depth_scale[1]
        _, range_after, _, reach = flight(bits, depth, scale, np.uint32(1), tables)
        energy = energy_of(energy_share(range_after, 1, tables))
        farthest = integrate.quad(longest, CUTOFF_EV, energy, epsrel=1e-8)[0]
        assert farthest < reach < 1.01 * farthest


def test_changing_medium_keeps_the_energy(tables):
    for share in np.linspace(0.05, 1.0, 20, dtype=np.float32):
        for medium in SOLID:
            _, range_nm = entering(share, medium, tables)
            assert energy_of(energy_share(range_nm, medium, tables)) == pytest.approx(
                energy_of(share), rel=1e-3
            )
    assert entering(np.float32(0.6), IN_VACUUM, tables)[0] == np.float32(0.6)


def turned(tables, medium, row, directions, seed=3):
    """Return (n, 3) directions after one collision each."""
    found = [
        deflection(bits, np.float32(row), np.uint32(medium), tuple(direction), tables)
        for bits, direction in zip(random_bits(len(directions), seed), directions, strict=True)
    ]
    return np.array(found, dtype=float)


def random_directions(count, seed=4):
    vectors = np.random.default_rng(seed).standard_normal((count, 3))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("medium", SOLID, ids=lambda medium: MEDIA[medium].name)
def test_polar_angles_are_distributed_as_the_cross_section(tables, medium):
    row = 33.4  # between two rows of the table
    energy = float(np.exp(np.interp(row, np.arange(ROWS), np.log(ANGLE_ENERGIES_EV))))
    before = random_directions(20_000)
    after = turned(tables, medium, row, before)
    mu = 0.5 * (1.0 - np.sum(before * after, axis=1))
    assert stats.kstest(
        mu, lambda m: cumulative(MEDIA[medium], energy, np.clip(m, 0, 1))
    ).pvalue > (1e-3)
    back = 1.0 - cumulative(MEDIA[medium], energy, np.array([0.5]))[0]
    assert np.sum(mu > 0.5) == pytest.approx(20_000 * back, abs=4 * math.sqrt(20_000 * back))


def test_between_two_rows_of_the_table_one_is_drawn_in_proportion(tables):
    sine = np.repeat(np.arange(len(MEDIA) * ROWS) / 1000.0, QUANTILES + 1)  # tells its row
    marked = tables._replace(angles=sine.astype(np.float32))
    before = random_directions(4000)
    after = turned(marked, 2, 33.4, before)
    rows = 1000.0 * np.linalg.norm(after - before, axis=1) / 2.0 - 2 * ROWS
    drawn, counts = np.unique(np.round(rows, 1), return_counts=True)
    assert drawn.tolist() == [33.0, 34.0]
    assert counts[1] == pytest.approx(0.4 * 4000, abs=4 * math.sqrt(4000 * 0.4 * 0.6))


def around(direction, vectors):
    """Return the azimuths of vectors about a direction, on a basis by Gram and Schmidt."""
    other = np.eye(3)[np.argmin(np.abs(direction))]
    first = other - direction * (other @ direction)
    first /= np.linalg.norm(first)
    second = np.cross(direction, first)
    return np.arctan2(vectors @ second, vectors @ first)


@pytest.mark.parametrize(
    "direction",
    [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0.6, -0.48, 0.64), (-1, 3e-4, -2e-4), (1e-8, 0, -1)],
    ids=str,
)
def test_azimuths_are_uniform_about_any_direction_and_lengths_1(tables, direction):
    before = np.array(direction, np.float32) / np.float32(np.linalg.norm(direction))
    after = turned(tables, 1, 30.0, np.tile(before, (4000, 1)))
    assert np.linalg.norm(after, axis=1) == pytest.approx(1.0, abs=1e-6)
    azimuths = around(before.astype(float), after)
    assert stats.kstest(azimuths, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3
    mu = 0.5 * (1.0 - after @ before.astype(float))
    energy = float(ANGLE_ENERGIES_EV[30])
    assert stats.kstest(mu, lambda m: cumulative(GOLD, energy, np.clip(m, 0, 1))).pvalue > 1e-3
    assert abs(stats.spearmanr(mu, np.abs(azimuths)).statistic) < 4 / math.sqrt(4000)


def test_a_collision_takes_errors_of_the_length_away(tables):
    for direction in (1.0 + 1e-3) * random_directions(20):
        after = turned(tables, 1, 12.3, direction[np.newaxis])
        assert np.linalg.norm(after) == pytest.approx(1.0, abs=3e-6)  # 3/2 of the square remains


def test_a_direction_keeps_its_length_over_many_collisions(tables):
    direction = (np.float32(1), np.float32(0), np.float32(0))
    for bits in random_bits(5000):
        direction = deflection(bits, np.float32(12.3), np.uint32(1), direction, tables)
    assert np.linalg.norm(direction) == pytest.approx(1.0, abs=1e-6)
