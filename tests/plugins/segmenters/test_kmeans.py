import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.image_statistics.histogram import Histogram
from fib_plugins.segmenters import kmeans
from fib_plugins.segmenters.kmeans import KMeans, centres_of_histogram
from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images

VOXEL_NM = (5.0, 5.0, 5.0)


def peaks(means: list[float], width: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grey values around each mean in turn, and the number of the mean that each came from."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(means), (6, 50, 50))
    return rng.normal(np.array(means)[truth], width).astype(np.float32), truth


def test_keeps_the_contract() -> None:
    assert check_plugin(KMeans) == []


def test_two_clusters_of_one_channel_agree_with_otsu() -> None:
    grey, _ = peaks([50.0, 90.0], 12.0)
    images = Images(grey.clip(0, 255).astype(np.uint8), VOXEL_NM, kv=(2.0,))
    assert np.array_equal(KMeans().predict(images).data, Threshold().predict(images).data)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_centres_are_the_means_of_the_values_nearest_to_them(dtype: type) -> None:
    grey, _ = peaks([40.0, 120.0, 180.0, 210.0], 9.0)
    grey = grey.astype(dtype)

    centres = centres_of_histogram(Histogram.of(grey, "the images"), 4)

    nearest = np.abs(grey.ravel()[:, None] - centres).argmin(axis=1)
    means = [grey.ravel()[nearest == i].mean(dtype=float) for i in range(4)]
    assert np.allclose(centres, means, rtol=1e-4)
    assert np.allclose(centres, [40, 120, 180, 210], atol=5)


def test_the_brightest_clusters_are_solid() -> None:
    grey, truth = peaks([10.0, 20.0, 30.0, 40.0], 0.5)
    images = Images(grey, VOXEL_NM, kv=(2.0,))

    one = KMeans(clusters=4).predict(images)
    two = KMeans(clusters=4, solid_clusters=2).predict(images)
    dark = KMeans(clusters=4, solid="dark").predict(images)

    assert np.array_equal(one.solid, truth == 3)
    assert np.array_equal(two.solid, truth >= 2)
    assert np.array_equal(dark.solid, truth == 0)


def test_several_voltages_tell_apart_what_one_cannot() -> None:
    low, truth = peaks([1.0, 1.6], 0.25, seed=1)
    high = np.random.default_rng(9).normal(np.array([300.0, 480.0])[truth], 75.0)
    both = Images(np.stack([low, high.astype(np.float32)]), VOXEL_NM, kv=(1.0, 4.0))

    wrong = np.mean(KMeans().predict(both).data != truth)
    wrong_of_one = [np.mean(KMeans().predict(both.select([k])).data != truth) for k in (1.0, 4.0)]

    # Two independent channels of equal contrast: the distance between the phases grows by root 2.
    assert wrong < 0.6 * min(wrong_of_one)


def test_several_voltages_give_the_same_bytes_for_the_same_seed() -> None:
    low, _ = peaks([1.0, 1.3, 2.0], 0.2, seed=1)
    high, _ = peaks([1.0, 1.3, 2.0], 0.2, seed=2)
    images = Images(np.stack([low, high]), VOXEL_NM, kv=(1.0, 4.0))
    plugin = KMeans(clusters=3, sample_voxels=1000)

    def centres(seed: int) -> np.ndarray:
        context = Context(seed)
        plugin.predict(images, context)
        return np.stack([context.kept["clusters"][f"{k}_kV_grey_value"] for k in (1, 4)])

    assert np.array_equal(centres(5), centres(5))
    assert not np.array_equal(centres(5), centres(6))


def test_the_table_of_clusters_tells_their_shares() -> None:
    grey, truth = peaks([10.0, 30.0], 0.5)
    context = Context()
    KMeans().predict(Images(grey, VOXEL_NM, kv=(2.0,)), context)
    table = context.kept["clusters"]
    assert table["share"].tolist() == pytest.approx([np.mean(truth == 0), np.mean(truth == 1)])
    assert table["solid"].tolist() == [False, True]
    assert table["2_kV_grey_value"].tolist() == pytest.approx([10.0, 30.0], abs=0.1)


def test_some_cluster_has_to_be_pore() -> None:
    with pytest.raises(ValidationError, match="at most 2 solid_clusters"):
        KMeans(clusters=3, solid_clusters=3)


def test_fewer_grey_values_than_clusters_are_refused() -> None:
    grey = np.tile(np.array([0, 255], np.uint8), (2, 4, 2))
    with pytest.raises(FibError, match="2 grey values, fewer than 3 clusters"):
        KMeans(clusters=3).predict(Images(grey, VOXEL_NM, kv=(2.0,)))


@pytest.mark.parametrize("channels", [1, 2])
def test_constant_images_are_refused(channels: int) -> None:
    grey = np.full((channels, 3, 4, 4), 9, np.uint8)
    with pytest.raises(FibError, match="same grey value"):
        KMeans().predict(Images(grey, VOXEL_NM, kv=(1.0, 2.0)[:channels]))


@pytest.mark.parametrize("channels", [1, 2])
def test_rows_in_work_at_a_time_change_nothing(
    monkeypatch: pytest.MonkeyPatch, channels: int
) -> None:
    grey = np.stack([peaks([40.0, 120.0], 30.0, seed)[0] for seed in range(channels)])
    images = Images(grey, VOXEL_NM, kv=(1.0, 4.0)[:channels])
    found = []
    for pixels in (10**6, 130):
        monkeypatch.setattr(kmeans, "BLOCK_PIXELS", pixels)
        context = Context(3)
        found.append((KMeans().predict(images, context).data, context.kept["clusters"].rows()))
    assert np.array_equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
