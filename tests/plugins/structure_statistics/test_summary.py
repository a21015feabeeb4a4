"""Statistics of structures: the Boolean model in closed form, and what happens at limits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fib_plugins.structure_statistics.blocks import block_shape, blocks_of
from fib_plugins.structure_statistics.summary import DISTANCES, block_statistics, statistics_of
from fibcore import Labels


@pytest.fixture(scope="module")
def found(boolean_sample) -> dict[str, float]:
    return block_statistics(Labels(boolean_sample.astype(np.uint8), (2, 2, 2)))


def voxels_of_chords(boolean_model) -> float:
    """Return the mean number of voxels of pore chords: of exponential lengths, it is geometric."""
    ends = boolean_model.density * math.pi * boolean_model.radius**2
    return 1 / (1 - math.exp(-ends))


def test_amount_and_surface_are_those_of_the_boolean_model(found, boolean_model):
    assert found["solid_fraction"] == pytest.approx(1 - boolean_model.pore_fraction, abs=0.02)
    surface = 1e3 * boolean_model.specific_surface / 2
    # Voxels a fifth of a radius wide round the edges off where balls meet.
    assert found["specific_surface_per_um"] == pytest.approx(surface, rel=0.1)


def test_pore_chords_of_the_boolean_model_are_exponential(found, boolean_model):
    mean = 2 * voxels_of_chords(boolean_model)
    for plane in ("xy", "z"):
        assert found[f"chord_pore_{plane}_nm"] == pytest.approx(mean, rel=0.06)
        assert found[f"chord_pore_{plane}_variation"] == pytest.approx(
            math.sqrt(1 - 2 / mean), abs=0.04
        )


def test_the_autocovariance_is_that_of_the_boolean_model(found, boolean_model):
    share = boolean_model.pore_fraction
    unit = 2 * share * (1 - share) / (found["specific_surface_per_um"] * 2e-3)
    for plane in ("xy", "z"):
        for n in DISTANCES:
            pair = boolean_model.two_point_solid(n * unit)
            expected = (pair - (1 - share) ** 2) / (share * (1 - share))
            assert found[f"autocovariance_{plane}_{n}"] == pytest.approx(expected, abs=0.04)


def test_mean_chords_of_slabs_are_exact_and_do_not_vary():
    data = np.zeros((400, 8, 8), np.uint8)
    data[np.arange(400) % 10 < 4] = 1
    found = block_statistics(Labels(data, (5, 1, 1)))
    solid, pore = found["chord_solid_z_nm"], found["chord_pore_z_nm"]
    assert solid == pytest.approx(20, rel=0.02)
    assert pore == pytest.approx(30, rel=0.02)
    assert found["chord_solid_z_variation"] < 0.15
    assert math.isnan(found["chord_solid_xy_nm"])


def test_statistics_do_not_depend_on_threads_and_scale_with_the_voxel_size(boolean_sample):
    labels = Labels(boolean_sample[:60].astype(np.uint8), (3, 2, 2))
    one = block_statistics(labels)
    assert block_statistics(labels, threads=3) == one
    larger = block_statistics(replace(labels, voxel_size_nm=(6.0, 4.0, 4.0)))
    for name, value in one.items():
        factor = 2 if name.endswith("_nm") else 0.5 if name.endswith("_per_um") else 1
        assert larger[name] == pytest.approx(factor * value, rel=1e-5), name


@pytest.mark.parametrize("value", [0, 1])
def test_a_volume_of_one_phase_has_statistics_where_they_exist(value):
    found = statistics_of(Labels(np.full((4, 20, 20), value, np.uint8), (1, 1, 1)))
    assert found["solid_fraction"] == value
    assert found["specific_surface_per_um"] == 0
    assert math.isnan(found["ligament_diameter_nm"])
    assert math.isnan(found["chord_solid_xy_nm"])
    assert math.isnan(found["autocovariance_z_2"])


def test_a_single_slice_has_no_statistics_along_z(boolean_sample):
    found = statistics_of(Labels(boolean_sample[:1].astype(np.uint8), (1, 1, 1)))
    assert math.isnan(found["chord_solid_z_nm"])
    assert found["chord_solid_xy_nm"] > 0


def test_large_volumes_are_measured_in_blocks(boolean_sample, boolean_model):
    labels = Labels(np.tile(boolean_sample.astype(np.uint8), (1, 2, 2)), (1, 1, 1))
    found = statistics_of(labels)
    assert found["solid_fraction"] == pytest.approx(boolean_sample.mean(), abs=1e-12)
    assert found["chord_pore_xy_nm"] == pytest.approx(voxels_of_chords(boolean_model), rel=0.06)


@pytest.mark.parametrize("voxels", [(1.0, 1.0, 1.0), (10.0, 3.26, 3.26)])
def test_blocks_are_nearly_cubes_inside_the_volume_and_do_not_overlap(voxels):
    labels = Labels(np.zeros((50, 300, 260), np.uint8), voxels)
    shape = block_shape(labels.shape, voxels, 20_000)
    assert 10_000 < math.prod(shape) <= 20_000
    edges = np.multiply(shape, voxels)
    assert edges.max() - edges.min() <= 2 * max(voxels)
    for block in blocks_of(labels, shape, 1000):
        assert block.shape == shape
        block.data[...] += 1
    assert labels.data.max() == 1
    assert labels.data.mean() > 0.4
    assert len(blocks_of(labels, shape, 5)) == 5


def test_a_small_volume_is_one_block():
    assert block_shape((5, 6, 7), (1, 1, 1)) == (5, 6, 7)
