"""Profiles along the beam, and single steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import median_filter

from fib_plugins.segmenters.local_threshold_backpropagation import LocalThresholdBackpropagation
from fib_plugins.segmenters.optical_flow import OpticalFlow
from fib_plugins.segmenters.pore_back import PoreBack
from fib_plugins.segmenters.shine_through.despeckling import despeckle
from fib_plugins.segmenters.shine_through.grey_stack import GreyStack
from fib_plugins.segmenters.shine_through.walk import along_sight, walk_back
from fibcore import Images

Open = Callable[..., Images]


def wrong(plugin: Any, images: Images, truth: np.ndarray) -> float:
    return float(np.mean(plugin.predict(images).solid != truth))


@pytest.mark.parametrize("plugin", [LocalThresholdBackpropagation, PoreBack])
def test_profiles_along_a_tilted_beam_are_better_than_along_z(
    plugin: Any, blobs: np.ndarray, open_pores: Open
) -> None:
    images = open_pores(blobs, tilt_deg=45.0)
    along_z, along_beam = plugin(), plugin(beam_tilt_deg=45.0)
    other_side = plugin(beam_tilt_deg=-45.0)
    assert wrong(along_beam, images, blobs) < 0.9 * wrong(along_z, images, blobs)
    assert wrong(along_beam, images, blobs) < 0.8 * wrong(other_side, images, blobs)


def test_the_flow_follows_a_tilted_beam(
    blobs: np.ndarray, open_pores: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_pores(blobs, tilt_deg=45.0)
    following = wrong(OpticalFlow(), images, blobs)
    monkeypatch.setattr(OpticalFlow, "_flow", lambda *_: np.zeros((2, 48, 48), np.float32))
    assert following < 0.9 * wrong(OpticalFlow(), images, blobs)


def test_rows_along_the_beam_depend_on_the_voxel_size() -> None:
    plugin = PoreBack(beam_tilt_deg=45.0)
    assert plugin.rows_per_slice((10.0, 5.0, 3.0)) == pytest.approx(2.0)
    assert PoreBack().rows_per_slice((10.0, 5.0, 3.0)) == 0.0


def test_along_sight_reads_further_rows() -> None:
    plane = np.arange(5, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    assert along_sight(plane, 1.5)[:, 0].tolist() == [1.5, 2.5, 3.5, 4.0, 4.0]
    assert along_sight(plane, -1.0)[:, 0].tolist() == [0.0, 0.0, 1.0, 2.0, 3.0]


def test_a_structure_ends_once_where_its_grey_value_drops() -> None:
    profile = np.array([0.1, 0.3, 0.5, 0.9, 1.0, 1.0, 0.8, 0.2, 0.2, 0.4, 1.0, 1.0])
    data = np.tile(profile[:, None, None], (1, 16, 16)).astype(np.float32)
    stack = GreyStack(data, 1.0, 0.0, 0.0, 0.5, 0.0, 1.0)
    for reach, at in ((1, 6), (3, 5)):
        found = {face.z for face in walk_back(stack, 0.3, reach, 0.0) if face.ends.all()}
        assert found == {at}


def test_thresholds_of_single_pixels_are_those_of_their_own_ends() -> None:
    data = np.full((8, 16, 16), 0.1, np.float32)
    data[2:5] = np.linspace(0.4, 1.0, 256, dtype=np.float32).reshape(16, 16)  # solid of any grey
    data[1] = 0.5 * data[3]  # shines through
    images = Images(data, (5, 5, 5), kv=(2.0,))
    plugin = LocalThresholdBackpropagation(
        radius_px=0, refinements=0, smooth_px=0, despeckle=False, noise_multiple=1e-6
    )
    solid = plugin.predict(images).solid
    assert solid[2:5].all()
    assert not solid[:2].any()


def test_despeckling_is_the_median_of_27() -> None:
    labels = (np.random.default_rng(0).random((6, 9, 8)) < 0.4).astype(np.uint8)
    expected = median_filter(labels, 3, mode="nearest")
    despeckle(labels)
    assert np.array_equal(labels, expected)


def test_a_watershed_in_blocks_is_that_of_the_whole(
    blobs: np.ndarray, open_pores: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_pores(blobs)
    whole = PoreBack().predict(images).data
    monkeypatch.setattr("fib_plugins.segmenters.pore_back.BLOCK", (10, 20, 20))
    assert np.mean(PoreBack().predict(images).data != whole) < 0.002


def test_bands_of_rows_change_nothing(
    blobs: np.ndarray, open_pores: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, plugin = open_pores(blobs), LocalThresholdBackpropagation(radius_px=2)
    whole = plugin.predict(images).data
    monkeypatch.setattr("fib_plugins.segmenters.shine_through.local_levels.BAND_PIXELS", 48 * 11)
    assert np.array_equal(plugin.predict(images).data, whole)


def test_flow_in_tiles_is_nearly_that_of_whole_slices(
    blobs: np.ndarray, open_pores: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = open_pores(blobs[:8])
    whole = OpticalFlow(window_px=4).predict(images).data
    monkeypatch.setattr("fib_plugins.segmenters.optical_flow.TILE", 24)
    monkeypatch.setattr("fib_plugins.segmenters.optical_flow.HALO", 16)
    assert np.mean(OpticalFlow(window_px=4).predict(images).data != whole) < 0.03
