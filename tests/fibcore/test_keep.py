"""Volumes that are deleted after use, and sources that are not copied."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fibcore import FibError, Images, write_volume
from fibcore.errors import PipelineError, UsageError
from fibcore.pipeline.keep import peak_bytes
from fibcore.pipeline.status import statuses
from fibcore.pipeline.store import Store


def names_in(result: Any, step: str) -> set[str]:
    return {path.name for path in result.entries[step].folder.iterdir()}


def test_volumes_of_steps_that_are_not_listed_are_deleted_after_use(bench, steps, calls):
    result = bench.run(steps, keep=["solid"])
    assert names_in(result, "gold") == {"step.json"}
    assert names_in(result, "sem") == {"step.json"}
    assert "labels.tif" in names_in(result, "solid")
    assert {"model.json", "model.safetensors"} <= names_in(result, "level")
    with pytest.raises(FibError, match=r"labels was deleted after use, as `keep`.*add its step"):
        result["gold"]
    record = json.loads((result.folder / "provenance.json").read_text())
    outputs = {step["id"]: step["outputs"] for step in record["steps"]}
    assert outputs["gold"]["labels"]["dropped"]
    assert not outputs["solid"]["labels"].get("dropped")


def test_a_second_run_computes_nothing_although_volumes_are_gone(bench, steps, calls):
    bench.run(steps, keep=["solid"])
    calls.clear()
    bench.run(steps, keep=["solid"])
    assert calls == []


def test_a_volume_that_is_needed_again_is_made_again(bench, steps, calls):
    first = bench.run(steps, keep=[])
    calls.clear()
    changed = [*steps[:3], {**steps[3], "id": "again"}]
    again = bench.run(changed, keep=["again"])
    assert "toy_blocks" not in " ".join(calls) or calls  # what the new step needs has run
    assert again["again"].data.shape == first.plan.steps[0].expected.specs["labels"].shape
    assert len(calls) >= 2


def test_keeping_all_brings_back_what_was_deleted(bench, steps, calls):
    bench.run(steps, keep=["solid"])
    calls.clear()
    plan = bench.plan(steps)
    actions = {s.step.id: s.action for s in statuses(plan, Store(bench.folder / "cache"))}
    assert actions == {
        "gold": "run",
        "sem": "run",
        "level": "reuse",
        "solid": "reuse",
        "score": "reuse",
    }
    result = bench.run(steps)
    assert result["gold"].data.any()


def test_what_another_run_keeps_is_not_deleted(bench, steps):
    other = bench.run(steps[:2])
    result = bench.run(steps, keep=["solid"])
    assert "labels.tif" in names_in(other, "gold")
    assert "labels.tif" in names_in(result, "gold")


def test_a_run_from_a_later_step_says_that_volumes_are_gone(bench, steps):
    bench.run(steps, keep=["solid"])
    with pytest.raises(UsageError, match="'sem' were deleted after use; run the pipeline without"):
        bench.run(steps, keep=["solid"], start="solid", force=["solid"])


def test_an_unknown_step_in_keep_is_reported(bench, steps):
    with pytest.raises(PipelineError, match=r"keep\[0\].*there is no step 'solit'.*'solid'"):
        bench.plan(steps, keep=["solit"])


def test_volumes_that_no_step_reads_stay(bench, steps):
    result = bench.run(steps[:1], keep=[])
    assert "labels.tif" in names_in(result, "gold")


@pytest.fixture
def stack(bench) -> Path:
    path = bench.folder / "stack.tif"
    grey = np.random.default_rng(0).integers(0, 255, (6, 40, 50), np.uint8)
    write_volume(Images(grey, (10.0, 5.0, 5.0), kv=(2.0,)), path)
    return path


def test_a_source_that_can_be_mapped_is_not_copied(bench, stack):
    step = {"id": "sem", "load": "stack.tif", "params": {"region": {"y": [5, 30]}}}
    result = bench.run([step])
    assert names_in(result, "sem") == {"step.json", "images.mapped.json"}
    images = result["sem"]
    assert images.shape == (6, 25, 50)
    assert images.kv == (2.0,)
    np.testing.assert_array_equal(images.data, bench_read(stack)[:, :, 5:30])
    assert bench.plan([step]).steps[0].expected.disk_bytes == 0


def bench_read(path: Path) -> np.ndarray:
    from fibcore import read_volume

    return read_volume(path).data


def test_a_source_that_is_touched_or_moved_is_used_and_one_that_changed_is_not(bench, stack, calls):
    load = {"id": "sem", "load": "stack.tif"}
    first = bench.run([load])
    os.utime(stack)  # another time, the same bytes
    assert first["sem"].data.any()
    moved = stack.rename(bench.folder / "moved.tif")
    again = bench.run([{"id": "sem", "load": "moved.tif"}])
    assert again.entries["sem"].manifest["key"] == first.entries["sem"].manifest["key"]
    assert again["sem"].data.any()
    assert again.entries["sem"].hash_of("images") == first.entries["sem"].hash_of("images")
    content = bytearray(moved.read_bytes())
    content[-1] ^= 1
    moved.write_bytes(content)
    with pytest.raises(FibError, match=r"its source .*moved\.tif has changed"):
        again["sem"]


def test_a_source_that_cannot_be_mapped_is_copied(bench):
    grey = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8)
    np.savez_compressed(bench.folder / "stack.npz", grey)
    params = {"voxel_size_nm": 5, "kv": 2}
    result = bench.run([{"id": "sem", "load": "stack.npz", "params": params}])
    assert "images.mapped.json" not in names_in(result, "sem")


def test_the_disk_that_is_needed_is_that_of_the_volumes_that_exist_at_a_time(bench, steps):
    sizes = {"gold": 10, "sem": 40, "solid": 45}
    some = steps[:4]  # gold is read last by the third step, sem by the fourth
    assert peak_bytes(bench.plan(some), sizes) == 95
    assert peak_bytes(bench.plan(some, keep=["solid"]), sizes) == 85
    assert peak_bytes(bench.plan(some, keep=["gold"]), sizes) == 95
    assert peak_bytes(bench.plan(steps, keep=["solid"]), sizes) == 95  # the score reads gold
