"""Segmentation by the flatness of the milled face, on images whose truth is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.segmenters.milled_face import MilledFace
from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images

SHAPE = (4, 112, 112)


def structure() -> np.ndarray:
    smooth = gaussian_filter(np.random.default_rng(0).standard_normal(SHAPE), (1, 7, 7))
    return smooth > np.quantile(smooth, 0.4)


def channel(solid: np.ndarray, seed: int, pore: tuple[float, float]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(SHAPE), (0, 3, 3))
    rank = np.argsort(np.argsort(field, axis=None)).reshape(SHAPE) / field.size
    grey = np.where(solid, 150.0, pore[0] + (pore[1] - pore[0]) * rank)
    grey = gaussian_filter(grey, (0, 0.7, 0.7)) + rng.normal(0, 3, SHAPE)
    return np.rint(grey.clip(0, 255)).astype(np.uint8)


def images(*pores: tuple[float, float]) -> tuple[Images, np.ndarray]:
    solid = structure()
    data = np.stack([channel(solid, seed, pore) for seed, pore in enumerate(pores)])
    detectors: Sequence[str] = ("bse", "se")[: len(pores)]
    return Images(data, (20.0,) * 3, kv=(2.0,) * len(pores), detectors=tuple(detectors)), solid


def test_keeps_the_contract() -> None:
    assert check_plugin(MilledFace) == []


def test_errs_less_than_levels_where_pores_are_nearly_as_bright_as_the_face() -> None:
    stack, solid = images((115, 148))
    wrong = [
        np.mean(plugin.predict(stack, Context(0)).solid != solid)
        for plugin in (MilledFace(), Threshold(method="mode"), Threshold(method="otsu"))
    ]
    assert wrong[0] < 0.7 * min(wrong[1:])


def test_two_detectors_err_less_than_each() -> None:
    both, solid = images((100, 165), (100, 165))
    errors = [
        np.mean(MilledFace().predict(one, Context(0)).solid != solid)
        for one in (both, both.select(detectors=["bse"]), both.select(detectors=["se"]))
    ]
    assert errors[0] < 0.7 * min(errors[1:])


def test_dark_solid_is_that_of_the_inverted_images() -> None:
    stack, _ = images((90, 140))
    inverted = stack.with_data(255 - stack.data)
    one = MilledFace().predict(stack, Context(0))
    other = MilledFace(solid="dark").predict(inverted, Context(0))
    assert np.mean(one.data != other.data) < 0.005


def test_the_table_has_the_face_of_each_channel() -> None:
    stack, _ = images((30, 80), (60, 140))
    context = Context(0)
    MilledFace().predict(stack, context)
    table = context.kept["faces"]
    assert list(table["channel"]) == list(stack.names)
    np.testing.assert_allclose(table["grey_value"], 150, atol=1.5)
    assert not any(table["doubtful"])


def test_results_do_not_depend_on_threads() -> None:
    stack, _ = images((60, 140))
    one, two = (MilledFace().predict(stack, Context(0, threads=n)) for n in (1, 2))
    np.testing.assert_array_equal(one.data, two.data)


def test_a_channel_without_a_face_is_left_out_and_none_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stack, solid = images((30, 80), (30, 80))
    data = stack.data.copy()
    data[1] = np.random.default_rng(0).normal(120, 25, SHAPE).clip(0, 255)
    found = MilledFace().predict(stack.with_data(data), Context(0))
    assert "left out" in caplog.text
    assert np.mean(found.solid != solid) < 0.02
    with pytest.raises(FibError, match="no narrow mode"):
        MilledFace().predict(stack.with_data(data[1:].repeat(2, axis=0)), Context(0))
