"""Positions of slices in their names: a table that a load step keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from fib_plugins.readers.tiff.reader import Tiff
from fibcore.pipeline import check_pipeline, run_pipeline

UM = (0.0, 0.01, 0.0195, 0.0315, 0.04, 0.049)


def write(folder: Path, names: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    planes = np.random.default_rng(2).integers(0, 255, (len(names), 24, 24), np.uint8)
    for name, plane in zip(names, planes, strict=True):
        tifffile.imwrite(folder / name, plane)


def opened(folder: Path, **params):
    return Tiff(kv=2, voxel_size_nm=(10, 5, 5), **params).open(folder)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([f"s_{i}_z={um:.4f}um.tif" for i, um in enumerate(UM)], 1000 * np.array(UM)),
        ([f"s_{i}_z={1 - um:.4f}um.tif" for i, um in enumerate(UM)], 1000 * np.array(UM)),
        ([f"z_{900 + 12 * i}nm.tif" for i in range(5)], 12 * np.arange(5)),
    ],
)
def test_positions_are_distances_from_the_first_slice(tmp_path, names, expected):
    write(tmp_path / "s", names)
    table = opened(tmp_path / "s").tables["positions"]
    assert table["position_nm"] == pytest.approx(expected, abs=1e-6)
    assert table["slice"].tolist() == list(range(len(names)))


@pytest.mark.parametrize(
    "names",
    [
        [f"slice_{i:03d}.tif" for i in range(5)],
        [f"s_{i}_z={value}.tif" for i, value in enumerate((0.0, 0.1, 0.25, 0.3, 0.4))],
        [f"s_{i}_z={um}um.tif" for i, um in enumerate((0.01, 0.02, 0.02, 0.03, 0.04))],
    ],
    ids=["numbers", "no unit", "repeated"],
)
def test_other_names_give_no_positions(tmp_path, names):
    write(tmp_path / "s", names)
    assert opened(tmp_path / "s").tables == {}


def test_a_region_has_the_positions_of_its_slices(tmp_path):
    write(tmp_path / "s", [f"s_{i}_z={um:.4f}um.tif" for i, um in enumerate(UM)])
    table = opened(tmp_path / "s", region={"z": [2, 5]}).tables["positions"]
    assert table["position_nm"] == pytest.approx([19.5, 31.5, 40.0])


def test_a_step_keeps_them_and_they_are_part_of_its_key(tmp_path):
    """The same voxels under names with other positions are another result."""
    params = {"kv": 2, "voxel_size_nm": [10, 5, 5]}
    keys = []
    for name, um in (("a", UM), ("b", UM), ("c", (*UM[:-1], 0.052))):
        write(tmp_path / name, [f"s_{i}_z={z:.4f}um.tif" for i, z in enumerate(um)])
        step = {"id": "stack", "load": name, "params": params}
        document = {"version": 1, "name": "x", "steps": [step]}
        plan = check_pipeline(document, base=tmp_path)
        keys.append(plan.steps[0].key)
        result = run_pipeline(plan, out=tmp_path / "runs", cache=tmp_path / "cache")
        (folder,) = result.folder.glob("*stack")
        lines = (folder / "positions.csv").read_text().splitlines()
        assert lines[0] == "slice,position_nm"
        assert float(lines[-1].split(",")[1]) == pytest.approx(1000 * um[-1])
    assert keys[0] == keys[1] != keys[2]
