from typing import Any

import numpy as np
import pytest

from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.adapters.translation.patches import Patches, turned
from fibcore import Images

RANGE = GreyRange(np.array([0.0, 0.0]), np.array([2.0, 4.0]))


def patches(shape: tuple[int, int, int], **changes: Any) -> Patches:
    data = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    images = Images(data, (5.0, 5.0, 5.0), kv=(1.0, 2.0))
    return Patches(**{
        "images": images, "grey_range": RANGE, "depth": shape[0], "patch": 32, "stride": 0.5,
    } | changes)  # fmt: skip


@pytest.mark.parametrize("shape", [(3, 32, 32), (3, 33, 64), (2, 75, 61)])
@pytest.mark.parametrize("stride", [0.001, 0.3, 0.5, 1.0])
def test_the_grid_covers_every_pixel_to_be_trained_on_and_no_other(
    shape: tuple[int, int, int], stride: float
) -> None:
    covered = np.zeros(shape, int)
    corners = patches(shape, depth=2, stride=stride).grid()
    for z, y, x in corners:
        window = covered[z, y : y + 32, x : x + 32]
        assert y >= 0 <= x
        assert window.shape == (32, 32)
        window += 1
    assert np.all(covered[:2] > 0)
    assert np.all(covered[2:] == 0)
    assert len(np.unique(corners, axis=0)) == len(corners)


def test_neighbours_in_the_grid_are_a_stride_apart() -> None:
    corners = patches((1, 32, 160), stride=0.5).grid()
    assert corners[:, 2].tolist() == [0, 16, 32, 48, 64, 80, 96, 112, 128]


def test_patches_at_random_reach_every_corner_and_stay_inside() -> None:
    found = patches((5, 34, 33), depth=3).at_random(np.random.default_rng(0), 400)
    assert {tuple(corner) for corner in found.tolist()} == {
        (z, y, x) for z in range(3) for y in range(3) for x in range(2)
    }


def test_patches_are_the_scaled_grey_values_at_their_corners() -> None:
    all_of_them = patches((4, 50, 60))
    data = all_of_them.images.data
    (patch,) = all_of_them.cut(np.array([[2, 7, 11]]))
    assert patch.dtype == np.float32
    np.testing.assert_allclose(patch[0], data[0, 2, 7:39, 11:43] - 1.0, atol=1e-6)
    np.testing.assert_allclose(patch[1], data[1, 2, 7:39, 11:43] / 2.0 - 1.0, atol=1e-6)


def symmetries(patch: np.ndarray) -> list[bytes]:
    """The eight ways to lay a square on itself, by index rather than by rotation."""
    ways = []
    for transposed in (patch, patch.transpose(0, 2, 1)):
        for y in (1, -1):
            ways += [np.ascontiguousarray(transposed[:, ::y, ::x]).tobytes() for x in (1, -1)]
    return ways


@pytest.mark.parametrize("square", [True, False])
def test_patches_are_mirrored_and_turned_in_all_ways_that_pixels_allow(square: bool) -> None:
    patch = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float32)
    found = turned(np.stack([patch] * 200), np.random.default_rng(1), square)
    ways = symmetries(patch)
    seen = {ways.index(np.ascontiguousarray(one).tobytes()) for one in found}
    assert seen == (set(range(8)) if square else set(range(4)))
