"""Known positions in isotropic random fields, rivals by definition, warnings, bad input."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.fft import irfftn, rfftn
from scipy.ndimage import map_coordinates

from fib_plugins import Resample, Thickness
from fib_plugins.correctors.thickness import solve
from fib_plugins.correctors.thickness.features import levels_of, tiles_of
from fib_plugins.correctors.thickness.kernels import squared_difference
from fib_plugins.correctors.thickness.resemblance import Resemblance
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Table

PIXEL = 5.0
FINE = 1.25


def field(scale_nm=(20.0, 20.0, 20.0), shape=(256, 128, 128), voxel=(FINE, PIXEL, PIXEL), seed=0):
    """Return a Gaussian random field with Gaussian correlation, periodic, float32."""
    noise = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    k = np.meshgrid(
        *(np.fft.fftfreq(n, v) for n, v in zip(shape[:2], voxel[:2], strict=True)),
        np.fft.rfftfreq(shape[2], voxel[2]),
        indexing="ij",
        sparse=True,
    )
    power = sum((2 * np.pi * f * s) ** 2 for f, s in zip(k, scale_nm, strict=True))
    grey = irfftn(rfftn(noise) * np.exp(-power / 4), s=shape)
    return (grey / grey.std()).astype(np.float32)


def slices(count=28, mean=8.0, spread=0.25, seed=0):
    """Return positions in nm, on the fine grid of `field`."""
    steps = mean * (1 + spread * np.random.default_rng(seed).uniform(-1.7, 1.7, count - 1))
    return np.concatenate([[0], np.cumsum(np.rint(steps / FINE))]) * FINE


@pytest.fixture(scope="module")
def solid():
    return field()


def stack(solid, places, stated=8.0, noise=0.0, gain=0.0, sharp=True):
    planes = solid[np.rint(places / FINE).astype(int)]
    grey = 60 + 120 / (1 + np.exp(-planes * (20 if sharp else 1)))
    rng = np.random.default_rng(1)
    grey = grey + noise * rng.standard_normal(grey.shape)
    grey = grey * (1 + gain * rng.standard_normal((len(grey), 1, 1)))
    grey += 100 * gain * rng.standard_normal((len(grey), 1, 1))
    return Images(grey.astype(np.float32), (stated, PIXEL, PIXEL), kv=(2.0,))


def found_by(images, plugin=None, **inputs):
    context = Context(threads=2)
    made = (plugin or Thickness(compare="grey")).correct(images, context=context, **inputs)
    return made, context.kept["corrections"]


def test_the_contract():
    assert check_plugin(Thickness) == []


@pytest.mark.parametrize(("compare", "most"), [("grey", 0.08), ("bright", 0.13)])
@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_positions_of_uneven_slices_are_found(solid, compare, most, noise):
    places = slices()
    images = stack(solid, places, noise=noise, gain=0.02)
    made, table = found_by(images, Thickness(compare=compare))
    true = np.diff(places)
    assert made.data is images.data
    assert made.voxel_size_nm == (table["mean_nm"][0], PIXEL, PIXEL)
    assert np.isclose(made.voxel_size_nm[0], true.mean(), rtol=0.06)
    single = table["thickness_nm"][:-1] / made.voxel_size_nm[0] - true / true.mean()
    assert np.sqrt(np.mean(single**2)) < most < np.std(true) / true.mean()
    assert table["slice"].tolist() == list(range(28))
    np.testing.assert_allclose(np.diff(table["position_nm"]), table["thickness_nm"][:-1])


def test_stripes_do_not_change_the_result_much(solid):
    places = slices()
    clean = stack(solid, places, noise=4)
    profile = np.random.default_rng(3).standard_normal((len(places), 1, 128))
    striped = clean.with_data((clean.data + 20 * profile).astype(np.float32))
    plugin = Thickness(compare="grey")
    means = [found_by(images, plugin)[1]["mean_nm"][0] for images in (clean, striped)]
    assert np.isclose(means[0], means[1], rtol=0.04)


def test_a_shift_of_less_than_a_pixel_is_taken_out(solid):
    places = slices(spread=0.0)
    images = stack(solid, places, sharp=False)
    offsets = np.random.default_rng(4).uniform(-0.4, 0.4, (len(places), 2))
    y, x = np.indices(images.shape[1:])
    moved = np.array(
        [
            map_coordinates(plane, (y + dy, x + dx), order=3, mode="grid-wrap")
            for plane, (dy, dx) in zip(images.data[0], offsets, strict=True)
        ]
    )
    still, shifted = (
        found_by(Images(grey, images.voxel_size_nm, kv=(2.0,)))[1]
        for grey in (images.data[0], moved.astype(np.float32))
    )
    np.testing.assert_allclose(shifted["thickness_nm"], still["thickness_nm"], rtol=0.12)


def test_the_virtual_stack_corrects_for_depth(solid):
    """What lies below the face shows through, and makes slices more alike."""
    depth = np.exp(-np.arange(24) * FINE / 10)

    def seen(structure):
        sharp = 1 / (1 + np.exp(-20 * structure))
        return sum(w * np.roll(sharp, -k, axis=0) for k, w in enumerate(depth)) / depth.sum()

    places = slices(spread=0.0)
    rows = np.rint(places / FINE).astype(int)
    images, virtual = (
        Images((200 * seen(f)[rows]).astype(np.float32), (8.0, PIXEL, PIXEL), kv=(2.0,))
        for f in (solid, field(seed=5))
    )
    true = np.diff(places).mean()
    virtual = Images(virtual.data, (true, PIXEL, PIXEL), kv=(2.0,))
    alone = found_by(images)[1]["mean_nm"][0]
    helped = found_by(images, virtual=virtual)[1]
    assert alone < 0.85 * true
    assert np.isclose(helped["mean_nm"][0], true, rtol=0.05)
    assert helped["depth_factor"][0] > 1.2


def test_the_uncertainty_is_of_the_size_of_the_errors(solid):
    places = slices()
    _, table = found_by(stack(solid, places, noise=10))
    error = table["thickness_nm"][:-1] - np.diff(places)
    ratio = np.sqrt(np.mean(error**2)) / np.sqrt(np.mean(table["uncertainty_nm"][:-1] ** 2))
    assert 0.3 < ratio < 3


def test_a_known_mean_and_a_wrong_voxel_size(solid, caplog):
    places = slices()
    images = stack(solid, places, stated=16.0)
    with caplog.at_level(logging.WARNING):
        made, table = found_by(images)
    assert "the voxel size is 16 nm" in caplog.text
    caplog.clear()
    plugin = Thickness(compare="grey", mean_nm=10.0)
    with caplog.at_level(logging.WARNING):
        known, same = found_by(images, plugin)
    assert not caplog.records
    assert known.voxel_size_nm[0] == 10.0
    assert plugin.forecast("correct", {"images": images.spec}).output == known.spec
    np.testing.assert_allclose(
        same["thickness_nm"] / 10.0, table["thickness_nm"] / made.voxel_size_nm[0]
    )


def test_anisotropic_material_is_reported(caplog):
    stretched = field((20.0, 40.0, 20.0))
    with caplog.at_level(logging.WARNING):
        made, table = found_by(stack(stretched, slices(), stated=8.0))
    assert "cannot be determined" in caplog.text
    assert "anisotropic" in caplog.text
    assert made.voxel_size_nm[0] == 8.0
    assert table["mean_uncertainty_nm"][0] > 2


def test_a_fit_is_applied_to_another_channel_and_resampled(solid):
    places = slices()
    images = stack(solid, places)
    plugin = Thickness(compare="grey").fit(images)
    again = Thickness.from_model(plugin.model)
    other = Images(255 - images.data, images.voxel_size_nm, kv=(5.0,))
    made, table = found_by(other, again)
    assert np.array_equal(table["position_nm"], found_by(images)[1]["position_nm"])
    assert again.forecast("correct", {"images": other.spec}).output == made.spec
    even = Resample().correct(made, table)
    assert even.voxel_size_nm == (PIXEL, PIXEL, PIXEL)
    with pytest.raises(FibError, match="estimated on 28 slices, these are 27"):
        again.correct(Images(other.data[:, 1:], other.voxel_size_nm, kv=(5.0,)))


def test_given_positions():
    images = Images(np.zeros((4, 8, 8), np.uint8), (8.0, 5.0, 5.0), kv=(2.0,))
    numbers = (3.0, 10.0, 21.0, 30.0)
    plugin = Thickness(method="given", positions_nm=numbers)
    made, table = found_by(images, plugin)
    assert made.voxel_size_nm[0] == 9.0
    assert table["position_nm"].tolist() == [0, 7, 18, 27]
    assert plugin.forecast("correct", {"images": images.spec}).output == made.spec
    positions = Table({"position_nm": np.array(numbers)})
    same, _ = found_by(images, Thickness(), positions=positions)
    assert same.voxel_size_nm == made.voxel_size_nm
    even, _ = found_by(images, Thickness(method="given", mean_nm=7.0))
    assert even.voxel_size_nm[0] == 7.0


def test_threads_change_nothing(solid):
    images = stack(solid, slices(), noise=5)
    tables = []
    for threads in (1, 2):
        context = Context(threads=threads)
        Thickness().correct(images, context=context)
        tables.append(context.kept["corrections"].to_csv())
    assert tables[0] == tables[1]


def test_all_channels_count(solid):
    clear, noisy = (stack(solid, slices(), noise=noise) for noise in (2, 30))
    both = Images(np.concatenate([clear.data, noisy.data]), clear.voxel_size_nm, kv=(1.0, 2.0))
    tables = [found_by(images)[1] for images in (noisy, both)]
    true = np.diff(slices())
    errors = [np.std(table["thickness_nm"][:-1] - true) for table in tables]
    assert errors[1] < errors[0]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_element_types(solid, dtype):
    images = stack(solid, slices(), noise=3)
    scaled = images.data * (200 if dtype == "uint16" else 1)
    other = Images(np.clip(scaled, 0, None).astype(dtype), images.voxel_size_nm, kv=(2.0,))
    means = [found_by(stack_, Thickness())[1]["mean_nm"][0] for stack_ in (images, other)]
    assert np.isclose(means[0], means[1], rtol=0.01)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((2, 64, 64), "3 or more"), ((1, 64, 64), "3 or more"), ((9, 64, 30), "48 x 48 or more")],
)
def test_stacks_that_are_too_small_are_refused(shape, words):
    images = Images(np.zeros(shape, np.uint8), (8.0, 5.0, 5.0), kv=(2.0,))
    with pytest.raises(FibError, match=words):
        Thickness().forecast("correct", {"images": images.spec})
    with pytest.raises(FibError, match=words):
        Thickness().correct(images)


def test_constant_slices_and_slices_without_resemblance_are_refused(solid):
    images = stack(solid, slices())
    grey = images.data.copy()
    grey[0, 5] = 7
    with pytest.raises(FibError, match="slice 5 of channel 0 is constant"):
        Thickness().correct(images.with_data(grey))
    noise = np.random.default_rng(0).uniform(size=(8, 96, 96)).astype(np.float32)
    with pytest.raises(FibError, match="do not resemble each other"):
        Thickness(compare="grey").correct(Images(noise, (8.0, 5.0, 5.0), kv=(2.0,)))


@pytest.mark.parametrize(
    "parameters",
    [{"positions_nm": (1.0, 2.0)}, {"method": "given", "mean_nm": 2, "positions_nm": (1.0, 2.0)}],
)
def test_parameters_that_contradict_are_refused(parameters):
    with pytest.raises(ValueError, match="positions_nm"):
        Thickness(**parameters)


def test_method_given_needs_something():
    images = Images(np.zeros((4, 8, 8), np.uint8), (8.0, 5.0, 5.0), kv=(2.0,))
    with pytest.raises(FibError, match="needs positions_nm, mean_nm"):
        Thickness(method="given").correct(images)


def test_least_squares_against_exact_distances():
    places = slices(40)
    each = np.full((40, 4), np.nan)
    for m in range(1, 5):
        each[: 40 - m, m - 1] = places[m:] - places[:-m]
    np.testing.assert_allclose(solve.thickness_of(each), np.diff(places), rtol=1e-3)
    each[10, 0] *= 3  # one wrong pair
    each[20:22, :] = np.nan  # and a gap that longer pairs bridge
    found = solve.thickness_of(each)
    assert np.abs(found / np.diff(places) - 1)[:19].max() < 0.05


def test_squared_difference_and_levels():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 30, 41)).astype(np.uint8)
    assert squared_difference(a, b) == np.mean((a.astype(float) - b) ** 2) / 2
    grey = np.where(rng.uniform(size=(100, 100)) < 0.3, 180, 60) + rng.normal(0, 6, (100, 100))
    dark, bright = levels_of(grey)
    assert abs(bright - 180) < 2
    assert 45 < dark < 55
    assert [len(tiles_of(n, n)) for n in (48, 100, 128, 4096)] == [1, 4, 9, 16]


def test_neighbours_of_which_only_near_pairs_are_within_reach_are_left_out():
    """Otherwise thick slices would be compared with themselves, thin ones also with the next."""
    lags, count = (1, 2, 3, 4, 6, 8), 20
    lateral = np.broadcast_to(np.array(lags, float)[:, None, None], (count, 2, len(lags), 1, 1))
    pairs = np.full((count, 2, 5, 1, 1), np.nan)
    pairs[:-1, 0] = 3.5
    pairs[:-2, 1] = np.where(np.arange(count - 2) % 2, 5.0, 8.0)[:, None, None, None]
    found = Resemblance(pairs, lateral, lags)
    each = solve.distances(found, solve.curves_of(found, (PIXEL, PIXEL)))[0]
    np.testing.assert_allclose(each[:-1, 0], 3.5 * PIXEL, rtol=0.02)
    assert np.isnan(each[:, 1]).all()


def test_noise_alone_has_no_thickness():
    noise = np.random.default_rng(0).normal(100, 30, (24, 96, 96))
    images = Images(np.clip(noise, 0, 255).astype(np.uint8), (5, 5, 5), kv=(2.0,))
    with pytest.raises(FibError, match="nothing but noise"):
        Thickness().correct(images)
