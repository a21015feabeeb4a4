"""Electrons through voxels: what conservation, symmetry and the laws of chance demand."""

from __future__ import annotations

import numpy as np
import pytest
from electron_images import blobs, error, expect_alike, image, prepared, uniform
from scipy import stats

from fib_plugins.electrons.batch import image_pixels
from fib_plugins.electrons.electron import follow, make_beam
from fib_plugins.electrons.imaging import Imager, make_lattice
from fib_plugins.electrons.lanes import empty_lanes
from fib_plugins.electrons.medium import build_tables
from fib_plugins.electrons.one_by_one import image_one_by_one
from fib_plugins.electrons.random_stream import stream_of
from fib_plugins.electrons.secondary import no_secondary
from fib_plugins.electrons.tally import SHARE_UNIT, empty_tally
from fibcore import Labels
from fibcore.materials import EPOXY, GOLD, VACUUM

PHASES = {0: EPOXY, 1: GOLD, 2: VACUUM}


SURROUNDINGS = {
    "plain": {"below": "mirror"},
    "tilted": {"tilt_deg": 40.0, "lateral": "mirror", "below": "repeat"},
    "wide beam": {"diameter_nm": 25.0, "below": 2},
    "windows": {"energy_window": (0.5, 0.9), "polar_deg": (20.0, 70.0), "below": 1},
}


@pytest.mark.parametrize("options", SURROUNDINGS.values(), ids=SURROUNDINGS.keys())
def test_many_electrons_at_a_time_fare_as_each_of_them_alone(options):
    labels = Labels(blobs((9, 8, 7), 3, grain=1.0), (4.0, 3.0, 5.0), PHASES)
    lattice, tables, beam = prepared(labels, 2.0, **options)
    rng, per_pixel, key = np.random.default_rng(1), 40, np.uint64(99)
    pixels = rng.integers(0, labels.shape, (25, 3))
    first = per_pixel * np.arange(len(pixels))
    tally = empty_tally(len(pixels))
    image_pixels(
        key, pixels, first, per_pixel, lattice, tables, beam, None, tally, empty_lanes(np.float32)
    )
    alone, none = empty_tally(len(pixels)), no_secondary(tables)
    image_one_by_one(key, pixels, first, per_pixel, lattice, tables, beam, none, alone)
    assert tally.counts.sum() > 30
    for one_by_one, together in zip(alone, tally, strict=True):
        np.testing.assert_array_equal(one_by_one, together)


def test_escaping_electrons_have_energies_and_angles_that_are_possible():
    lattice, tables, beam = prepared(uniform(GOLD), 2.0, cutoff_ev=500.0, tilt_deg=30.0)
    none = no_secondary(tables)
    found = [
        follow(
            np.uint64(stream_of(np.uint64(3), np.uint64(n))), (0, 0, 0), lattice, tables, beam, none
        )[:4]
        for n in range(4000)
    ]
    shares, cosines, depths = np.array([f[1:] for f in found if f[0]]).T
    assert len(shares) > 1000
    assert 0.25 <= shares.min() < 0.27
    assert 0.99 < shares.max() <= 1.0 + 1e-6
    assert np.cos(np.radians(120.0)) - 1e-6 < cosines.min() < -0.3
    assert 0.99 < cosines.max() <= 1.0 + 1e-6
    range_nm = float(tables.range_max_nm[0])
    assert depths.min() > 0
    assert range_nm / 4 < depths.max() < range_nm / 2  # in and out again


def test_counts_over_pixels_of_a_uniform_volume_are_binomial():
    electrons = 100
    tally, _ = image(uniform(GOLD, (1, 32, 32)), 2.0, electrons)
    eta = tally.counts.mean() / electrons
    chi_square = np.sum((tally.counts - electrons * eta) ** 2) / (electrons * eta * (1 - eta))
    assert 1e-3 < stats.chi2.sf(chi_square, tally.counts.size - 1) < 1 - 1e-3
    outcomes = np.bincount(tally.counts, minlength=electrons + 1)
    expected = stats.binom(electrons, eta).pmf(np.arange(electrons + 1)) * tally.counts.size
    many = expected > 8
    assert stats.chisquare(
        np.append(outcomes[many], outcomes[~many].sum()),
        np.append(expected[many], expected[~many].sum()) * tally.counts.size / expected.sum(),
    ).pvalue > 1e-3  # fmt: skip


def test_nothing_comes_back_from_vacuum():
    for below in ("repeat", "mirror", 0):
        labels = uniform(VACUUM, (2, 3, 3))
        tally, _ = image(labels, 1.0, 5, below=below, tilt_deg=20.0, diameter_nm=50.0)
        assert not tally.counts.any()


