"""Imaging of slices: pixels that depend on nothing but their own place."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.electrons import imaging
from fib_plugins.electrons.electron import make_beam
from fib_plugins.electrons.imaging import (
    PILOT_ELECTRONS,
    PIXELS_PER_JOB,
    Imager,
    make_lattice,
    phases_in,
    planes,
)
from fib_plugins.electrons.medium import build_tables
from fibcore import FibError, Labels
from fibcore.materials import EPOXY, GOLD, VACUUM

PHASES = {0: EPOXY, 1: GOLD}


@pytest.fixture(scope="module")
def labels():
    coarse = np.random.default_rng(0).integers(0, 2, (3, 6, 12))
    return Labels(np.kron(coarse, np.ones((3, 4, 4))).astype(np.uint8), 3.0, PHASES)


def imager(labels, threads=1, **settings):
    options = {"electrons_per_pixel": 20, "key": 1} | settings
    lattice = make_lattice(labels, [0, 1])
    tables = build_tables([EPOXY, GOLD], 1.0)
    return Imager(lattice, tables, make_beam(1.0), threads=threads, **options)


def expect_equal(tally, other):
    for one, another in zip(tally, other, strict=True):
        np.testing.assert_array_equal(one, another)


def test_a_slice_is_the_same_on_any_number_of_threads(labels):
    rows, columns = (0, 24), (0, 48)
    assert 24 * 48 / PIXELS_PER_JOB > 4  # there is work for several
    one = imager(labels, 1).image(2, rows, columns)
    assert one.counts.sum() > 1000
    for threads in (2, 5):
        expect_equal(imager(labels, threads).image(2, rows, columns), one)


def test_a_part_of_a_slice_has_the_pixels_of_the_whole(labels):
    whole = imager(labels).image(4, (0, 24), (0, 48))
    part = imager(labels).image(4, (5, 17), (30, 47))
    for one, another in zip(whole[:3], part[:3], strict=True):
        np.testing.assert_array_equal(one.reshape(24, 48)[5:17, 30:47].ravel(), another.ravel())


def test_slices_come_in_the_order_asked_for_each_as_it_is_alone(labels):
    together = list(imager(labels).images([7, 2, 3], (3, 9), (0, 48)))
    assert [z for z, _ in together] == [7, 2, 3]
    for z, tally in together:
        expect_equal(tally, imager(labels).image(z, (3, 9), (0, 48)))


def test_slices_and_pixels_have_electrons_of_their_own():
    uniform = Labels(np.ones((3, 4, 4), np.uint8), 50.0, PHASES)
    settings = {"electrons_per_pixel": 500}
    images = [imager(uniform, **settings).image(z, (0, 4), (0, 4)).shares for z in range(3)]
    shares = np.concatenate(
        [*images, imager(uniform, key=2, **settings).image(0, (0, 4), (0, 4)).shares]
    )
    assert len(np.unique(shares)) == len(shares)


def test_more_electrons_per_pixel_give_the_same_yield_with_less_noise(labels):
    few = imager(labels, electrons_per_pixel=20).image(0, (0, 8), (0, 8)).counts / 20
    many = imager(labels, electrons_per_pixel=2000, key=3).image(0, (0, 8), (0, 8)).counts / 2000
    deviation = (few - many) / np.sqrt(many * (1 - many) / 20)
    assert np.std(deviation) == pytest.approx(1.0, abs=0.3)
    assert abs(np.mean(deviation)) < 4 / 8


@pytest.mark.parametrize("threads", [1, 2])
def test_the_time_of_a_pixel_is_scaled_up_from_few_electrons_in_many(labels, threads, monkeypatch):
    clock = iter([100.0, 132.0])
    monkeypatch.setattr(imaging.time, "perf_counter", lambda: next(clock))
    electrons = 5 * PILOT_ELECTRONS
    found = imager(labels, threads, electrons_per_pixel=electrons).seconds_per_pixel(
        (0, 24), (0, 48)
    )
    assert found == pytest.approx(5 * 32.0 / (PIXELS_PER_JOB * threads))


def test_the_phases_that_occur_are_found_and_must_have_materials(labels):
    assert phases_in(labels) == [0, 1]
    assert phases_in(Labels(np.ones((2, 2, 2), np.uint8), 1.0, PHASES)) == [1]
    data = np.array([[[0, 1, 3, 255]]], np.uint8)
    with pytest.raises(FibError, match=r"phase 3, 255, .* known are 0, 1\. Give each a material"):
        phases_in(Labels(data, 1.0, PHASES))


def test_a_file_in_memory_gives_the_planes_of_the_array(tmp_path):
    data = np.random.default_rng(1).integers(0, 2, (40, 30, 50)).astype(np.uint8)
    np.save(tmp_path / "labels.npy", data)
    for mode in ("r", "r+"):
        mapped = np.load(tmp_path / "labels.npy", mmap_mode=mode)
        for _ in range(2):  # what was given back is read again
            for plane, expected in zip(planes(mapped[3:]), data[3:], strict=True):
                np.testing.assert_array_equal(plane, expected)
    phases = {0: VACUUM, 1: GOLD}
    lattice = make_lattice(Labels(mapped, 2.0, phases), [0, 1])
    np.testing.assert_array_equal((lattice.voxels & 1).reshape(data.shape), data)
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), data)
