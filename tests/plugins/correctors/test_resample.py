"""Overlaps against sums, interpolation against polynomials, labels, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins import Resample
from fib_plugins.correctors.resample.weights import interpolated, overlaps, uneven_weights
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels, Table
from fibcore.context import MEMORY_MAP_ABOVE_BYTES

VOXEL = (10.0, 5.0, 5.0)


def stack(shape=(12, 40, 36), dtype="uint8", voxel=VOXEL, channels=1, seed=0):
    grey = np.random.default_rng(seed).integers(0, 250, (channels, *shape)).astype(dtype)
    return Images(grey, voxel, kv=tuple(range(1, channels + 1)))


def positions(values):
    return Table({"position_nm": np.asarray(values, dtype=float)})


def test_the_contract():
    assert check_plugin(Resample) == []


def test_binning_by_whole_numbers_is_the_mean_of_blocks():
    images = stack(dtype="float32", channels=2)
    binned = Resample(voxel_size_nm=(20, 10, 15)).correct(images)
    blocks = images.data.reshape(2, 6, 2, 20, 2, 12, 3).mean((2, 4, 6))
    np.testing.assert_allclose(binned.data, blocks, rtol=1e-5)
    assert binned.voxel_size_nm == (20, 10, 15)
    assert binned.kv == images.kv


def test_binning_by_a_fraction_is_the_exact_overlap():
    images = stack((1, 1, 7), "float32")
    binned = Resample(voxel_size_nm=(10, 5, 12.5)).correct(images).data[0, 0, 0]
    fine = np.repeat(images.data[0, 0, 0], 2)[: 5 * 2]  # halves of the given voxels
    np.testing.assert_allclose(binned, fine.reshape(2, 5).mean(1), rtol=1e-6)


def test_the_mean_of_a_stack_is_kept_by_averages():
    images = stack((12, 40, 36), "float32")
    binned = Resample(voxel_size_nm=(15, 12.5, 7.5)).correct(images)
    assert binned.shape == (8, 16, 24)
    assert np.isclose(binned.data.mean(dtype=float), images.data.mean(dtype=float), rtol=1e-5)


def test_uneven_cells_are_weighted_with_their_lengths():
    weights = overlaps(np.array([0.0, 3, 4, 8, 9]), np.array([0.0, 3.5, 9]))
    dense = np.zeros((2, 4))
    for row, (first, shares) in enumerate(zip(weights.first, weights.shares, strict=True)):
        dense[row, first : first + len(shares)] = shares[: 4 - first]
    np.testing.assert_allclose(
        dense, [[3 / 3.5, 0.5 / 3.5, 0, 0], [0, 0.5 / 5.5, 4 / 5.5, 1 / 5.5]]
    )


@pytest.mark.parametrize(("how", "degree"), [("linear", 1), ("cubic", 2)])
def test_interpolation_is_exact_for_polynomials(how, degree):
    places = np.cumsum(np.random.default_rng(1).uniform(5, 15, 14))
    wanted = np.linspace(places[1], places[-2], 40)
    weights = interpolated(places, wanted, how)
    values = (places / 40) ** degree + 3
    found = [
        shares @ values[first : first + len(shares)]
        for first, shares in zip(weights.first, weights.shares, strict=True)
    ]
    np.testing.assert_allclose(found, (wanted / 40) ** degree + 3, rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("how", ["linear", "cubic"])
def test_short_axes_keep_constants_and_reach_the_ends(count, how):
    weights = uneven_weights(np.cumsum(np.arange(1.0, count + 1)), 0.7, how)
    np.testing.assert_allclose(weights.shares.sum(1), 1, rtol=1e-6)
    assert (weights.first >= 0).all()
    assert (weights.first + weights.shares.shape[1] <= count).all()


def test_uneven_slices_of_a_slope_become_even():
    places = np.cumsum(np.random.default_rng(2).uniform(6, 14, 30)) + 50
    grey = np.broadcast_to(places[:, None, None], (30, 4, 5)).astype(np.float32)
    context = Context()
    plugin = Resample(voxel_size_nm="even")
    even = plugin.correct(Images(grey, VOXEL, kv=(2,)), positions(places), context=context)
    mean = (places[-1] - places[0]) / 29
    assert even.voxel_size_nm == (pytest.approx(mean), 5.0, 5.0)
    along = even.data[0, 2:-2, 2, 2]
    np.testing.assert_allclose(np.diff(along), mean, rtol=1e-4)
    table = context.kept["corrections"]
    assert table["slice"].tolist() == list(range(30))
    np.testing.assert_allclose(table["position_nm"], places)
    assert np.isclose(table["moved_nm"][-1], 0)


def test_cubic_voxels_have_the_size_of_the_pixels():
    images = stack(voxel=(12.5, 4.0, 5.0))
    assert Resample().correct(images).voxel_size_nm == (5.0, 5.0, 5.0)


def test_voxels_that_fit_are_returned_unchanged():
    images = stack(channels=2)
    assert np.array_equal(Resample(voxel_size_nm=VOXEL).correct(images).data, images.data)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_element_types_and_forecast(dtype):
    images = stack(dtype=dtype, channels=2)
    labels = Labels(images.data[0] > 99, VOXEL)
    for size in ("cubic", "even", 7.3, (31.0, 4.0, 9.0)):
        plugin, context = Resample(voxel_size_nm=size, interpolation="cubic"), Context()
        forecast = plugin.forecast("correct", {"images": images.spec, "labels": labels.spec})
        made = plugin.correct(images, labels=labels, context=context)
        assert forecast.output == made.spec
        assert forecast.kept == {"labels": context.kept["labels"].spec}
    unknown = plugin.forecast("correct", {"images": images.spec, "positions": None})
    assert unknown.output is None
    assert unknown.memory_bytes > 0


def test_labels_get_the_phase_with_the_largest_share():
    phases = np.random.default_rng(3).integers(0, 4, (6, 12, 10)).astype(np.uint8)
    images, context = stack(phases.shape), Context()
    plugin = Resample(voxel_size_nm=(25.0, 12.5, 10.0))
    plugin.correct(images, labels=Labels(phases, VOXEL), context=context)
    shares = [
        plugin.correct(Images((phases == p).astype(np.float32), VOXEL, kv=(2,))).data[0]
        for p in range(4)
    ]
    found = context.kept["labels"]
    assert found.voxel_size_nm == (25.0, 12.5, 10.0)
    assert np.array_equal(found.data, np.argmax(np.round(shares, 5), axis=0))


def test_labels_on_finer_slices_are_the_nearest():
    labels = Labels((np.arange(10)[:, None, None] % 3 == 0) * np.ones((10, 4, 4), np.uint8), VOXEL)
    context = Context()
    plugin = Resample(voxel_size_nm=(2.5, 5.0, 5.0), interpolation="cubic")
    plugin.correct(stack((10, 4, 4)), labels=labels, context=context)
    assert np.array_equal(context.kept["labels"].data, np.repeat(labels.data, 4, axis=0))


def test_threads_and_mapped_files_change_nothing(tmp_path, monkeypatch):
    images = stack((9, 40, 50))
    one, two = (
        Resample(voxel_size_nm=6).correct(images, context=Context(threads=n)) for n in (1, 2)
    )
    assert np.array_equal(one.data, two.data)
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 100)
    mapped = Resample(voxel_size_nm=6).correct(images, context=Context(scratch=tmp_path))
    assert isinstance(mapped.data, np.memmap)
    assert np.array_equal(mapped.data, one.data)
    assert MEMORY_MAP_ABOVE_BYTES > 100


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (range(11), "11 positions, the stack 12 slices"),
        ([*range(5), 3, *range(6, 12)], "slice 4 is at 4 nm, slice 5 at 3 nm"),
        ([*range(11), np.nan], "must increase"),
        ([0] * 12, "must increase"),
    ],
)
def test_wrong_positions_are_refused(values, words):
    with pytest.raises(FibError, match=words):
        Resample().correct(stack(), positions(values))


def test_other_wrong_input_is_refused():
    with pytest.raises(FibError, match="no column 'position_nm'"):
        Resample().correct(stack(), Table({"z_nm": np.arange(12.0)}))
    with pytest.raises(FibError, match="labels have shape"):
        Resample().correct(stack(), labels=Labels(np.zeros((3, 4, 5), np.uint8), VOXEL))
    with pytest.raises(FibError, match="check voxel_size_nm"):
        Resample(voxel_size_nm=0.01).correct(stack())


def test_a_single_slice_and_one_larger_voxel():
    assert Resample().correct(stack((1, 20, 20))).shape == (2, 20, 20)
    assert Resample(voxel_size_nm=1e4).correct(stack((3, 20, 20))).shape == (1, 1, 1)