def test_vacuum_over_bulk_gives_the_yield_and_the_energies_of_the_bulk():
    data = np.zeros((6, 8, 8), np.uint8)
    data[:4] = 1
    electrons = 2000
    bulk, _ = image(uniform(GOLD, (6, 8, 8), 7.0), 1.5, electrons, key=1)
    above, _ = image(Labels(data, 7.0, {0: GOLD, 1: VACUUM}), 1.5, electrons, key=2)
    total = electrons * 64
    expected = bulk.counts.sum() / total
    assert above.counts.sum() / total == pytest.approx(
        expected, abs=4 * np.sqrt(2) * error(expected, total)
    )
    energy = [t.shares.sum() * SHARE_UNIT / t.counts.sum() for t in (bulk, above)]
    assert energy[0] == pytest.approx(energy[1], abs=0.005)


@pytest.mark.parametrize("options", [{}, {"lateral": "mirror", "below": "repeat"}], ids=str)
def test_a_mirrored_structure_gives_the_mirrored_image(options):
    data = blobs((10, 10, 12), 2, seed=3)
    phases = {0: EPOXY, 1: GOLD}
    _, plain = image(Labels(data, (4, 4, 4), phases), 2.0, 2000, key=1, **options)
    mirrored = np.ascontiguousarray(data[:, ::-1])
    _, other = image(Labels(mirrored, (4, 4, 4), phases), 2.0, 2000, key=2, **options)
    expect_alike(plain, other[::-1], 2000)
    swapped = np.ascontiguousarray(data.transpose(0, 2, 1))
    _, other = image(Labels(swapped, (4, 4, 4), phases), 2.0, 2000, key=3, **options)
    expect_alike(plain, other.T, 2000)
    assert np.ptp(plain) > 0.2  # there is something to see


def test_the_structure_below_a_pixel_is_that_of_its_own_slice():
    data = blobs((10, 8, 8), 2, seed=6)
    phases = {0: EPOXY, 1: GOLD}
    whole, cut = Labels(data, 4.0, phases), Labels(data[4:].copy(), 4.0, phases)
    _, inside = image(whole, 2.0, 2000, z=4, key=1, below=0)
    _, first = image(cut, 2.0, 2000, z=0, key=2, below=0)
    expect_alike(inside, first, 2000)
    _, other = image(whole, 2.0, 2000, z=0, key=3, below=0)
    assert np.abs(other - inside).max() > 0.2


def test_splitting_voxels_along_z_leaves_every_electron_its_fate():
    data = blobs((8, 8, 8), 3, seed=7, grain=1.0)
    coarse = Labels(data, (8.0, 4.0, 4.0), PHASES)
    fine = Labels(np.repeat(data, 2, axis=0), (4.0, 4.0, 4.0), PHASES)
    counts = []
    for labels in (coarse, fine):
        pixels = np.array([(0, y, x) for y in range(8) for x in range(8)])
        tally = empty_tally(len(pixels))
        image_pixels(
            np.uint64(5), pixels, 500 * np.arange(64), 500,
            *prepared(labels, 2.0, below=1), None, tally, empty_lanes(np.float32),
        )  # fmt: skip
        counts.append(tally.counts)
    assert np.abs(counts[0] - counts[1]).sum() < 1e-3 * counts[0].sum()  # but for rounding
    assert counts[0].sum() > 5000


def test_splitting_voxels_changes_yields_by_less_than_half_a_percent():
    data = blobs((8, 8, 8), 2, seed=8)
    phases = {0: EPOXY, 1: GOLD}
    fine = np.kron(data, np.ones((2, 2, 2), np.uint8))
    coarse_eta = image(Labels(data, 5.0, phases), 2.0, 8000, key=1)[1].mean()
    fine_eta = image(Labels(fine, 2.5, phases), 2.0, 2000, key=2)[1].mean()
    noise = np.sqrt(2) * error(coarse_eta, 8000 * 64)
    assert fine_eta == pytest.approx(coarse_eta, abs=0.005 * coarse_eta / 2 + 3 * noise)


def test_float64_agrees_with_float32_within_noise():
    labels = Labels(blobs((6, 6, 6), 2, seed=11), 5.0, {0: EPOXY, 1: GOLD})
    _, single = image(labels, 2.0, 1000, key=1)
    tables = build_tables([EPOXY, GOLD], 2.0, dtype=np.float64)
    lattice = make_lattice(labels, [0, 1], dtype=np.float64)
    double = Imager(
        lattice, tables, make_beam(2.0, dtype=np.float64), electrons_per_pixel=1000, key=2
    ).image(0, (0, 6), (0, 6))
    expect_alike(single, double.counts.reshape(6, 6) / 1000, 1000)
