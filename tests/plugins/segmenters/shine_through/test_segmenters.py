"""What all three segmenters have in common."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.segmenters.local_threshold_backpropagation import LocalThresholdBackpropagation
from fib_plugins.segmenters.optical_flow import OpticalFlow
from fib_plugins.segmenters.pore_back import PoreBack
from fib_plugins.segmenters.shine_through.base import ShineThroughSegmenter
from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images

Open = Callable[..., Images]
ALL: list[Any] = [LocalThresholdBackpropagation, OpticalFlow, PoreBack]


def error(plugin: ShineThroughSegmenter | Threshold, images: Images, truth: np.ndarray) -> float:
    """Share of misplaced voxels."""
    return float(np.mean(plugin.predict(images).solid != truth))


@pytest.mark.parametrize("plugin", ALL)
def test_keeps_the_contract(plugin: Any) -> None:
    assert check_plugin(plugin) == []


@pytest.mark.parametrize("plugin", ALL)
def test_a_ball_seen_through_the_pore_before_it_is_found_where_it_is(
    plugin: Any, ball: np.ndarray, open_pores: Open
) -> None:
    images = open_pores(ball)
    otsu = error(Threshold(), images, ball)
    assert otsu > 0.015  # the ball is seen in slices before it
    assert error(plugin(), images, ball) < 0.55 * otsu


@pytest.mark.parametrize("plugin", ALL)
def test_a_random_structure_is_found_better_than_by_otsu(
    plugin: Any, blobs: np.ndarray, open_pores: Open
) -> None:
    images = open_pores(blobs)
    assert error(plugin(), images, blobs) < 0.6 * error(Threshold(), images, blobs)


@pytest.mark.parametrize("plugin", ALL)
def test_dark_solid_is_the_mirror_image(plugin: Any, ball: np.ndarray, open_pores: Open) -> None:
    bright = open_pores(ball)
    dark = bright.with_data(1 - bright.data)
    found = plugin(solid="dark").predict(dark)
    assert np.mean(found.data != plugin().predict(bright).data) < 0.005  # rounding


@pytest.mark.parametrize("plugin", ALL)
def test_results_do_not_depend_on_threads_or_element_type(
    plugin: Any, blobs: np.ndarray, open_pores: Open
) -> None:
    images = open_pores(blobs[:12], dtype="uint8")
    one = plugin().predict(images, Context(threads=1))
    assert np.array_equal(one.data, plugin().predict(images, Context(threads=3)).data)
    wide = images.with_data(images.data.astype(np.uint16) * 256)
    assert np.mean(one.data != plugin().predict(wide).data) < 0.002


@pytest.mark.parametrize("plugin", ALL)
def test_a_channel_is_chosen_by_voltage_and_detector(
    plugin: Any, blobs: np.ndarray, open_pores: Open
) -> None:
    se = open_pores(blobs[:6])
    noise = np.random.default_rng(1).random(se.shape).astype(np.float32)
    both = Images(
        np.stack([noise, se.data[0]]), se.voxel_size_nm, (2.0, 2.0), detectors=("bse", "se")
    )

    found = plugin(detector="se").predict(both)

    assert np.array_equal(found.data, plugin().predict(se).data)
    assert "first" in plugin().forecast("predict", {"images": both.spec}).warnings[0]
    assert plugin(detector="se").forecast("predict", {"images": both.spec}).warnings == ()
    with pytest.raises(FibError, match="no channel at 4 kV"):
        plugin(kv=4.0).forecast("predict", {"images": both.spec})


@pytest.mark.parametrize("plugin", ALL)
@pytest.mark.parametrize("shape", [(3, 32, 32), (8, 15, 32)])
def test_stacks_without_profiles_are_refused(plugin: Any, shape: tuple[int, int, int]) -> None:
    images = Images(np.random.default_rng(0).random(shape).astype(np.float32), (5, 5, 5), kv=(2.0,))
    for try_it in (
        lambda: plugin().forecast("predict", {"images": images.spec}),
        lambda: plugin().predict(images),
    ):
        with pytest.raises(FibError, match="at least 4 slices of 16 x 16 pixels"):
            try_it()


@pytest.mark.parametrize("plugin", ALL)
@pytest.mark.parametrize("value", [7.0, np.nan])
def test_images_without_phases_are_refused(plugin: Any, value: float) -> None:
    grey = np.full((6, 20, 20), 7.0, np.float32)
    grey[3, 4, 5] = value
    with pytest.raises(FibError, match="the 2 kV images hold"):
        plugin().predict(Images(grey, (5, 5, 5), kv=(2.0,)))


@pytest.mark.parametrize("plugin", ALL)
def test_estimates_are_those_of_the_stack(plugin: Any, blobs: np.ndarray, open_pores: Open) -> None:
    context = Context()
    labels = plugin(materials=("vacuum", "Cu")).predict(open_pores(blobs, noise=0.06), context)
    row = context.kept["estimates"].rows()[0]
    smoothed = row["noise_grey_value"] * 2 * np.sqrt(np.pi) * row["smooth_px"]
    assert smoothed == pytest.approx(0.06, rel=0.2)
    assert row["noise_grey_value"] == pytest.approx(row["contrast_grey_value"] / 15, rel=0.01)
    assert 0.3 < row["level_grey_value"] < 0.8
    assert {n: m.name for n, m in labels.phases.items()} == {0: "vacuum", 1: "Cu"}


@pytest.mark.parametrize("plugin", ALL)
def test_no_noise_no_blur(plugin: Any, ball: np.ndarray, open_pores: Open) -> None:
    context = Context()
    images = open_pores(ball, noise=0.0)
    found = plugin().predict(images, context)
    assert context.kept["estimates"]["smooth_px"][0] == 0.0
    assert np.mean(found.solid != ball) < error(Threshold(), images, ball)


@pytest.mark.parametrize("plugin", ALL)
def test_memory_does_not_grow_with_the_number_of_slices(
    plugin: Any,
    blobs: np.ndarray,
    open_pores: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fib_plugins.segmenters.pore_back.BLOCK", (4, 32, 32))
    monkeypatch.setattr("fib_plugins.segmenters.pore_back.HALO", 2)
    source = open_pores(blobs[:4, :32, :32]).data[0]

    def peak(copies: int) -> int:
        file = tmp_path / f"{copies}.npy"
        np.save(file, np.concatenate([source] * copies))
        images = Images(np.load(file, mmap_mode="r"), (5, 5, 5), kv=(2.0,))
        held = 1 if plugin is OpticalFlow else 2  # arrays of the whole stack
        context = Context(threads=1)
        tracemalloc.start()
        plugin().predict(images, context)
        size = tracemalloc.get_traced_memory()[1] - held * images.data.nbytes // 4
        tracemalloc.stop()
        return size

    plugin().predict(open_pores(blobs[:4]))  # imports
    assert peak(6) < 1.25 * peak(3)


def test_the_forecast_of_the_memory_holds(blobs: np.ndarray, open_pores: Open) -> None:
    images = open_pores(np.tile(blobs[:14], (1, 3, 3)), dtype="uint8")
    plugin = LocalThresholdBackpropagation()
    forecast = plugin.forecast("predict", {"images": images.spec}).memory_bytes
    plugin.predict(images[:, :4])  # imports
    tracemalloc.start()
    plugin.predict(images, Context(threads=1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert forecast is not None
    assert peak / 1.5 < forecast < 1.5 * peak
