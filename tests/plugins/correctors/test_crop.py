"""Crop: data bars, filled edges and blank regions are found exactly, on a clean stack nothing."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from fib_plugins import Crop
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels, Table

SIZE = (5.0, 5.0, 5.0)


def stack(depth: int = 12, height: int = 96, width: int = 128, seed: int = 0) -> np.ndarray:
    """Return a noisy two-phase stack that changes from slice to slice, uint8 (z, y, x)."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal((depth, height, width)), (1.0, 4.0, 4.0))
    grey = np.where(field > 0.3 * field.std(), 170.0, 80.0) + rng.normal(0, 12, field.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def data_bar(depth: int, height: int, width: int, ground: int = 0) -> np.ndarray:
    """Return a bar with writing, part of which changes from slice to slice, (z, y, x)."""
    rng = np.random.default_rng(1)
    writing = np.kron(rng.random((height // 2 - 2, width // 4)) < 0.3, np.ones((2, 2), bool))
    bar = np.full((depth, height, width), ground, np.uint8)
    bar[:, 2 : 2 + len(writing), : writing.shape[1]] = np.where(writing, 255 - ground, ground)
    bar[:, 4:-4, -40:-30] = np.where(rng.random((depth, height - 8, 10)) < 0.5, 255, 0)
    return bar


def images(grey: np.ndarray) -> Images:
    return Images(grey, SIZE, kv=(2.0,))


def test_the_contract():
    assert check_plugin(Crop) == []


@pytest.mark.parametrize("depth", [1, 2, 3, 12])
@pytest.mark.parametrize(("side", "ground"), [("bottom", 0), ("top", 255)])
def test_a_data_bar_is_cut_off_to_the_row(depth, side, ground, caplog):
    grey = stack(depth)
    bar = data_bar(depth, 16, 128, ground)
    whole = np.concatenate([grey, bar] if side == "bottom" else [bar, grey], axis=1)
    with caplog.at_level(logging.WARNING):
        cut = Crop().correct(images(whole))
    assert np.array_equal(cut.data[0], grey)
    assert f"16 rows at the {side} (a data bar)" in caplog.text


def test_a_data_bar_of_a_lossy_format_is_cut_off():
    grey = stack()
    noise = np.random.default_rng(2).normal(0, 2, (12, 20, 128))
    bar = np.clip(data_bar(12, 20, 128) + noise, 0, 255).astype(np.uint8)
    cut = Crop().correct(images(np.concatenate([grey, bar], axis=1)))
    assert cut.shape == grey.shape


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_dark_trench_beside_the_face_is_cut_off(dtype):
    grey = stack().astype(np.float64)
    rng = np.random.default_rng(3)
    trench = np.clip(rng.normal(8, 3, (12, 96, 24)), 0, 255)
    whole = np.concatenate([trench, grey], axis=2) * (256 if dtype == "uint16" else 1)
    context = Context()
    cut = Crop().correct(images(whole.astype(dtype)), context=context)
    assert cut.shape == grey.shape
    assert set(context.kept["corrections"]["x_start_px"]) == {24}
    assert Crop(find=("data_bar",)).correct(images(whole.astype(dtype))).shape == whole.shape


def test_borders_filled_in_some_slices_are_cut_off():
    grey = stack()
    grey[4, :3] = 0
    grey[7, :, -5:] = 0
    assert Crop().correct(images(grey)).shape == (12, 93, 123)
    assert Crop(margin_px=2).correct(images(grey)).shape == (12, 91, 121)


@pytest.mark.parametrize("depth", [1, 2, 12])
def test_nothing_is_cut_off_a_clean_stack(depth, caplog):
    grey = stack(depth)
    for given in (grey, (grey > 125).astype(np.uint8) * 200, np.full_like(grey, 7)):
        cut = Crop().correct(images(given))
        assert cut.shape == given.shape
        assert np.shares_memory(cut.data, given)
    assert not caplog.records


def test_a_region_counts_from_the_end_and_cuts_labels_and_slices():
    grey = stack()
    labels = Labels((grey > 125).astype(np.uint8), SIZE)
    crop = Crop(region={"z": (2, None), "y": (-60, -20), "x": (None, 50)}, find=())
    context = Context()
    cut = crop.correct(images(grey), labels=labels, context=context)
    assert np.array_equal(cut.data[0], grey[2:, 36:76, :50])
    assert np.array_equal(context.kept["labels"].data, labels.data[2:, 36:76, :50])
    table = context.kept["corrections"]
    assert list(table["kept"]) == [0, 0] + [1] * 10
    assert (table["y_start_px"][0], table["y_stop_px"][0]) == (36, 76)
    forecast = crop.forecast("correct", {"images": images(grey).spec, "labels": labels.spec})
    assert forecast.output == cut.spec
    assert forecast.kept["labels"] == context.kept["labels"].spec
    assert Crop().forecast("correct", {"images": images(grey).spec}).output is None


def test_the_field_that_all_slices_share_after_shifts():
    grey = stack(4)
    shifts = Table({"shift_y_px": [0.0, 2.2, -1.0, 0.5], "shift_x_px": [0.0, -4.0, -3.5, -1.0]})
    context = Context()
    cut = Crop(find=()).correct(images(grey), shifts=shifts, context=context)
    assert np.array_equal(cut.data[0], grey[:, 3:-1, :-4])
    crop = Crop(find=())
    assert crop.forecast("correct", {"images": images(grey).spec, "shifts": None}).output is None


def test_a_fit_cuts_another_channel_in_the_same_way():
    grey = stack()
    whole = np.concatenate([grey, data_bar(12, 16, 128)], axis=1)
    crop = Crop().fit(images(whole))
    again = Crop.from_model(crop.model)
    other = np.random.default_rng(0).integers(0, 255, whole.shape).astype(np.uint8)
    assert np.array_equal(again.correct(images(other)).data[0], other[:, :96])
    assert again.forecast("correct", {"images": images(whole).spec}).output.shape == grey.shape
    with pytest.raises(FibError, match="fit another one"):
        again.correct(images(grey))


@pytest.mark.parametrize(
    ("crop", "shifts", "message"),
    [
        (Crop(region={"y": (0, 97)}), None, "does not lie within the 96 voxels along y"),
        (Crop(region={"x": (-200, None)}), None, "does not lie within"),
        (Crop(region={"y": (90, -90)}), None, "or leaves none"),
        (Crop(margin_px=60), {"shift_y_px": [0, 1, -1], "shift_x_px": [0, 0, 0]}, "nothing is"),
        (Crop(), {"shift_y_px": [0, 1], "shift_x_px": [0, 0]}, "2 slices, the stack has 3"),
        (Crop(), {"shift_y_px": [0, 60, -60], "shift_x_px": [0, 0, 0]}, "no part of it"),
        (Crop(), {"shift_y_px": [0, 1, 2]}, "shift_x_px are needed"),
        (Crop(), {"shift_y_px": [0, np.nan, 2], "shift_x_px": [0, 0, 0]}, "not finite"),
    ],
)
def test_what_cannot_be_cut_is_refused(crop, shifts, message):
    table = None if shifts is None else Table(shifts)
    with pytest.raises(FibError, match=message):
        crop.correct(images(stack(3)), shifts=table)


def test_impossible_parameters_are_refused():
    with pytest.raises(ValueError, match="empty"):
        Crop(region={"y": (50, 20)})
    labels = Labels(np.zeros((3, 90, 128), np.uint8), SIZE)
    with pytest.raises(FibError, match="same voxels"):
        Crop().correct(images(stack(3)), labels=labels)
