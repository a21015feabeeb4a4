import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.feature import multiscale_basic_features

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.random_forest.local_features import LocalFeatures
from fibcore import FibError, Images

CUBES = (5.0, 5.0, 5.0)
FLAT = (12.0, 4.0, 4.0)


def noise(shape: tuple[int, int, int, int], voxel_size_nm: tuple[float, float, float]) -> Images:
    grey = np.random.default_rng(3).normal(100.0, 20.0, shape).astype(np.float32)
    return Images(grey, voxel_size_nm, kv=(1.0, 2.0, 4.0)[: shape[0]])


def raw(images: Images) -> GreyScale:
    """The grey scale by which grey values stay what they are."""
    return GreyScale(np.zeros((len(images.kv), 1)), np.ones((len(images.kv), 1)))


def test_slices_have_the_features_of_scikit_image() -> None:
    images = noise((2, 4, 40, 50), CUBES)
    found = LocalFeatures((0.5, 1.0, 2.0, 4.0)).of(images, GreyScale.of(images), range(4))
    scores = GreyScale.of(images).apply(images, range(4))
    for z in range(4):
        expected = multiscale_basic_features(
            scores[:, z], sigma_min=0.5, sigma_max=4.0, channel_axis=0
        )
        assert np.allclose(found[:, z], np.moveaxis(expected, -1, 0), atol=1e-5)


def test_volumes_of_cubes_have_the_features_of_scikit_image() -> None:
    images = noise((1, 14, 20, 18), CUBES)
    found = LocalFeatures((1.0, 2.0), in_volume=True).of(images, GreyScale.of(images), range(14))
    (scores,) = GreyScale.of(images).apply(images, range(14))
    expected = multiscale_basic_features(scores, sigma_min=1.0, sigma_max=2.0)
    assert np.allclose(found, np.moveaxis(expected, -1, 0), atol=1e-5)


@pytest.mark.parametrize(
    "features",
    [
        LocalFeatures((0.5, 3.0)),
        LocalFeatures((0.5, 3.0), slices_above=2, slices_below=3),
        LocalFeatures((0.5, 3.0, 6.0), in_volume=True),
    ],
)
def test_features_do_not_depend_on_the_slices_asked_for_with_them(features: LocalFeatures) -> None:
    images = noise((2, 30, 16, 18), FLAT)
    scale = GreyScale.of(images)
    whole = features.of(images, scale, range(30))
    for part in (range(1), range(1, 4), range(13, 14), range(20, 30)):
        assert np.array_equal(features.of(images, scale, part), whole[:, part.start : part.stop])


@pytest.mark.parametrize(
    "features",
    [
        LocalFeatures((0.5, 3.0)),
        LocalFeatures((0.7, 2.0), slices_above=1, slices_below=1),
        LocalFeatures((0.5, 3.0), in_volume=True),
    ],
)
def test_features_do_not_depend_on_the_rows_asked_for_with_them(features: LocalFeatures) -> None:
    images = noise((2, 6, 60, 18), FLAT)
    scale = GreyScale.of(images)
    whole = features.of(images, scale, range(6))
    for rows in (range(1), range(2, 20), range(25, 27), range(41, 60)):
        part = features.of(images, scale, range(2, 5), rows)
        assert np.array_equal(part, whole[:, 2:5, rows.start : rows.stop])


def test_names_tell_what_features_are() -> None:
    features = LocalFeatures((1.0, 2.0), slices_above=1, slices_below=2)
    images = noise((2, 6, 30, 30), CUBES)
    names = features.names(images.names)
    found = features.of(images, raw(images), range(6))
    assert len(set(names)) == len(names) == len(found)

    def smooth(channel: int, z: int, sigma: float) -> np.ndarray:
        return gaussian_filter(images.data[channel, z], sigma, mode="nearest")

    below = found[names.index("2 kV Gaussian 2 px, 1 slice below")]
    above = found[names.index("1 kV Gaussian 1 px, 1 slice above")]
    far = found[names.index("1 kV Gaussian 1 px, 2 slices below")]
    assert np.allclose(found[names.index("1 kV Gaussian 2 px"), 3], smooth(0, 3, 2.0), rtol=1e-5)
    assert np.allclose(below[3], smooth(1, 4, 2.0), rtol=1e-5)
    assert np.allclose(above[3], smooth(0, 2, 1.0), rtol=1e-5)
    # Beyond the ends of the stack, the slice at the end stands.
    assert np.allclose(above[0], smooth(0, 0, 1.0), rtol=1e-5)
    assert np.allclose(far[4], smooth(0, 5, 1.0), rtol=1e-5)
    assert np.allclose(far[5], smooth(0, 5, 1.0), rtol=1e-5)


def paraboloid(curvatures: tuple[float, float, float]) -> Images:
    """Grey values with these second derivatives along (z, y, x), per square of a pixel's edge."""
    pixels = np.indices((31, 61, 61)) - np.array([15, 30, 30])[:, None, None, None]
    along = pixels * (np.array(FLAT) / FLAT[1])[:, None, None, None]
    grey = sum(c * x**2 / 2 for c, x in zip(curvatures, along, strict=True))
    return Images(np.asarray(grey, np.float32), FLAT, kv=(2.0,))


@pytest.mark.parametrize("curvatures", [(0.3, -0.1, 0.05), (-0.2, 0.05, 0.1)])
def test_curvatures_are_those_in_space_where_voxels_are_no_cubes(
    curvatures: tuple[float, float, float],
) -> None:
    images = paraboloid(curvatures)
    features = LocalFeatures((1.0, 2.0), in_volume=True)
    found = features.of(images, raw(images), range(15, 16))[:, 0, 30, 30]
    names, ranks = features.names(["c"]), ("largest", "middle", "smallest")
    # Smoothing adds half the variance times the sum of the second derivatives.
    assert found[names.index("c Gaussian 2 px")] == pytest.approx(2 * sum(curvatures), abs=4e-3)
    for sigma in (1, 2):
        for rank, expected in zip(ranks, sorted(curvatures)[::-1], strict=True):
            value = found[names.index(f"c {rank} curvature {sigma} px")]
            assert value == pytest.approx(expected, abs=2e-4)


def test_a_slope_is_as_steep_along_z_as_in_the_plane() -> None:
    z, _, x = np.indices((31, 41, 41)).astype(np.float32) * np.array(FLAT)[:, None, None, None]
    features = LocalFeatures((1.0,), in_volume=True)
    steepness = [
        features.of(images, raw(images), range(15, 16))[1, 0, 20, 20]
        for images in (Images(np.float32(0.1 * along), FLAT, kv=(2.0,)) for along in (z, x))
    ]
    assert steepness[0] == pytest.approx(steepness[1], rel=1e-4)


def test_grey_values_that_are_not_finite_are_refused() -> None:
    images = noise((1, 5, 20, 20), CUBES)
    images.data[0, 3, 2, 2] = np.nan
    features = LocalFeatures((1.0,))
    features.of(images, raw(images), range(3))
    with pytest.raises(FibError, match="slices 3 to 4 hold grey values that are not finite"):
        features.of(images, raw(images), range(3, 5))
