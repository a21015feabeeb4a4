from itertools import groupby

import numpy as np
import pytest

from fib_plugins.structure_statistics.lineal_path import lineal_path
from fib_plugins.structure_statistics.packed_bits import pack_bits
from fib_plugins.structure_statistics.two_point import two_point_correlation
from fibcore import FibError

SHAPES = [(5, 67, 130), (64, 3, 64), (9, 130, 1), (66, 9, 31), (1, 1, 200)]


def random_labels(shape, seed=0):
    """Half solid, in two solid phases, with runs longer than single voxels."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 2, shape)
    fine = rng.integers(0, 8, shape) > 0
    return (np.maximum(coarse, np.roll(coarse, 1, -1)) * fine * 2).astype(np.uint8)


def pair_shares(inside, axis, max_lag):
    lines = np.moveaxis(inside, axis, -1)
    n = lines.shape[-1]
    return [np.mean(lines[..., : n - r] & lines[..., r:]) for r in range(max_lag + 1)]


def segment_shares(inside, axis, max_lag):
    lines = np.moveaxis(inside, axis, -1).reshape(-1, inside.shape[axis])
    runs = [len(list(g)) for line in lines for value, g in groupby(line.tolist()) if value]
    n = inside.shape[axis]
    return [
        sum(max(0, run - r) for run in runs) / ((n - r) * len(lines)) for r in range(max_lag + 1)
    ]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("phase", ["solid", "pore"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_curves_equal_brute_force_over_pairs_and_runs(shape, phase, axis):
    labels = random_labels(shape)
    inside = (labels > 0) == (phase == "solid")
    for max_lag in {0, shape[axis] // 2, shape[axis] - 1}:
        s2 = two_point_correlation(labels, axis, max_lag, phase)
        path = lineal_path(labels, axis, max_lag, phase)
        np.testing.assert_allclose(s2, pair_shares(inside, axis, max_lag), rtol=1e-14)
        np.testing.assert_allclose(path, segment_shares(inside, axis, max_lag), rtol=1e-14)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_point_correlation_equals_the_autocorrelation_by_fft(axis):
    labels = random_labels((40, 72, 81), seed=5)
    n = labels.shape[axis]
    spectrum = np.abs(np.fft.rfft(labels > 0, 2 * n, axis)) ** 2
    counts = np.moveaxis(np.fft.irfft(spectrum, 2 * n, axis), axis, 0)[:n].sum(axis=(1, 2))
    pairs = labels.size // n * np.arange(n, 0, -1)
    found = two_point_correlation(labels, axis, n - 1)
    np.testing.assert_array_equal(np.rint(found * pairs), np.rint(counts))


def test_two_point_correlation_of_overlapping_balls(boolean_model, boolean_sample):
    r = np.arange(21)
    for axis in range(3):
        solid = two_point_correlation(boolean_sample, axis, 20, "solid")
        pore = two_point_correlation(boolean_sample, axis, 20, "pore")
        np.testing.assert_allclose(solid, boolean_model.two_point_solid(r), atol=0.015)
        np.testing.assert_allclose(pore, boolean_model.two_point_pore(r), atol=0.015)


def test_lineal_path_between_overlapping_balls_falls_exponentially(boolean_model, boolean_sample):
    r = np.arange(21)
    for axis in range(3):
        found = lineal_path(boolean_sample, axis, 20, "pore")
        np.testing.assert_allclose(found, boolean_model.lineal_path_pore(r), atol=0.015)


def test_layers_across_an_axis_are_seen_along_it_only():
    labels = np.zeros((60, 8, 70), np.uint8)
    labels[np.arange(60) % 6 < 2] = 1  # 2 solid, 4 pore, ...
    for axis in (1, 2):
        assert two_point_correlation(labels, axis, 7) == pytest.approx(1 / 3)
        assert lineal_path(labels, axis, 7) == pytest.approx(1 / 3)
    assert lineal_path(labels, 0, 5)[2:] == pytest.approx(0)
    assert two_point_correlation(labels, 0, 5)[2:5] == pytest.approx(0)
    assert two_point_correlation(labels, 0, 1)[1] == 10 / 59


def test_a_volume_of_one_phase_is_certain_at_any_distance():
    labels = np.ones((7, 65, 128), np.uint8)
    for axis, n in enumerate(labels.shape):
        for curve in (two_point_correlation, lineal_path):
            assert np.all(curve(labels, axis, n - 1) == 1)
            assert np.all(curve(labels, axis, n - 1, "pore") == 0)


def test_any_number_of_threads_gives_the_same_bytes():
    labels = random_labels((33, 50, 129), seed=2)
    for curve in (two_point_correlation, lineal_path):
        for axis, n in enumerate(labels.shape):
            one, two = (curve(labels, axis, n - 1, threads=threads) for threads in (1, 2))
            assert one.tobytes() == two.tobytes()


def test_bool_strided_and_read_only_arrays_give_what_a_plain_array_gives(tmp_path):
    labels = random_labels((40, 50, 70), seed=4)
    expected = [two_point_correlation(labels, axis, 9) for axis in range(3)]
    np.save(tmp_path / "labels.npy", labels)
    mapped = np.load(tmp_path / "labels.npy", mmap_mode="r")
    turned = np.ascontiguousarray(labels.transpose(2, 1, 0)).transpose(2, 1, 0)
    for same in (labels > 0, mapped, turned):
        for axis in range(3):
            found = two_point_correlation(same, axis, 9)
            assert found.tobytes() == expected[axis].tobytes()


def test_packed_bits_hold_the_voxels_in_order_with_zeros_behind_the_row():
    labels = random_labels((3, 4, 130))
    bits = np.unpackbits(pack_bits(labels, "pore").view(np.uint8), axis=-1, bitorder="little")
    np.testing.assert_array_equal(bits[..., :130], labels == 0)
    assert not bits[..., 130:].any()


@pytest.mark.parametrize("curve", [two_point_correlation, lineal_path])
@pytest.mark.parametrize("max_lag", [-1, 10])
def test_a_distance_that_does_not_fit_is_refused(curve, max_lag):
    with pytest.raises(FibError, match="give 0 to 9"):
        curve(np.zeros((5, 10, 20), np.uint8), 1, max_lag)
