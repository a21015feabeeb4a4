"""Beam and detector: where electrons hit, whence they come, and which of them count."""

from __future__ import annotations

import numpy as np
import pytest
from electron_images import blobs, error, expect_alike, image, prepared, uniform
from scipy import integrate, optimize, stats

from fib_plugins.electrons.electron import enter
from fib_plugins.electrons.imaging import Imager
from fib_plugins.electrons.random_stream import stream_of
from fib_plugins.electrons.tally import SHARE_UNIT
from fibcore import Labels
from fibcore.materials import EPOXY, GOLD, VACUUM

SIGMA_PER_FWHM = 1 / 2.3548200450309493


@pytest.mark.parametrize("tilt_deg", [0.0, 52.0, -60.0])
@pytest.mark.parametrize("sigma_nm", [0.0, 7.0])
def test_electrons_hit_the_square_of_a_pixel_blurred_by_the_beam(sigma_nm, tilt_deg):
    labels = uniform(GOLD, (2, 3, 4), (2.0, 6.0, 30.0))
    setting = prepared(labels, 1.0, diameter_nm=sigma_nm / SIGMA_PER_FWHM, tilt_deg=tilt_deg)
    on_face = {1: sigma_nm / np.cos(np.radians(tilt_deg)), 2: sigma_nm}  # a spot becomes an ellipse
    streams = (np.uint64(stream_of(np.uint64(8), np.uint64(n))) for n in range(8000))
    entered = [enter(stream, (0, 1, 2), *setting) for stream in streams]
    places = np.array([place for place, *_ in entered], float)
    voxels = np.array([box[:3] for _, box, *_ in entered])
    assert not places[:, 0].any()
    np.testing.assert_array_equal(voxels, np.floor(places / labels.voxel_size_nm))
    for axis in (1, 2):
        width = labels.voxel_size_nm[axis]
        expected = stats.uniform(0, width).cdf
        if sigma_nm:
            points = np.linspace(0, width, 1001)

            def expected(at, points=points, sigma=on_face[axis]):
                return stats.norm.cdf((np.reshape(at, (-1, 1)) - points) / sigma).mean(axis=1)

        assert stats.kstest(places[:, axis], expected).pvalue > 1e-3
    assert abs(stats.spearmanr(places[:, 1], places[:, 2]).statistic) < 4 / np.sqrt(8000)


def test_a_tilted_beam_goes_towards_y():
    data = np.zeros((12, 24, 2), np.uint8)
    data[:, 12:] = 1  # a wall of gold
    labels = Labels(data, 5.0, {0: VACUUM, 1: GOLD})
    found = {
        tilt: image(labels, 1.0, 200, tilt_deg=tilt, below=0, lateral="mirror")[1].mean(axis=1)
        for tilt in (45.0, -45.0)
    }
    assert found[45.0][8] > 0.1  # hits the wall 20 nm below the face
    assert found[-45.0][8] == 0.0  # leaves the face far from it, downwards


def test_where_a_wide_beam_hits_says_nothing_of_how_far_electrons_get():
    """A column of gold in vacuum catches its part of the beam and returns what bulk does."""
    data = np.zeros((1, 31, 31), np.uint8)
    data[0, 15, 15] = 1
    column = Labels(data, 1000.0, {0: VACUUM, 1: GOLD})
    sigma, electrons = 1500.0, 300_000
    imager = Imager(
        *prepared(column, 1.0, below=0, diameter_nm=sigma / SIGMA_PER_FWHM),
        electrons_per_pixel=electrons,
        key=3,
    )
    found = imager.image(0, (15, 16), (15, 16)).counts[0] / electrons
    start = np.linspace(0, 1000, 2001)
    hits = stats.norm.cdf((1000 - start) / sigma) - stats.norm.cdf(-start / sigma)
    bulk = image(uniform(GOLD, (1, 1, 1), 1000.0), 1.0, electrons, key=4)[1].mean()
    expected = bulk * integrate.trapezoid(hits, start / 1000) ** 2
    assert found == pytest.approx(expected, abs=4 * error(expected, electrons))


def test_the_beam_blurs_an_edge_by_its_own_width():
    sigma, width = 150.0, 25.0
    data = np.zeros((1, 4, 80), np.uint8)
    data[..., :40] = 1  # edges at 0 and 40: the volume repeats
    labels = Labels(data, (200.0, width, width), {0: VACUUM, 1: GOLD})
    _, eta = image(labels, 0.5, 2500, below=0, diameter_nm=sigma / SIGMA_PER_FWHM)
    profile, x = eta.mean(axis=0), (np.arange(80) + 0.5) * width

    def blurred(x, height, edge, spread):
        near = stats.norm.cdf((x + 2000 - edge) / spread) - stats.norm.cdf((x - edge) / spread)
        far = stats.norm.cdf((x - 2000) / spread) + stats.norm.cdf(x / spread) - 1
        return height * (near + far)

    (_, edge, spread), _ = optimize.curve_fit(blurred, x, profile, p0=[0.4, 900.0, 100.0])
    assert edge == pytest.approx(1000.0, abs=10.0)
    assert spread == pytest.approx(np.hypot(sigma, width / np.sqrt(12)), rel=0.03)


def test_a_beam_tilted_the_other_way_sees_the_mirrored_structure():
    data = blobs((10, 12, 9), 2, seed=5)
    phases = {0: VACUUM, 1: GOLD}
    _, plain = image(Labels(data, 5.0, phases), 1.0, 1500, key=1, tilt_deg=50.0, below=1)
    mirrored = np.ascontiguousarray(data[:, ::-1])
    _, other = image(Labels(mirrored, 5.0, phases), 1.0, 1500, key=2, tilt_deg=-50.0, below=1)
    expect_alike(plain, other[::-1], 1500)
    _, straight = image(Labels(data, 5.0, phases), 1.0, 1500, key=3, below=1)
    assert np.abs(straight - plain).max() > 0.2


def test_windows_that_share_all_electrons_add_up_to_all():
    labels = Labels(blobs((6, 6, 6), 2, seed=9), 5.0, {0: EPOXY, 1: GOLD})
    whole = image(labels, 2.0, 500)[0].counts
    for windows in (
        [{"energy_window": window} for window in [(0.0, 0.6), (0.6, 0.9), (0.9, 1.0)]],
        [{"polar_deg": window} for window in [(0.0, 30.0), (30.0, 60.0), (60.0, 180.0)]],
    ):
        parts = [image(labels, 2.0, 500, **window)[0].counts for window in windows]
        assert all(0 < part.sum() < whole.sum() for part in parts)
        np.testing.assert_array_equal(sum(parts), whole)


def test_energies_weigh_between_the_cut_off_and_1():
    tally, _ = image(uniform(GOLD, (2, 10, 10)), 2.0, 200, cutoff_ev=400.0)
    weights = tally.shares * SHARE_UNIT / tally.counts
    assert np.all(weights > 0.2)
    assert np.all(weights < 1.0)
