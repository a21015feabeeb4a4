"""Reprojection: what an instrument does is explained, what a wrong segmentation shows is not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy import ndimage
from threadpoolctl import threadpool_limits

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.metrics import recording_link
from fib_plugins.metrics.recording_link import FWHM, blurred, link_slice
from fib_plugins.metrics.reprojection import Reprojection
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels

SHAPE = (12, 64, 72)
VOXEL = (4.0, 4.0, 4.0)


def structure(seed=0, shape=SHAPE):
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.5)
    return (field > np.quantile(field, 0.6)).astype(np.uint8)


def imaged(solid):
    projection = WeightedProjection(energies_kev=(2.0,), slices=6, mode="first_hit")
    return projection.simulate(Labels(solid, VOXEL), context=Context(0))


def stack(data, kv=(2.0,), voxel=VOXEL):
    return Images(np.asarray(data, np.float32), voxel, kv)


def measured(images, reimaged, threads=1, **params):
    context = Context(0, threads=threads)
    table = Reprojection(**params).measure(images, reimaged, context=context)
    return table.rows()[0], context.kept


@pytest.fixture(scope="module")
def solid():
    return structure()


@pytest.fixture(scope="module")
def ideal(solid):
    return imaged(solid)


@pytest.fixture(scope="module")
def record(ideal):
    return Acquisition(preset="typical").transform(ideal, context=Context(3))


def test_the_contract_is_kept():
    assert check_plugin(Reprojection) == []


def test_what_the_link_is_made_of_is_explained_to_rounding(ideal):
    """Brightness, contrast and their gradients, a square, stripes: nothing is left."""
    y, x = np.meshgrid(np.linspace(-1, 1, 64), np.linspace(-1, 1, 72), indexing="ij")
    image = blurred(ideal.data[0, 3], 2.0 * FWHM * VOXEL[1], VOXEL).astype(float)
    recorded = (
        3 + 2 * y - x + 0.5 * x**2 * y + (40 + 5 * y - 7 * x) * image + 9 * image**2
    )  # fmt: skip
    assert link_slice(recorded, image)[0].left_variance < 1e-12 * recorded.var()
    assert link_slice(recorded, image)[0].contrast > 0


def test_stripes_along_y_are_explained(ideal):
    image = blurred(ideal.data[0, 3], 2.0 * FWHM * VOXEL[1], VOXEL).astype(float)
    stripes = np.random.default_rng(0).normal(0, image.std(), 72)
    found, _ = link_slice(image + stripes, image)
    assert found.left_variance < 0.05 * stripes.var()
    across, _ = link_slice(image + np.random.default_rng(0).normal(0, image.std(), (64, 1)), image)
    assert across.left_variance > 0.5 * stripes.var()


def test_small_shifts_are_found_and_explained(ideal):
    image = blurred(ideal.data[0, 5], 2.0 * FWHM * VOXEL[1], VOXEL).astype(float)
    moved = ndimage.shift(image, (0.3, -0.2), order=3, mode="nearest")
    found, left = link_slice(moved, image)
    assert found.shift_pixels == pytest.approx((0.3, -0.2), abs=0.05)
    assert np.var(left[4:-4, 4:-4]) < 0.01 * np.var(moved - image)


def test_the_blur_of_the_instrument_is_found(ideal):
    fwhm = 12.0
    recorded = np.stack([blurred(plane, fwhm, VOXEL) for plane in ideal.data[0]])
    row, _ = measured(stack(200 * recorded), ideal)
    assert row["blur_fwhm_nm"] == pytest.approx(fwhm, rel=0.03)
    assert row["unexplained_percent"] < 0.1


def test_noise_is_not_taken_for_structure(ideal):
    rng = np.random.default_rng(5)
    soft = np.stack([blurred(plane, 10.0, VOXEL) for plane in ideal.data[0]])
    noise = 0.3 * soft.std()
    row, kept = measured(stack(soft + rng.normal(0, noise, soft.shape)), stack(soft))
    assert row["noise_percent"] == pytest.approx(100 * 0.09 / 1.09, rel=0.1)
    assert row["unexplained_percent"] < 1.0
    assert kept["map"].data.mean() == pytest.approx(1.0, abs=0.1)


def test_the_more_voxels_are_wrong_the_more_is_unexplained(solid, record):
    """Spheres of the structure are replaced by another structure's."""
    other = structure(seed=9)
    distance = ndimage.distance_transform_edt(
        np.arange(SHAPE[1] * SHAPE[2]).reshape(SHAPE[1:]) != 36 * 64 + 30
    )
    unexplained = []
    for radius in (0, 6, 10, 14, 20):
        wrong = np.where(distance < radius, other, solid)
        unexplained.append(measured(record, imaged(wrong))[0]["unexplained_percent"])
    assert np.all(np.diff(unexplained) > 0)


