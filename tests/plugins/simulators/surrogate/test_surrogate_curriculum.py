"""The structures that a surrogate learns from."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.simulators.surrogate import curriculum
from fib_plugins.simulators.surrogate.curriculum import FAMILIES, draw
from fib_plugins.simulators.surrogate.lessons import families_of_round
from fib_plugins.simulators.surrogate.shapes import Box, _add_ball
from fibcore.materials import EPOXY, GOLD, VACUUM

BOXES = [Box((12, 16, 24), (4.0, 4.0, 4.0)), Box((8, 16, 16), (10.0, 3.26, 3.26))]


@pytest.fixture(autouse=True)
def _few_waves(monkeypatch):
    monkeypatch.setattr(curriculum, "WAVES", 20)


@pytest.mark.parametrize("box", BOXES, ids=lambda box: str(box.voxel_size_nm))
@pytest.mark.parametrize("materials", [(EPOXY, GOLD), (VACUUM, EPOXY, GOLD)], ids=len)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_deterministic_and_has_all_materials(family, materials, box):
    one, same = (draw(family, box, materials, np.random.default_rng(0)) for _ in range(2))
    np.testing.assert_array_equal(one, same)
    seen, wanted = set(), set(range(len(materials)))
    for seed in range(12):
        found = draw(family, box, materials, np.random.default_rng(seed)) if seed else one
        assert found.dtype == np.uint8
        assert found.shape == box.shape
        seen |= set(np.unique(found).tolist())
        assert seen <= wanted
        if seen == wanted:
            return
    assert seen == wanted


def test_one_material_fills_every_family():
    for family in FAMILIES:
        assert not draw(family, BOXES[0], (GOLD,), np.random.default_rng(1)).any()


def test_either_of_two_materials_fills_the_shapes():
    shares = [
        draw("balls", BOXES[0], (EPOXY, GOLD), np.random.default_rng(seed)).mean()
        for seed in range(40)
    ]
    assert min(shares) < 0.4
    assert max(shares) > 0.6


def test_a_ball_is_where_distances_say_and_repeats_in_plane():
    box = Box((9, 12, 10), (5.0, 3.0, 4.0))
    centre, radius = np.array([20.0, 1.0, 38.0]), 11.0
    found = np.zeros(box.shape, bool)
    _add_ball(found, box, centre, radius)
    z, y, x = (axis - c for axis, c in zip(box.axes_nm, centre, strict=True))
    _, height, width = box.edges_nm
    y = (y + height / 2) % height - height / 2
    x = (x + width / 2) % width - width / 2
    np.testing.assert_array_equal(found, z**2 + y**2 + x**2 < radius**2)
    assert found[:, 0, -1].any()
    assert found[:, -1, 0].any()


def test_families_with_large_errors_come_more_often():
    rng = np.random.default_rng(1)
    errors = dict.fromkeys(FAMILIES, 0.01)
    even = families_of_round(300, errors, rng).count("films")
    assert families_of_round(300, errors | {"films": 0.05}, rng).count("films") > 2 * even
    known = families_of_round(300, {}, rng)
    assert len(known) == 300
    assert set(known) == set(FAMILIES)
