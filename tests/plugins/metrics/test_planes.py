"""Planes of a volume across each axis, read in blocks."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.metrics.planes import blocks_of_planes, planes_between


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.uint8, bool])
@pytest.mark.parametrize("block_bytes", [1, 100, 10**6])
def test_every_plane_comes_once_and_is_that_of_the_volume(axis, dtype, block_bytes):
    labels = np.random.default_rng(1).integers(0, 3, (11, 19, 26)).astype(dtype)
    seen = []
    for numbers in blocks_of_planes(labels.shape, axis, block_bytes):
        plane = planes_between(labels, axis, numbers)
        for number in numbers:
            found = plane(number)
            assert found.dtype == bool
            np.testing.assert_array_equal(found, labels.take(number, axis) > 0)
            seen.append(number)
    assert seen == list(range(labels.shape[axis]))
