import numpy as np
import pytest

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.image_statistics.histogram import Histogram
from fibcore import FibError, Images

VOXEL_NM = (5.0, 5.0, 5.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whole_numbers_are_counted_one_by_one(dtype: type) -> None:
    slices: np.ndarray = (
        np.random.default_rng(0).integers(7, np.iinfo(dtype).max, (5, 30, 40)).astype(dtype)
    )

    histogram = Histogram.of(slices, "the images")

    values, counts = np.unique(slices, return_counts=True)
    occupied = histogram.counts > 0
    assert np.array_equal(histogram.values[occupied], values)
    assert np.array_equal(histogram.counts[occupied], counts)
    assert occupied[0]
    assert occupied[-1]


def test_z_scores_have_mean_0_and_deviation_1_per_channel() -> None:
    rng = np.random.default_rng(1)
    data = np.stack([rng.normal(5.0, 2.0, (6, 50, 50)), rng.normal(-1.0, 0.1, (6, 50, 50))])
    images = Images(data.astype(np.float32), VOXEL_NM, kv=(1.0, 2.0))

    scores = GreyScale.of(images).apply(images, range(6))

    assert scores.dtype == np.float32
    assert np.allclose(scores.mean(axis=(1, 2, 3)), 0.0, atol=0.01)
    assert np.allclose(scores.std(axis=(1, 2, 3)), 1.0, atol=0.02)


def test_per_slice_each_slice_has_its_own_scale() -> None:
    rng = np.random.default_rng(2)
    drift = np.array([1.0, 5.0, 3.0])[:, None, None]
    data = (drift * (10.0 + rng.normal(size=(3, 60, 60)))).astype(np.float32)
    images = Images(data, VOXEL_NM, kv=(2.0,))

    scores = GreyScale.of(images, per_slice=True).apply(images, [2, 0])

    assert scores.shape == (1, 2, 60, 60)
    assert np.allclose(scores.mean(axis=(2, 3)), 0.0, atol=0.02)
    assert np.allclose(scores.std(axis=(2, 3)), 1.0, atol=0.02)


def test_a_few_hot_pixels_do_not_decide_the_contrast() -> None:
    grey = np.random.default_rng(3).integers(90, 110, (4, 64, 64)).astype(np.uint16)
    hot = grey.copy()
    hot[0, 0, :4] = 65535

    clean = GreyScale.of(Images(grey, VOXEL_NM, kv=(2.0,)))
    disturbed = GreyScale.of(Images(hot, VOXEL_NM, kv=(2.0,)))

    assert hot.std() > 50 * grey.std()
    assert np.allclose(disturbed.centre, clean.centre, atol=0.1)
    assert np.allclose(disturbed.scale, clean.scale, rtol=0.02)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    grey = np.ones((2, 4, 4), np.float32)
    grey[1, 2, 3] = bad
    with pytest.raises(FibError, match="not finite"):
        Histogram.of(grey, "the images")


def test_one_grey_value_almost_everywhere_is_refused() -> None:
    grey = np.zeros((4, 64, 64), np.uint8)
    grey[0, 0, 0] = 255
    with pytest.raises(FibError, match="almost everywhere"):
        GreyScale.of(Images(grey, VOXEL_NM, kv=(2.0,)))