def test_the_map_shows_where_the_segmentation_is_wrong(solid, record):
    wrong = solid.copy()
    region = (slice(None), slice(40, 56), slice(8, 24))
    wrong[region] = structure(seed=9)[region]
    _, kept = measured(record, imaged(wrong))
    ratio = kept["map"].data[0]
    inside = np.zeros(SHAPE, bool)
    inside[region] = True
    # Away from the replaced block, and not below it where it would have shone through.
    outside = ~ndimage.binary_dilation(inside, iterations=6)
    assert np.median(ratio[inside]) > 2 * np.median(ratio[outside])


def test_a_threshold_that_takes_shine_through_for_solid_explains_less_than_the_truth(
    solid, record, ideal
):
    bright = (record.data[0] > np.quantile(record.data[0], 0.45)).astype(np.uint8)
    assert np.mean(bright != solid) > 0.1
    truth = measured(record, ideal)[0]["unexplained_percent"]
    assert measured(record, imaged(bright))[0]["unexplained_percent"] > 1.5 * truth


def test_swapped_phases_are_counted_and_warned_of(solid, record, caplog):
    with caplog.at_level(logging.WARNING):
        row, _ = measured(record, imaged(1 - solid))
    assert row["inverted_slices"] > SHAPE[0] / 2
    assert "swapped" in caplog.text


def test_threads_do_not_change_a_bit(record, ideal):
    with threadpool_limits(1, user_api="blas"):
        one, kept_one = measured(record, ideal)
    with threadpool_limits(2, user_api="blas"):
        two, kept_two = measured(record, ideal, threads=2)
    assert one == two
    assert kept_one["map"].data.tobytes() == kept_two["map"].data.tobytes()


def test_channels_are_linked_one_by_one(record, ideal):
    both = Images.stack([record, record.with_data(255 - record.data)])
    again = Images.stack([ideal, ideal])
    row, kept = measured(both, again)
    alone, _ = measured(record, ideal)
    assert row["left_percent"] == pytest.approx(alone["left_percent"], rel=1e-6)
    assert row["inverted_slices"] == SHAPE[0]
    assert len(kept["per_slice"]) == 2 * SHAPE[0]


def test_a_segmentation_without_solid_explains_nothing_but_brightness(record):
    row, _ = measured(record, stack(np.zeros(SHAPE)))
    assert row["unexplained_percent"] > 50


@pytest.mark.parametrize(
    ("reimaged", "message"),
    [
        (stack(np.zeros((12, 64, 70))), "cut in the same way"),
        (stack(np.zeros((2, *SHAPE)), kv=(1.0, 4.0)), "reimaged 2 channels .*detectors"),
    ],
)
def test_stacks_that_do_not_lie_on_each_other_are_refused(record, reimaged, message):
    with pytest.raises(FibError, match=message):
        measured(record, reimaged)


def test_constant_and_tiny_images_are_refused(ideal):
    with pytest.raises(FibError, match="same grey value everywhere"):
        measured(stack(np.ones(SHAPE)), ideal)
    small = stack(np.zeros((2, 8, 8)))
    with pytest.raises(FibError, match="at least 16 x 16"):
        measured(small, small)


@pytest.mark.parametrize("pixels", [1, 200, 10**6])
def test_the_fit_is_that_of_all_terms_at_once(record, ideal, monkeypatch, pixels):
    monkeypatch.setattr(recording_link, "BLOCK_PIXELS", pixels)
    grey, image = record.data[0, 3].astype(float), ideal.data[0, 3].astype(float)
    found, left = link_slice(record.data[0, 3], ideal.data[0, 3])

    image = (image - image.mean()) / image.std()
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in image.shape), indexing="ij")
    along = np.gradient(image)
    powers = [y**i * x**j for i in range(4) for j in range(4 - i)]
    ones = np.ones_like(y)
    terms = [*powers, *(f * image for f in (ones, y, x)), image**2]
    terms += [f * slope for slope in along for f in (ones, y, x)]
    design = np.stack(terms, axis=-1).reshape(grey.size, -1)
    values = np.linalg.lstsq(design, grey.ravel(), rcond=None)[0]
    expected = grey - (design @ values).reshape(grey.shape)
    expected -= np.median(expected, axis=0)

    np.testing.assert_allclose(left, expected, atol=1e-4 * grey.std())
    assert found.left_variance == pytest.approx(np.mean(expected**2), rel=1e-6)
    assert found.variance == pytest.approx(grey.var())
