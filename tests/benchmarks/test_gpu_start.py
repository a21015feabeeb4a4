"""``make gpu`` as a whole: a dry run of all parts, and what happens around them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu.parts import PARTS, TARGETS

START = Path(__file__).parents[2] / "benchmarks" / "gpu" / "start.py"


@pytest.fixture
def surroundings(tmp_path):
    """The environment of a run: no GPU is seen, temporary files go into a folder of the test."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TMPDIR": str(temporary)}


@pytest.fixture
def start(tmp_path, surroundings):
    """Function that runs the script to its end, with results in ``tmp_path / "out"``."""

    def run(*arguments, out=tmp_path / "out"):
        command = [sys.executable, str(START), "--out", str(out), *arguments]
        return subprocess.run(
            command, env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def found(tmp_path):
    """Function that returns what ``gpu.json`` holds."""
    return lambda: json.loads((tmp_path / "out" / "gpu.json").read_text())


@pytest.mark.long
def test_a_dry_run_measures_everything_and_every_check_passes(start, found, tmp_path):
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / "numpy-0.1-py3-none-any.whl").write_bytes(b"not needed: numpy is there")
    done = start("--dry", "--wheels", str(wheels))
    assert done.returncode == 0, done.stdout + done.stderr
    content = found()
    assert content["dry"]
    assert list(content["parts"]) == [part.name for part in PARTS]
    for name, part in content["parts"].items():
        assert part["status"] == "done", name
        results = part["results"]
        assert any(result["passed"] for result in results), name
        assert not any("left out" in result["note"] for result in results), name
        for result in results:
            assert result["passed"] in (True, None), result
            if result["unit"] and result["gpu"] and result["cpu"]:
                assert result["ratio"] > 0, result
    for target, measured in zip(TARGETS, content["targets"], strict=True):
        assert measured["measured"] > 0, target.words
        assert measured["met"] is None, "tiny sizes neither reach nor miss anything"
    assert {"Python", "torch", "numba", "pydantic"} <= content["machine"].keys()
    page = (tmp_path / "out" / "gpu.md").read_text()
    assert page.startswith("# Dry run")
    assert "Nothing here was measured on a GPU" in page
    for part in PARTS:
        assert f"## {part.title}\n" in page
        for result in content["parts"][part.name]["results"]:
            assert result["name"] in page
    assert not list((tmp_path / "temporary").glob("fib-gpu-*")), "nothing is left behind"


def test_some_parts_can_be_run_alone(start, found, tmp_path):
    assert start("--dry", "--parts", "tests").returncode == 0
    assert list(found()["parts"]) == ["tests"]
    assert "U-Net" not in (tmp_path / "out" / "gpu.md").read_text()


def test_a_part_of_no_such_name_is_refused_with_the_names_there_are(start, tmp_path):
    done = start("--dry", "--parts", "unet, uent")
    assert done.returncode == 2
    assert "no part uent" in done.stderr
    assert "monte_carlo" in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_a_gpu_it_says_so_and_ends_well_and_writes_nothing(start, tmp_path):
    done = start()
    assert done.returncode == 0
    assert done.stdout.startswith("no NVIDIA GPU here")
    assert done.stdout.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_dry_run_writes_nothing_into_the_documentation(start):
    docs = START.parents[2] / "docs"
    before = sorted(docs.rglob("*"))
    done = start("--dry", "--parts", "tests", out=docs / "measured")
    assert done.returncode == 2
    assert "docs" in done.stderr
    assert sorted(docs.rglob("*")) == before


def test_what_was_found_before_a_run_is_stopped_is_kept(surroundings, found, tmp_path):
    command = [sys.executable, str(START), "--dry", "--parts", "monte_carlo unet"]
    command += ["--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, env=surroundings, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "out" / "gpu.json").exists() or not results(found()):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) != 0
    finally:
        process.kill()
    assert results(found())
    assert found()["parts"]["monte_carlo"]["status"] == "interrupted"
    assert "unet" not in found()["parts"]
    assert str(tmp_path / "temporary") not in running(), "the part has ended, too"


def results(content):
    return content["parts"]["monte_carlo"]["results"]


def running():
    """Return the command lines of all processes."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text().replace("\0", " "))
        except OSError:
            continue
    return "\n".join(lines)
