"""Tilt: the geometry of a face seen at an angle, against analytic limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fib_plugins import Crop, Tilt
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels

SIN, COS = math.sin(math.radians(52)), math.cos(math.radians(52))


def images(grey: np.ndarray, size=(10.0, 5.0, 5.0)) -> Images:
    return Images(grey, size, kv=(2.0,))


def wave(y_nm: np.ndarray) -> np.ndarray:
    return 100.0 + 50.0 * np.sin(2.0 * np.pi * y_nm / 90.0)


def test_the_contract():
    assert check_plugin(Tilt) == []


@pytest.mark.parametrize(
    "given", [{}, {"angle_deg": 52}, {"angle_deg": 38, "angle_from": "normal"}]
)
def test_only_the_voxel_size_changes_by_default(given):
    grey = np.arange(3 * 8 * 9, dtype=np.uint8).reshape(3, 8, 9)
    context = Context()
    result = Tilt(**given).correct(images(grey), context=context)
    assert np.shares_memory(result.data, grey)
    assert result.voxel_size_nm == pytest.approx((10.0, 5.0 / SIN, 5.0))
    assert np.allclose(context.kept["corrections"]["y_stretch"], 1.0 / SIN)
    assert not np.any(context.kept["corrections"]["shift_y_px"])


@pytest.mark.parametrize("pixel_y", [5.0, 12.0, 2.0])
def test_a_wave_on_the_face_has_its_true_length_after_resampling(pixel_y):
    """Pixels become larger and smaller; the exact wave is known at each place."""
    rows = int(900 / pixel_y)
    y_nm = (np.arange(rows) + 0.5) * pixel_y / SIN  # on the face
    grey = np.repeat(wave(y_nm)[None, :, None], 4, axis=2).astype(np.float32)
    result = Tilt(mode="resample").correct(images(grey, (10.0, pixel_y, 5.0)))
    assert result.voxel_size_nm == pytest.approx((10.0, 5.0, 5.0))
    assert result.shape[1] == round(rows * pixel_y / SIN / 5.0)
    expected = wave((np.arange(result.shape[1]) + 0.5) * 5.0)
    inner = slice(12, -12)
    assert (
        np.abs(result.data[0, 0, inner, 2] - expected[inner]).max() < 1.5
    )  # of 50, for 6 rows a wave


@pytest.mark.parametrize("mode", ["voxel", "resample"])
def test_slices_of_a_fixed_field_are_aligned_along_the_normal(mode):
    """A plate normal to the face moves up the image by t cos(angle) per slice of thickness t."""
    depth, rows = 8, 160
    y_image = (np.arange(rows) + 0.5) * 5.0
    up = 10.0 * COS * np.arange(depth)
    grey = wave((y_image[None, :] + up[:, None]) / SIN)[:, :, None].repeat(4, axis=2)
    context = Context()
    tilt = Tilt(mode=mode, follow=False)
    result = tilt.correct(images(grey.astype(np.float32)), context=context)
    expected = wave((np.arange(result.shape[1]) + 0.5) * result.voxel_size_nm[1])
    table = context.kept["corrections"]
    off_nm = np.array(table["rest_y_px"]) * result.voxel_size_nm[1]
    first = int(np.ceil(np.max(table["shift_y_px"]))) + 4
    for z in range(depth):
        left = wave((np.arange(result.shape[1]) + 0.5) * result.voxel_size_nm[1] + off_nm[z])
        assert np.abs(result.data[0, z, first:-8, 1] - left[first:-8]).max() < 1.5
    if mode == "resample":
        assert np.allclose(table["shift_y_px"], np.arange(depth) * 10.0 * COS / SIN / 5.0)
        assert np.abs(result.data[0, :, first:-8, 1] - expected[first:-8]).max() < 1.5
    cut = Crop(find=()).correct(result, shifts=table)
    assert cut.shape[1] == result.shape[1] - math.ceil(np.max(table["shift_y_px"]))


def test_a_given_shift_and_its_sign():
    grey = np.random.default_rng(0).integers(0, 255, (3, 20, 6)).astype(np.uint8)
    down = Tilt(follow=False, shift_per_slice_nm=10.0).correct(images(grey))
    assert np.array_equal(down.data[0, 2, 4:], grey[2, :-4])
    assert np.all(down.data[0, 2, :4] == grey[2, 0])
    up = Tilt(follow=False, shift_per_slice_nm=-5.0).correct(images(grey))
    assert np.array_equal(up.data[0, 2, :-2], grey[2, 2:])


def test_an_inclined_cut_face_is_sheared_and_slices_are_closer():
    grey = np.random.default_rng(0).integers(0, 255, (5, 40, 6)).astype(np.uint8)
    context = Context()
    result = Tilt(angle_deg=90, face_tilt_deg=30).correct(images(grey), context=context)
    assert result.voxel_size_nm == pytest.approx((10.0 * math.cos(math.radians(30)), 5.0, 5.0))
    assert np.array_equal(context.kept["corrections"]["shift_y_px"], np.arange(5))  # 5 nm each
    assert np.array_equal(result.data[0, 3, 3:], grey[3, :-3])


@pytest.mark.parametrize("mode", ["voxel", "resample"])
def test_labels_move_with_their_images(mode):
    solid = (np.indices((6, 40, 8))[1] // 7 % 2).astype(np.uint8)
    tilt = Tilt(mode=mode, follow=False)
    context = Context()
    labels = Labels(solid, (10.0, 5.0, 5.0))
    result = tilt.correct(images(solid * np.uint8(200)), labels=labels, context=context)
    moved = context.kept["labels"]
    assert moved.voxel_size_nm == result.voxel_size_nm
    assert ((result.data[0] > 100) == moved.data).mean() > (0.97 if mode == "resample" else 0.999)
    forecast = tilt.forecast("correct", {"images": images(solid).spec, "labels": labels.spec})
    assert forecast.output == result.spec
    assert forecast.kept["labels"] == moved.spec


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_nothing_changes_at_90_degrees(dtype):
    grey = np.random.default_rng(0).integers(0, 255, (1, 20, 6)).astype(dtype)
    for mode in ("voxel", "resample"):
        result = Tilt(angle_deg=90, mode=mode, follow=False).correct(images(grey))
        assert np.array_equal(result.data[0], grey)
        assert result.data.dtype == dtype
        assert result.voxel_size_nm == (10.0, 5.0, 5.0)


def test_the_result_does_not_depend_on_threads():
    grey = np.random.default_rng(0).integers(0, 255, (2, 9, 40, 12)).astype(np.uint8)
    stack = Images(grey, (10.0, 5.0, 5.0), kv=(1.0, 2.0))
    one, two = (
        Tilt(mode="resample", follow=False).correct(stack, context=Context(threads=threads))
        for threads in (1, 2)
    )
    assert np.array_equal(one.data, two.data)


def test_what_cannot_be_corrected_is_refused():
    for given in ({"angle_deg": 2}, {"angle_deg": 88, "angle_from": "normal"}):
        with pytest.raises(ValueError, match="edge-on"):
            Tilt(**given)
    with pytest.raises(ValueError, match="no effect with follow"):
        Tilt(shift_per_slice_nm=3.0)
    with pytest.raises(ValueError, match="less than or equal to 90"):
        Tilt(angle_deg=120)
    spec = images(np.zeros((40, 20, 6), np.uint8)).spec
    with pytest.raises(FibError, match="leaves the field of 20 rows"):
        Tilt(follow=False).forecast("correct", {"images": spec})
