"""``make reconstruct`` in parts: stack, pipeline that treats the truth alike, comparison."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from fibcore import read_table, read_volume
from fibcore.pipeline import check_pipeline, run_pipeline

ROOT = Path(__file__).parents[2]
SMALL = ["sample.shape=[32,128,128]"]


@pytest.fixture
def demo(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    import demo

    yield demo
    del sys.modules["demo"]


def test_the_truth_is_cut_and_moved_like_the_stack(shell, demo):
    options = [word for text in SMALL for word in ("--set", text)]
    shell("run", str(ROOT / "examples" / "demo_stack.json"), *options)
    (raw,) = (shell.folder / "runs" / "demo_stack").glob("*/*-raw")
    stack = {"id": "stack", "load": str(raw / "images.tif")}
    face = {"id": "face", "run": "corrector/crop", "inputs": {"images": "stack"}}
    aligned = {"id": "aligned", "run": "corrector/align", "inputs": {"images": "face"}}
    labels = {
        "id": "labels",
        "run": "segmenter/threshold",
        "inputs": {"images": "aligned"},
    }
    document = {
        "version": 1,
        "name": "gold",
        "steps": [stack, face, aligned, {**labels, "id": "first"}, labels],
    }
    (shell.folder / "pipeline.json").write_text(json.dumps(document))
    shell("run", "pipeline.json")
    (run,) = (shell.folder / "runs" / "gold").iterdir()

    compared = demo.truth_pipeline(document, run, raw / "labels.tif")
    assert [step["id"] for step in compared["steps"]] == [
        "hidden", "stack", "face", "aligned", "reconstruction", "figures",
    ]  # fmt: skip
    done = run_pipeline(check_pipeline(compared), out=shell.folder / "o", cache=shell.folder / "c")
    (row,) = done["figures"].rows()
    assert abs(row["truth_solid_fraction"] - 0.36) < 0.1
    found = read_volume(next(run.glob("*-labels")) / "labels.tif")
    assert found.shape[1] < read_volume(raw / "images.tif").shape[1]  # the data bar is gone
    assert read_table(raw / "slices.csv")
