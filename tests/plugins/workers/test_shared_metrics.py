"""Metrics whose tiles, planes or slices are shared by workers: values are those of one process."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from shared_parts import Backwards, sent

from fib_plugins import Reprojection
from fib_plugins.metrics import linked_slices
from fib_plugins.metrics.plane_diameters import (
    NORMAL,
    DiscsInPlanes,
    mean_diameter_in_planes,
    mean_diameters,
)
from fib_plugins.metrics.shared_thickness import ThicknessOfTiles, mean_thicknesses
from fib_plugins.structure_statistics.thickness import mean_of, mean_thickness
from fib_plugins.structure_statistics.tiles import SHARED_ABOVE_VOXELS, tiles
from fibcore import Context, Images

SIZE_NM = (12.0, 10.0, 10.0)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    """Blobs of about ten voxels; large enough to be a file for other processes."""
    return waves((104, 112, 108))


def waves(shape: tuple[int, int, int]) -> np.ndarray:
    z, y, x = np.ogrid[tuple(slice(n) for n in shape)]
    wave = np.sin(z / 4) * np.cos(y / 5) + np.sin(y / 3 + 1) * np.cos(x / 4) + np.sin(x / 6 + z / 9)
    return (wave > 0.2).astype(np.uint8)


@pytest.mark.parametrize("phase", ["solid", "pore"])
def test_tallies_of_tiles_give_the_mean_of_the_whole(labels, phase, tmp_path):
    work = sent(ThicknessOfTiles(labels, SIZE_NM, 10.0, 1), tmp_path)
    parts = [work((phase, tile)) for tile in tiles(labels.shape, 2**18)[::-1]]
    assert len(parts) > 4
    mean_nm, counts = mean_of(parts, SIZE_NM)
    expected_nm, expected = mean_thickness(labels, SIZE_NM, phase, 10.0)
    assert mean_nm == expected_nm
    assert_array_equal(counts, expected)
    assert counts.dtype == expected.dtype == np.int64


@pytest.mark.parametrize("plane", list(NORMAL))
def test_sums_of_parts_of_planes_give_the_mean_of_all(labels, plane, tmp_path):
    work = sent(DiscsInPlanes(labels, SIZE_NM, "pore", 1), tmp_path)
    parts = work.parts(plane, 17)
    found = {part: work(part) for part in parts[::-1]}
    mean_nm = work.mean_nm(plane, [sums for part in parts for sums in found[part]])
    assert mean_nm == mean_diameter_in_planes(labels, plane, SIZE_NM, "pore")


def test_shared_values_do_not_depend_on_the_order_of_parts(labels, tmp_path, monkeypatch):
    for module in ("plane_diameters", "shared_thickness"):
        monkeypatch.setattr(f"fib_plugins.metrics.{module}.SHARED_ABOVE_VOXELS", 2**20)
    one, spread = Context(threads=1), Backwards(tmp_path)
    shared = Context(threads=1, spread=spread)
    for mine, theirs in zip(
        mean_thicknesses(labels, SIZE_NM, 12.0, one),
        mean_thicknesses(labels, SIZE_NM, 12.0, shared),
        strict=True,
    ):
        assert mine[:2] == theirs[:2]
        assert_array_equal(mine[2], theirs[2])
    assert spread.count >= 16
    spread.count = 0
    planes = [dict(mean_diameters(labels, SIZE_NM, "solid", 1, c)) for c in (one, shared)]
    assert planes[0] == planes[1]
    assert spread.count == 6


def test_reprojection_does_not_depend_on_the_order_of_slices(tmp_path, monkeypatch):
    monkeypatch.setattr(linked_slices, "SHARED_ABOVE_VOXELS", 100)
    monkeypatch.setattr(linked_slices, "PART_PIXELS", 3 * 70 * 60)
    solid = waves((11, 70, 60))
    ideal = np.stack([np.maximum(solid, 0.4 * np.roll(solid, 3 + k, 0)) for k in range(2)])
    noise = np.random.default_rng(5).normal(0, 0.05, ideal.shape)
    pair = [Images(a.astype(np.float32), SIZE_NM, (1.0, 2.0)) for a in (ideal + noise, ideal)]
    spread = Backwards(tmp_path)
    one, shared = Context(threads=1), Context(threads=1, spread=spread)
    mine, theirs = (Reprojection().measure(*pair, context=context) for context in (one, shared))
    assert spread.count == 2 * 4
    assert mine.rows() == theirs.rows()
    assert one.kept["per_slice"].rows() == shared.kept["per_slice"].rows()
    assert_array_equal(shared.kept["map"].data, one.kept["map"].data)


def test_small_volumes_are_not_shared(labels):
    def never(work: Any, items: Any) -> Any:
        raise AssertionError("shared")

    context = Context(spread=never)
    assert len(list(mean_thicknesses(labels[:30], SIZE_NM, 12.0, context))) == 2
    assert len(list(mean_diameters(labels[:30], SIZE_NM, "solid", 1, context))) == 3


def scored(metric: str) -> list[dict[str, Any]]:
    """Return the steps of a metric on a structure that is large enough to be shared."""
    shape = [208, 204, 204]
    assert np.prod(shape) > SHARED_ABOVE_VOXELS
    waves = {"shape": shape, "voxel_size_nm": 10, "waves": 20, "ligament_diameter_nm": 100}
    return [
        {"id": "gold", "run": "generator/leveled_wave", "params": {**waves, "solid_fraction": 0.4}},
        {
            "id": "score",
            "run": f"metric/{metric}",
            "params": {"max_distance_nm": 200},
            "inputs": {"prediction": "gold"},
        },
    ]


def test_morphology_is_the_same_bytes_as_in_one_process(bench, workers):
    one = bench.run(scored("morphology"), cache=bench.folder / "one")
    two = bench.run(scored("morphology"), cache=bench.folder / "two", workers=workers)
    for name in ("table", "curves", "diameters"):
        expected = one.entries["score"].hash_of(name)
        assert expected
        assert two.entries["score"].hash_of(name) == expected


def test_anisotropy_is_the_same_as_in_one_process(bench, workers):
    one = bench.run(scored("anisotropy"), cache=bench.folder / "one")
    two = bench.run(scored("anisotropy"), cache=bench.folder / "two", workers=workers)
    assert one.entries["score"].hash_of("curves") == two.entries["score"].hash_of("curves")
    for name in one["score"].columns:
        mine, theirs = one["score"][name], two["score"][name]
        if name in ("e_tpcf", "e_lpf"):
            # Not shared. The process of the tests may have loaded NumPy before variables that
            # choose the instructions of its BLAS were removed, see `fibcore.environment`.
            assert theirs == pytest.approx(mine, rel=1e-14)
        else:
            assert_array_equal(theirs, mine, err_msg=name)


def test_reprojection_is_that_of_one_process(bench, workers):
    shape = [260, 128, 128]
    assert np.prod(shape) > linked_slices.SHARED_ABOVE_VOXELS
    waves = {"shape": shape, "voxel_size_nm": 10, "ligament_diameter_nm": 100, "waves": 20}
    projection = {"run": "simulator/weighted_projection", "inputs": {"labels": "gold"}}
    steps = [
        {"id": "gold", "run": "generator/leveled_wave", "params": {**waves, "solid_fraction": 0.4}},
        {"id": "stack", **projection, "params": {"energies_kev": [2]}},
        {"id": "again", **projection, "params": {"energies_kev": [1]}},
        {
            "id": "score",
            "run": "metric/reprojection",
            "inputs": {"images": "stack", "reimaged": "again"},
        },
    ]
    bench.run(steps[:3], cache=bench.folder / "one")
    shutil.copytree(bench.folder / "one", bench.folder / "two")
    one = bench.run(steps, cache=bench.folder / "one")
    two = bench.run(steps, cache=bench.folder / "two", workers=workers)
    # The last digits are those of the BLAS, see `test_anisotropy_is_the_same_as_in_one_process`.
    for name in one["score"].columns:
        np.testing.assert_allclose(two["score"][name], one["score"][name], rtol=1e-6)
    np.testing.assert_allclose(two["score.map"].data, one["score.map"].data, rtol=1e-3)
