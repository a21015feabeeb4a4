"""The pyramid of label planes: its levels, and how far it reaches."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.materials import LICOO2
from fib_plugins.simulators.surrogate.geometry import MOST_LEVELS, Geometry
from fib_plugins.simulators.surrogate.plugin import Surrogate
from fib_plugins.simulators.surrogate.reach import geometry_of
from fibcore.materials import EPOXY, VACUUM


def test_levels_double_until_the_depth_is_reached():
    geometry = Geometry.of(12, (4.0, 4.0, 4.0), 300.0)
    assert geometry.scales == ((1, 1, 1), (2, 2, 2), (4, 4, 4), (8, 8, 8))
    assert geometry.depth == 96  # 384 nm; the level before shows 192 nm
    assert geometry.grain == (8, 8)


def test_flat_voxels_are_pooled_in_plane_until_they_are_about_cubes():
    geometry = Geometry.of(12, (10.0, 3.26, 3.26), 400.0)
    assert geometry.scales[:3] == ((1, 1, 1), (1, 2, 2), (1, 4, 4))
    assert geometry.scales[3:] == ((2, 8, 8), (4, 16, 16))
    assert geometry.depth * 10.0 >= 400.0


def test_a_shallow_depth_takes_one_level():
    geometry = Geometry.of(12, (4.0, 4.0, 4.0), 40.0)
    assert geometry.scales == ((1, 1, 1),)
    assert geometry.margin == (6, 6)  # 1 + 2 + 3


def test_levels_end_at_their_largest_number():
    assert len(Geometry.of(4, (1.0, 1.0, 1.0), 1e9).scales) == MOST_LEVELS


@pytest.mark.parametrize("size", [(4.0, 4.0, 4.0), (10.0, 3.26, 3.26), (4.0, 3.0, 9.0)], ids=str)
def test_margins_hold_what_all_levels_see_in_whole_grains(size):
    geometry = Geometry.of(6, size, 300.0)
    for axis in (0, 1):
        grain, margin = geometry.grain[axis], geometry.margin[axis]
        assert margin % grain == 0
        for scale, own in zip(geometry.scales, geometry.margins, strict=True):
            assert own[axis] * scale[axis + 1] <= margin
            assert grain % scale[axis + 1] == 0
    assert np.prod(geometry.steps, axis=0).tolist() == list(geometry.scales[-1])


def test_open_pores_are_seen_as_deep_as_half_the_structures_that_teach():
    def seen(pore, depth=80):
        surrogate = Surrogate(energies_kev=(2.0,), teaching_shape=(depth, 64, 64))
        return geometry_of(surrogate, [pore, LICOO2], (20.0, 20.0, 20.0)).depth

    assert seen(VACUUM) >= 40 > seen(EPOXY)
    assert seen(VACUUM, 160) >= 80
    assert seen(EPOXY, 160) == seen(EPOXY)
