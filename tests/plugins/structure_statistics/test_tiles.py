"""Tiles cover a volume once; boxes around them stay inside."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fib_plugins.structure_statistics.tiles import slices_of, tiles, whole, widened


@pytest.mark.parametrize("shape", [(7, 5, 9), (1, 1, 30), (64, 64, 64)])
@pytest.mark.parametrize("most", [1, 8, 100, 10**6])
def test_each_voxel_is_in_one_tile_of_at_most_so_many_voxels(shape, most):
    times = np.zeros(shape, int)
    for tile in tiles(shape, most):
        times[slices_of(tile)] += 1
        assert math.prod(last - first for first, last in tile) <= most
    assert (times == 1).all()


def test_a_volume_that_is_small_enough_is_one_tile():
    assert tiles((4, 5, 6), 120) == [whole((4, 5, 6))]


def test_a_box_is_widened_up_to_the_edges_of_the_volume():
    box = widened(((2, 4), (0, 3), (5, 6)), (1.2, 2, 0), (5, 10, 6))
    assert box == ((0, 5), (0, 5), (5, 6))


def test_a_box_is_found_within_a_larger_one():
    volume = np.arange(6 * 7 * 8).reshape(6, 7, 8)
    inner, outer = ((2, 4), (3, 5), (1, 8)), ((1, 6), (2, 7), (0, 8))
    np.testing.assert_array_equal(
        volume[slices_of(outer)][slices_of(inner, outer)], volume[slices_of(inner)]
    )
