from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from fib_plugins.report import palette
from fib_plugins.report.slices import (
    Pictures,
    grey_limits,
    nearest,
    reduced,
    sample_slices,
    take,
    to_grey,
)
from fib_plugins.report.viewer import ViewerMaker, panes, scale_bar, spread
from fibcore import Images, Labels

RNG = np.random.default_rng(11)


def picture(pictures: Pictures, key: str, mode: str = "RGB") -> np.ndarray:
    content = base64.b64decode(pictures.uris[key].split(",", 1)[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert(mode))


@pytest.mark.parametrize(
    ("plane", "expected"),
    [
        ("xy", lambda data: data[2]),
        ("xz", lambda data: data[:, 2]),
        ("zx", lambda data: data[:, 2].T),
        ("zy", lambda data: data[:, :, 2].T),
        ("yz", lambda data: data[:, :, 2]),
    ],
)
def test_planes_have_their_vertical_axis_first(plane, expected):
    data = RNG.integers(0, 255, (4, 5, 6))
    assert np.array_equal(take(data, (plane, 2), 100), expected(data))


def test_large_planes_are_read_sparsely():
    data = np.zeros((3, 1000, 700), np.uint8)
    assert take(data, ("xy", 1), 100).shape == (100, 100)


def test_reduction_keeps_the_mean_and_enlarging_keeps_the_values():
    data = RNG.normal(size=(60, 90)).astype(np.float32)
    small = reduced(data, 30)
    assert small.shape == (20, 30)
    assert small[4, 7] == pytest.approx(data[12:15, 21:24].mean(), abs=1e-5)
    assert reduced(data, 100) is data
    assert np.array_equal(nearest(data, 120, 180), np.kron(data, np.ones((2, 2))))


def test_grey_is_scaled_between_percentiles_whatever_the_outliers():
    values = np.append(np.linspace(100, 200, 10_000), [1e9, -1e9, np.nan, np.inf]).astype(
        np.float32
    )
    low, high = grey_limits(values)
    assert 100 <= low < 102
    assert 198 < high <= 200
    grey = to_grey(np.array([[low, high, -5.0, 1e12, np.nan]]), (low, high))
    assert grey.tolist() == [[0, 255, 0, 255, 0]]


@pytest.mark.parametrize("values", [np.full(9, 3, np.uint8), np.full(9, np.nan, np.float32)])
def test_constant_and_empty_grey_have_limits(values):
    low, high = grey_limits(values)
    assert low < high


def test_at_most_16_slices_are_sampled():
    labels = Labels(np.zeros((100, 30, 20), np.uint8), 1.0)
    box = sample_slices(labels)
    assert 10 <= labels.data[box].shape[0] <= 16
    assert labels.data[box].shape[1:] == (30, 20)


@pytest.mark.parametrize("n", [1, 2, 23, 24, 25, 512])
def test_slices_are_spread_from_the_first_to_the_last(n):
    found = spread(n, 24)
    assert found[0] == 0
    assert found[-1] == n - 1
    assert len(found) == min(n, 24)
    gaps = np.diff(found)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("extent_nm", "planes"),
    [
        ((400.0, 500.0, 600.0), ["xy", "zy", "xz"]),
        ((2000.0, 500.0, 600.0), ["xy", "zy", "zx"]),
        ((50.0, 500.0, 600.0), ["xy", "xz", "yz"]),
    ],
)
def test_panes_have_the_extents_of_their_axes(extent_nm, planes):
    lengths = dict(zip("zyx", extent_nm, strict=True))
    found = panes(extent_nm)
    assert [pane.plane for pane in found] == planes
    for pane in found:
        assert pane.extent_nm == (lengths[pane.plane[0]], lengths[pane.plane[1]])


@pytest.mark.parametrize("extent_nm", [96.0, 384.0, 576.0, 1280.0, 25_600.0])
def test_a_scale_bar_has_the_length_of_its_label(extent_nm):
    bar = scale_bar(extent_nm)
    value, unit = bar.label.split()
    nm = float(value) * {"nm": 1, "µm": 1000}[unit]
    assert bar.percent / 100 * extent_nm == pytest.approx(nm)
    assert 10 < bar.percent <= 30


