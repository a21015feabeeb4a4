"""Secondary electrons: on any engine the same, as many as closed forms and measurements have."""

from __future__ import annotations

import numpy as np
import pytest
from electron_images import blobs
from scipy import stats

from fib_plugins.compiled import compiled
from fib_plugins.electrons.batch import image_pixels
from fib_plugins.electrons.compiled import PLAIN
from fib_plugins.electrons.electron import Detector, follow, make_beam
from fib_plugins.electrons.emission import emission_of
from fib_plugins.electrons.imaging import Imager, make_lattice, surfaces_in
from fib_plugins.electrons.lanes import empty_lanes
from fib_plugins.electrons.medium import build_tables
from fib_plugins.electrons.one_by_one import image_one_by_one
from fib_plugins.electrons.pores import into_pores
from fib_plugins.electrons.random_stream import stream_of
from fib_plugins.electrons.secondary import emissions_of, make_secondary, poisson, reach_nm
from fib_plugins.electrons.tally import empty_tally
from fibcore import Labels
from fibcore.materials import EPOXY, GOLD, VACUUM

PHASES = {0: EPOXY, 1: GOLD, 2: VACUUM}
ALL = (
    Detector(),
    Detector(None, secondary_polar_deg=(0.0, 180.0)),
    Detector((0.8, 1.0), (0.0, 60.0), (0.0, 60.0), 20.0),
)


def prepared(labels, energy_kev, *, lateral="periodic", below="mirror", emissions=None, **beam):
    """Return lattice, tables, beam and secondary electrons for three detectors."""
    phases, media = list(labels.phases), list(labels.phases.values())
    around = {"lateral": lateral, "below": below}
    tables, emissions = build_tables(media, energy_kev), emissions_of(media, emissions or {})
    surfaces = surfaces_in(labels, phases, reach_nm(emissions), **around)
    secondary = make_secondary(emissions, tables, energy_kev, 50.0, surfaces, 2.0)
    lattice = make_lattice(labels, phases, **around)
    return lattice, tables, make_beam(energy_kev, detectors=ALL, **beam), secondary


SURROUNDINGS = {
    "plain": {"below": "mirror"},
    "tilted": {"tilt_deg": 40.0, "lateral": "mirror", "below": "repeat"},
    "pores below": {"below": 2},
    "solid below": {"below": 1, "lateral": "mirror"},
}


@pytest.mark.parametrize("options", SURROUNDINGS.values(), ids=SURROUNDINGS.keys())
@pytest.mark.parametrize("phases", [PHASES, {0: EPOXY, 1: GOLD}], ids=["open", "filled"])
def test_many_electrons_at_a_time_emit_what_each_of_them_emits_alone(options, phases):
    if options["below"] not in ("mirror", "repeat", *phases):
        options = {**options, "below": 0}
    labels = Labels(blobs((9, 8, 7), len(phases), grain=1.0), (4.0, 3.0, 5.0), phases)
    lattice, tables, beam, secondary = prepared(labels, 2.0, **options)
    rng, per_pixel, key = np.random.default_rng(1), 40, np.uint64(99)
    pixels = rng.integers(0, labels.shape, (25, 3)).astype(np.int32)
    first = per_pixel * np.arange(len(pixels))
    together, alone = (empty_tally(len(pixels), detectors=3) for _ in range(2))
    sent = (key, pixels, first, per_pixel, lattice, tables, beam, secondary)
    image_pixels(*sent, together, empty_lanes(np.float32))
    image_one_by_one(*sent, alone)
    assert (together.counts.sum(0) > 100).all()
    for one_by_one, all_at_once in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one_by_one, all_at_once)


def test_fast_electrons_are_the_same_with_secondary_electrons():
    labels = Labels(blobs((9, 12, 12), 3, grain=1.0), (4.0, 3.0, 5.0), PHASES)
    lattice, tables, beam, secondary = prepared(labels, 2.0, below=1)
    settings = {"electrons_per_pixel": 100, "key": 3}
    with_them = Imager(lattice, tables, beam, secondary=secondary, **settings)
    without = Imager(lattice, tables, make_beam(2.0), **settings)
    one, other = (each.image(2, (0, 12), (0, 12)).of_detector(0) for each in (with_them, without))
    for part, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(part, same)


