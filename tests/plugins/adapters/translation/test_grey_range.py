import json

import numpy as np
import pytest

from fib_plugins.adapters.translation.grey_range import GreyRange
from fibcore import FibError, Images

VOXEL_NM = (5.0, 5.0, 5.0)


def stack(*channels: np.ndarray) -> Images:
    kv = tuple(float(n + 1) for n in range(len(channels)))
    return Images(np.stack(channels), VOXEL_NM, kv=kv)


def grey(dtype: str, seed: int = 0, low: float = 40.0, high: float = 200.0) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(low, high, (10, 40, 40))
    return values.astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("uint8", 40, 200), ("uint16", 900, 60000), ("float32", -0.5, 2.5)]
)
def test_most_grey_values_lie_between_minus_1_and_1(dtype: str, low: float, high: float) -> None:
    images = stack(grey(dtype, low=low, high=high))
    found = GreyRange.of(images, "the source")
    shares = np.quantile(images.data, [0.001, 0.999])
    width = high - low
    assert np.abs([found.low[0] - shares[0], found.high[0] - shares[1]]).max() < 0.01 * width
    scaled = found.scaled(images.data)
    assert scaled.dtype == np.float32
    assert np.mean(np.abs(scaled) <= 1.0) > 0.99
    assert scaled.max() > 0.98


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_scaled_and_restored_grey_values_are_what_they_were(dtype: str) -> None:
    images = stack(grey(dtype, low=0, high=250))
    found = GreyRange.of(images, "the source")
    again = found.restored(found.scaled(images.data), images.data.dtype)
    assert again.dtype == dtype
    if dtype == "float32":
        np.testing.assert_allclose(again, images.data, atol=1e-4)
    else:
        assert np.array_equal(again, images.data)


def test_whole_numbers_are_rounded_and_cut_to_fit() -> None:
    found = GreyRange(np.array([0.0]), np.array([255.0]))
    scaled = np.array([[[-1.5, 10.4 / 127.5 - 1, 10.6 / 127.5 - 1, 1.5]]], np.float32)
    assert found.restored(scaled, np.dtype("uint8")).tolist() == [[[0, 10, 11, 255]]]
    assert found.restored(scaled, np.dtype("uint16"))[0, 0, 3] == 319  # fits, and is kept
    assert found.restored(scaled, np.dtype("float32"))[0, 0, 0] == pytest.approx(-63.75)


@pytest.mark.parametrize(("dtype", "hot"), [("uint8", 255), ("uint16", 65535), ("float32", 5e4)])
def test_a_hot_pixel_squeezes_nothing_and_is_not_cut(dtype: str, hot: float) -> None:
    values = grey(dtype)
    without = GreyRange.of(stack(values), "the source")
    values[2, 3, 4] = hot
    found = GreyRange.of(stack(values), "the source")
    assert abs(found.high[0] - without.high[0]) < 2.0
    assert abs(found.low[0] - without.low[0]) < 2.0
    assert found.scaled(stack(values).data).max() > 1.5


def test_each_channel_has_its_own_range() -> None:
    images = stack(grey("uint8", 0, 0, 100), grey("uint8", 1, 150, 250))
    found = GreyRange.of(images, "the source")
    assert found.high[0] < 100 < 150 <= found.low[1]
    scaled = found.scaled(images.data[:, 3])  # one slice, axes (channel, y, x)
    assert np.abs(scaled).max() < 1.1
    assert np.abs(scaled.mean(axis=(1, 2))).max() < 0.1
    assert np.array_equal(scaled, found.scaled(images.data)[:, 3])


def test_it_survives_json() -> None:
    found = GreyRange.of(stack(grey("float32"), grey("float32", 1, -3, 0)), "the source")
    again = GreyRange.from_json(json.loads(json.dumps(found.to_json())))
    assert np.array_equal(again.low, found.low)
    assert np.array_equal(again.high, found.high)


def test_ranges_overlap_where_all_channels_have_grey_values_in_common() -> None:
    one = GreyRange(np.array([0.0, 0.0]), np.array([10.0, 10.0]))
    for low, high, expected in (
        ([5.0, -5.0], [15.0, 5.0], True),
        ([2.0, 2.0], [3.0, 3.0], True),
        ([5.0, 11.0], [15.0, 12.0], False),
        ([-5.0, 5.0], [-1.0, 6.0], False),
    ):
        other = GreyRange(np.array(low), np.array(high))
        assert one.overlaps(other) is expected
        assert other.overlaps(one) is expected


def test_images_without_a_look_are_refused() -> None:
    flat = np.full((4, 32, 32), 7, np.uint8)
    with pytest.raises(FibError, match="2 kV images of the target have the same grey value"):
        GreyRange.of(stack(grey("uint8", low=0)[:4, :32, :32], flat), "the target")
    flat[0, 0, 0] = 9
    with pytest.raises(FibError, match="almost everywhere; there is no look to learn"):
        GreyRange.of(stack(flat), "the source")
    broken = grey("float32")
    broken[1, 2, 3] = np.nan
    with pytest.raises(FibError, match="the source hold values that are not finite"):
        GreyRange.of(stack(broken), "the source")
