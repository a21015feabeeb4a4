"""The benchmark of large stacks, on small ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.large import SIZES, slices, structure, used_bytes, write_slices, write_stack
from benchmarks.run_all import LARGE
from fibcore import read_volume

ROOT = Path(__file__).parents[2]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.large", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_each_row_has_a_title_on_the_page() -> None:
    assert set(LARGE) == {f"large {row}" for row in SIZES}


def test_the_structure_has_two_phases_and_is_periodic() -> None:
    block = structure((30, 64, 64))
    assert block.mean() == pytest.approx(0.4, abs=0.02)
    inner = np.mean(block[1:] != block[:-1])
    assert np.mean(block[0] != block[-1]) < 2 * inner
    at = slices((30, 700, 600), grey=False)
    assert np.array_equal(at(3)[512:], at(3)[:188])


def test_a_source_has_values_in_its_first_slices_and_takes_space_for_no_others(tmp_path) -> None:
    write_stack(tmp_path / "images.tif", (40, 512, 512), grey=True, filled=2)
    stack = read_volume(tmp_path / "images.tif", voxel_size_nm=5, kv=2).data[0]
    assert stack[:2].std() > 30
    assert not stack[2:].any()
    assert used_bytes(tmp_path) < 4 * 512 * 512


def test_slices_are_files_of_one_stack(tmp_path) -> None:
    write_slices(tmp_path / "slices", (12, 96, 96), 3)
    stack = read_volume(tmp_path / "slices", voxel_size_nm=5, kv=2).data[0]
    assert stack.shape == (12, 96, 96)
    assert stack[:3].min(axis=(1, 2)).all()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory from /proc")
def test_a_row_has_time_memory_and_disk(tmp_path) -> None:
    done = run("labels", "--size", 60, 256, 256, "--folder", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "S = 60 x 256 x 256 voxels of 8 bits" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("load, threshold, report")
    assert len(done.stdout.splitlines()[-1]) == len(done.stdout.splitlines()[-2])
    assert not list(tmp_path.iterdir())


def test_a_stack_for_which_the_disk_has_no_space_is_refused(tmp_path) -> None:
    done = run("labels", "--size", 10**6, 10**5, 10**5, "--folder", tmp_path)
    assert done.returncode == 1
    assert "are free: give a --folder on another disk, or a smaller --size" in done.stderr
