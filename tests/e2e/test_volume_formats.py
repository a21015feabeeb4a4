"""Results as OME-Zarr, from the command line: run, report, compare, verify, load again."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from fibcore.formats import read_volume


@pytest.fixture
def zarr_run(shell, otsu):
    """A finished run with all volumes as OME-Zarr, and its folder."""
    shell("run", shell.write("p.json", otsu), "--format", "zarr")
    (run,) = (shell.folder / "runs" / "otsu").iterdir()
    return run


def test_a_run_in_zarr_has_the_same_figures_and_report(shell, zarr_run, otsu):
    assert not list((shell.folder / ".fib-cache").rglob("*.tif"))
    shell("run", "p.json", "--cache", "other", "--format", "tiff", "--out", "tiff")
    (tiff_run,) = (shell.folder / "tiff" / "otsu").iterdir()
    for step, name in (("01-gold", "labels"), ("02-sem", "images"), ("03-solid", "labels")):
        one = read_volume(zarr_run / step / f"{name}.ome.zarr")
        two = read_volume(tiff_run / step / f"{name}.tif")
        assert type(one) is type(two)
        np.testing.assert_array_equal(one.data, two.data)
        assert one.facts() == two.facts()
    pages = [(run / "report.html").read_text() for run in (zarr_run, tiff_run)]
    figures = [re.findall(r"data:image/(?:png|jpeg|webp);base64,[^\"')]+", page) for page in pages]
    assert len(figures[0]) > 3
    assert figures[0] == figures[1]
    assert "labels.ome.zarr</a>" in pages[0]
    assert "zarr.json" not in pages[0]
    for page in pages:
        assert "cannot be read" not in page
        assert "is not what the run has made" not in page


def test_the_report_and_verify_name_a_damaged_chunk(shell, zarr_run):
    assert "all as they were written" in shell("cache", "verify").out
    shard = (zarr_run / "02-sem" / "images.ome.zarr" / "0" / "c" / "0" / "0" / "0" / "0").resolve()
    data = bytearray(shard.read_bytes())
    data[500] ^= 1
    shard.write_bytes(bytes(data))
    out = shell("cache", "verify", code=1).out
    assert "images.ome.zarr" in out
    assert "holds other bytes than were written" in out
    shell("report", str(zarr_run))
    page = (zarr_run / "report.html").read_text()
    assert "images is not what the run has made: images.ome.zarr" in page
    err = shell("run", "p.json").err
    assert "sem: its result in the cache was damaged (images.ome.zarr" in err
    shell("cache", "verify")


def test_runs_of_both_formats_are_compared(shell, zarr_run):
    shell("run", "p.json", "--seed", "5", "--format", "tiff")
    out = shell("compare", "runs/otsu").out
    assert re.search(r"A +2 +3, 5 +otsu", out)


def test_a_result_in_zarr_is_loaded_by_another_pipeline(shell, zarr_run):
    source = (zarr_run / "02-sem" / "images.ome.zarr").relative_to(shell.folder)
    steps = [
        {"id": "again", "load": str(source)},
        {"id": "solid", "run": "segmenter/threshold", "inputs": {"images": "again"}},
    ]
    file = shell.write("q.json", {"version": 1, "name": "again", "steps": steps})
    assert "no problems" in shell("check", file).out
    shell("run", file)
    keys = [json.loads(path.read_text())["key_parts"] for path in
            (shell.folder / "runs" / "again").glob("*/01-again/step.json")]  # fmt: skip
    assert [key["plugin"] for key in keys] == ["reader/zarr"]


def test_an_unknown_format_is_one_line(shell, otsu):
    err = shell("run", shell.write("p.json", otsu), "--format", "tif", code=2).err
    assert err.strip() == "error: unknown format 'tif': use auto, tiff, zarr"
