import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu, threshold_yen

from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images

VOXEL_NM = (5.0, 5.0, 5.0)


def two_peaks(dtype: str, seed: int = 0) -> np.ndarray:
    """Grey values around 0.3 and 0.6 of the type's range, unequal in number and width."""
    rng = np.random.default_rng(seed)
    grey = np.where(rng.random((6, 50, 60)) < 0.3, rng.normal(0.6, 0.08, (6, 50, 60)), 0.0)
    grey = np.where(grey > 0, grey, rng.normal(0.3, 0.05, (6, 50, 60)))
    if dtype == "float32":
        return grey.astype(np.float32)
    return (grey.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


def level_used(plugin: Threshold, images: Images) -> float:
    context = Context()
    plugin.predict(images, context)
    (level,) = context.kept["levels"]["level_grey_value"]
    return float(level)


def test_keeps_the_contract() -> None:
    assert check_plugin(Threshold) == []


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_otsu_level_is_that_of_scikit_image(dtype: str) -> None:
    grey = two_peaks(dtype)
    found = level_used(Threshold(method="otsu"), Images(grey, VOXEL_NM, kv=(2.0,)))
    assert found == pytest.approx(threshold_otsu(grey, nbins=65536), rel=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_yen_level_is_that_of_scikit_image_with_256_bins(dtype: str) -> None:
    grey = two_peaks(dtype)
    found = level_used(Threshold(method="yen"), Images(grey, VOXEL_NM, kv=(2.0,)))
    if dtype == "uint8":
        assert found == threshold_yen(grey)
    else:
        spread = float(grey.max()) - float(grey.min())
        assert found == pytest.approx(threshold_yen(grey.astype(float)), abs=0.02 * spread)


def test_otsu_is_the_best_of_all_levels_by_its_own_criterion() -> None:
    grey = two_peaks("uint8")

    def within(level: int) -> float:
        dark, bright = grey[grey <= level], grey[grey > level]
        return dark.var() * len(dark) + bright.var() * len(bright)

    best = min(range(int(grey.min()), int(grey.max())), key=within)
    assert level_used(Threshold(), Images(grey, VOXEL_NM, kv=(2.0,))) == best


def test_16_bit_grey_values_are_told_apart_within_one_8_bit_step() -> None:
    truth = np.random.default_rng(1).random((4, 30, 30)) < 0.4
    grey = np.where(truth, 30010, 30005).astype(np.uint16)
    assert len(np.unique(grey >> 8)) == 1

    labels = Threshold().predict(Images(grey, VOXEL_NM, kv=(2.0,)))

    assert np.array_equal(labels.solid, truth)


def test_manual_level_and_dark_solid() -> None:
    grey = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    images = Images(grey, VOXEL_NM, kv=(2.0,))

    bright = Threshold(method="manual", level=30).predict(images)
    dark = Threshold(method="manual", level=30, solid="dark").predict(images)

    assert np.array_equal(bright.data, grey > 30)
    assert np.array_equal(dark.data, grey <= 30)


def test_labels_carry_voxel_size_and_materials() -> None:
    images = Images(two_peaks("uint8"), (10.0, 3.0, 3.0), kv=(2.0,))
    labels = Threshold(materials=("C", "Cu")).predict(images)
    assert labels.voxel_size_nm == (10.0, 3.0, 3.0)
    assert {n: m.name for n, m in labels.phases.items()} == {0: "C", 1: "Cu"}


def test_slice_scope_follows_drift_that_stack_scope_cannot() -> None:
    truth = np.random.default_rng(2).random((5, 40, 40)) < 0.5
    drift = 40 * np.arange(5)[:, None, None]
    images = Images((truth * 20 + drift).astype(np.uint8), VOXEL_NM, kv=(2.0,))

    per_slice = Threshold(scope="slice").predict(images)
    per_stack = Threshold(scope="stack").predict(images)

    assert np.array_equal(per_slice.solid, truth)
    assert np.mean(per_stack.solid != truth) > 0.3


def test_kv_chooses_the_channel() -> None:
    one, two = two_peaks("uint8", 1), two_peaks("uint8", 2)
    images = Images(np.stack([one, two]), VOXEL_NM, kv=(1.0, 2.0))

    chosen = Threshold(kv=2.0).predict(images)
    first = Threshold().predict(images)

    assert np.array_equal(chosen.data, Threshold().predict(Images(two, VOXEL_NM, kv=(2.0,))).data)
    assert np.array_equal(first.data, Threshold().predict(Images(one, VOXEL_NM, kv=(1.0,))).data)
    assert "first" in Threshold().forecast("predict", {"images": images.spec}).warnings[0]
    with pytest.raises(FibError, match="no channel at 4 kV"):
        Threshold(kv=4.0).forecast("predict", {"images": images.spec})


@pytest.mark.parametrize("scope", ["stack", "slice"])
def test_constant_images_are_refused(scope: str) -> None:
    grey = two_peaks("uint16")
    grey[3] = 7
    constant = Images(np.full_like(grey, 7) if scope == "stack" else grey, VOXEL_NM, kv=(2.0,))
    with pytest.raises(FibError, match=r"(slice 3 of )?the 2 kV images have the same grey value"):
        Threshold(scope=scope).predict(constant)


@pytest.mark.parametrize("params", [{"method": "manual"}, {"method": "otsu", "level": 3.0}])
def test_a_level_goes_with_manual_only(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="give a level in grey values with method 'manual'"):
        Threshold.model_validate(params)


def test_memory_does_not_grow_with_the_number_of_slices(tmp_path: Path) -> None:
    def peak(depth: int) -> int:
        file = tmp_path / f"{depth}.npy"
        np.save(file, np.tile(two_peaks("float32"), (depth // 6, 4, 4)))
        images = Images(np.load(file, mmap_mode="r"), VOXEL_NM, kv=(2.0,))
        context = Context(scratch=tmp_path)
        tracemalloc.start()
        Threshold().predict(images, context)
        size = tracemalloc.get_traced_memory()[1] - images.data.nbytes // 4  # less the labels
        tracemalloc.stop()
        return size

    assert peak(60) < 1.2 * peak(12)


def face_above_pores(seed: int = 0, dark: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A flat face in front of pores of many grey values, most of them hardly darker; the truth."""
    rng = np.random.default_rng(seed)
    shape = (4, 160, 160)
    smooth = gaussian_filter(rng.standard_normal(shape), (2, 8, 8))
    solid = smooth > np.quantile(smooth, 0.4)
    inside = gaussian_filter(rng.standard_normal(shape), (0, 2, 2))
    rank = np.argsort(np.argsort(inside, axis=None)).reshape(shape) / inside.size
    grey = np.where(solid, 150.0, 100.0 + 44.0 * rank)
    grey = gaussian_filter(grey, (0, 0.7, 0.7)) + rng.normal(0, 3.0, shape)
    grey = 255 - grey if dark else grey
    return np.rint(grey).astype(np.uint8), solid


@pytest.mark.parametrize("dark", [False, True])
def test_mode_lies_beside_the_face_and_errs_less_than_otsu(dark: bool) -> None:
    grey, solid = face_above_pores(dark=dark)
    images = Images(grey, VOXEL_NM, kv=(2.0,))
    side = "dark" if dark else "bright"
    level = level_used(Threshold(method="mode", solid=side), images)
    face = 105 if dark else 150
    assert 2 < abs(level - face) < 6
    wrong = {
        method: np.mean(Threshold(method=method, solid=side).predict(images).solid != solid)
        for method in ("mode", "otsu")
    }
    assert wrong["mode"] < 0.75 * wrong["otsu"]


def test_mode_moves_by_the_deviation_of_the_face_for_each_sigma() -> None:
    images = Images(face_above_pores()[0], VOXEL_NM, kv=(2.0,))
    levels = [level_used(Threshold(method="mode", sigmas=k), images) for k in (1, 2, 4)]
    first, second = levels[0] - levels[1], levels[1] - levels[2]
    assert second == pytest.approx(2 * first)
    noise = 3.0 / (2 * np.sqrt(np.pi))  # white noise after a Gaussian of one pixel
    assert first == pytest.approx(noise, rel=0.3)


def test_mode_refuses_images_without_a_mode_of_a_face() -> None:
    grey = np.random.default_rng(0).normal(100, 20, (3, 64, 64)).astype(np.float32)
    with pytest.raises(FibError, match="no narrow mode"):
        Threshold(method="mode").predict(Images(grey, VOXEL_NM, kv=(2.0,)))


def test_mode_of_a_filled_stack_is_that_of_the_solid() -> None:
    """Of two modes, of the solid and of the resin, the parameter solid takes one."""
    rng = np.random.default_rng(0)
    solid = gaussian_filter(rng.standard_normal((3, 96, 96)), 6) > 0
    grey = (np.where(solid, 170.0, 60.0) + rng.normal(0, 5, solid.shape)).astype(np.float32)
    images = Images(grey, VOXEL_NM, kv=(2.0,))
    assert level_used(Threshold(method="mode", blur_px=0.5), images) > 150
    assert level_used(Threshold(method="mode", blur_px=0.5, solid="dark"), images) < 80