def test_pictures_have_the_physical_aspect_of_anisotropic_voxels():
    labels = Labels(RNG.integers(0, 2, (10, 16, 32)).astype(np.uint8), (20.0, 5.0, 5.0))
    pictures = Pictures()
    maker = ViewerMaker(pictures, 1)
    viewer = maker.viewer("gold", labels)
    layer = maker.phases(viewer, labels)
    for pane in viewer.panes:
        rows, columns = picture(pictures, viewer.first(layer)[pane.plane]).shape[:2]
        assert columns / rows == pytest.approx(pane.extent_nm[0] / pane.extent_nm[1], rel=0.02)


def test_the_phases_are_shown_in_their_colours_in_every_slice():
    data = RNG.integers(0, 3, (5, 8, 8)).astype(np.uint8)
    pictures = Pictures()
    maker = ViewerMaker(pictures, 1)
    labels = Labels(data, 4.0)
    viewer = maker.viewer("gold", labels)
    layer = maker.phases(viewer, labels)
    colours = np.array([palette.rgb(palette.phase(i)) for i in range(3)])
    assert viewer.z == [0, 1, 2, 3, 4]
    for z, key in zip(viewer.z, layer.pictures["xy"], strict=True):
        shown = picture(pictures, key)
        assert np.array_equal(shown[::50, ::50], colours[data[z]])  # 400 pixels for 8 voxels


def test_errors_and_outlines_are_transparent_where_there_is_nothing():
    truth = np.zeros((3, 40, 40), np.uint8)
    truth[:, 10:30, 10:30] = 1
    prediction = np.roll(truth, 5, axis=2)
    pictures = Pictures()
    maker = ViewerMaker(pictures, 1)
    one, other = Labels(prediction, 4.0), Labels(truth, 4.0)
    viewer = maker.viewer("errors", one)
    shown = picture(pictures, maker.errors(viewer, one, other).pictures["xy"][1], "RGBA")[
        5::10, 5::10
    ]
    missed, false = shown[20, 12], shown[20, 32]
    assert tuple(missed[:3]) == palette.rgb(palette.MISSED)
    assert tuple(false[:3]) == palette.rgb(palette.FALSE)
    assert shown[20, 20, 3] == shown[2, 2, 3] == 0
    outline = maker.outline(viewer, other, "truth", palette.TRUTH).pictures["xy"][1]
    drawn = picture(pictures, outline, "RGBA")
    assert drawn[..., 3].any(axis=1).sum() == 200
    assert drawn[200, 200, 3] == 0


def test_a_page_with_many_channels_gets_fewer_slices_of_each():
    images = Images(RNG.integers(0, 9, (2, 64, 8, 8)).astype(np.uint16), 1.0, kv=(1.0, 2.0))
    few, many = (
        len(ViewerMaker(Pictures(), channels).viewer("sem", images).z) for channels in (2, 12)
    )
    assert (few, many) == (24, 10)


def test_a_difference_is_grey_where_nothing_was_changed():
    before = Images(RNG.integers(50, 200, (4, 40, 60)).astype(np.uint8), 1.0, kv=(2.0,))
    data = before.data.copy()
    data[0, :, :20, :30] -= 20
    data[0, :, 20:, 30:] += 20
    pictures = Pictures()
    maker = ViewerMaker(pictures, grey_channels=1)
    viewer = maker.viewer("levelled", before)
    layer = maker.difference(viewer, before.with_data(data), before, 0, "difference")
    shown = picture(pictures, layer.pictures["xy"][1], "L")
    assert [shown[5, 5], shown[35, 5], shown[35, 55]] == [0, 128, 255]
    assert layer.note == "black at -20, grey at 0, white at 20"


def test_the_same_picture_is_kept_once():
    pictures = Pictures()
    grey = RNG.integers(0, 255, (9, 9)).astype(np.uint8)
    assert pictures.add_grey(grey) == pictures.add_grey(grey.copy())
    assert len(pictures.uris) == 1