def test_numbers_of_secondary_electrons_follow_the_law_of_poisson():
    bits = np.random.default_rng(0).integers(2**63, size=20_000, dtype=np.uint64) << np.uint64(1)
    for mean in (0.02, 0.8, 6.0):
        drawn = np.array([poisson(each, np.float32(mean)) for each in bits])
        most = int(mean + 4 * np.sqrt(mean)) + 1
        found = np.bincount(np.minimum(drawn, most), minlength=most + 1)
        law = stats.poisson(mean).pmf(np.arange(most + 1))
        law[-1] += stats.poisson(mean).sf(most)
        assert stats.chisquare(found, law / law.sum() * len(bits)).pvalue > 1e-3


def test_as_many_leave_a_pore_as_the_solid_angle_of_its_opening_has():
    edge, diameter = 40, 20
    y, x = np.mgrid[:edge, :edge] + 0.5 - edge / 2
    walls = GOLD.model_copy(update={"name": "walls"})
    phases = {0: VACUUM, 1: GOLD, 2: walls}
    dark = {"walls": emission_of(GOLD).model_copy(update={"epsilon_ev": 1e9})}
    yields = []
    for depth in (0, 10, 20):
        data = np.full((depth + 24, edge, edge), 1, np.uint8)
        data[:depth] = np.where(np.hypot(y, x) < diameter / 2, 0, 2)
        labels = Labels(data, (2.0, 2.0, 2.0), phases)
        lattice, tables, beam, secondary = prepared(labels, 1.0, emissions=dark, below="repeat")
        imager = Imager(
            lattice, tables, beam, electrons_per_pixel=4000, key=depth, secondary=secondary
        )
        middle = (edge // 2 - 1, edge // 2 + 1)
        yields.append(imager.image(0, middle, middle).counts[:, 1].mean() / 4000)
    for found, aspect in zip(yields[1:], (0.5, 1.0), strict=True):
        assert found / yields[0] == pytest.approx(1 / (1 + (2 * aspect) ** 2), abs=0.03)


def test_the_walls_of_a_pore_emit_as_many_as_the_face():
    """Electrons through a film, of which both sides are open, leave half of them on either."""
    film = Labels(np.array([1, 1, 0, 0], np.uint8).reshape(4, 1, 1), (2.0, 2.0, 2.0),
                  {0: VACUUM, 1: GOLD})  # fmt: skip
    lattice, tables, _, secondary = prepared(film, 20.0, below=0)
    emitted = np.zeros(2)
    for n in range(2000):
        stream = np.uint64(stream_of(np.uint64(1), np.uint64(n)))
        face, below = expected(stream, lattice, tables, make_beam(20.0), secondary)
        emitted += face, below
    assert emitted[0] > 20
    assert emitted[1] / emitted[0] == pytest.approx(1.0, rel=0.15)


@compiled(**PLAIN)
def expected(stream, lattice, tables, beam, secondary):
    """Return the expected numbers that an electron emits at the face and into pores."""
    pixel = (np.int32(0), np.int32(0), np.int32(0))
    emitted = follow(stream, pixel, lattice, tables, beam, secondary)[4]
    into = tables.angles.dtype.type(0)
    if emitted[2] > 0:
        into = into_pores(emitted, pixel, lattice, secondary)[0]
    return emitted[0], into


def test_a_window_of_angles_counts_its_share_of_the_cosine_law():
    lattice, tables, _, secondary = prepared(
        Labels(np.ones((1, 1, 1), np.uint8), (1.0, 1e4, 1e4), {1: GOLD}), 2.0, below=1
    )
    beam = make_beam(
        2.0,
        detectors=[
            Detector(None, secondary_polar_deg=(low, high))
            for low, high in ((0.0, 180.0), (0.0, 30.0), (30.0, 90.0))
        ],
    )
    imager = Imager(lattice, tables, beam, electrons_per_pixel=20_000, key=1, secondary=secondary)
    every, near, far = imager.image(0, (0, 1), (0, 1)).counts[0]
    assert near + far == every
    assert near / every == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / every))
