"""Parts that overrun, crash or say nonsense cost their own time, and nothing that others found."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace

import pytest

from benchmarks.gpu import parts as parts_module
from benchmarks.gpu.parts import INSTALLATION, PARTS, chosen, ends
from benchmarks.gpu.record import Record
from benchmarks.gpu.running import run_parts

HEAD = """
import json, subprocess, sys, time
def tell(name, passed=True):
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps({"result": {
            "name": name, "unit": "s", "gpu": 1.0, "cpu": 2.0, "cpu_is": "one core", "check": "?",
            "passed": passed, "note": "", "ratio": 2.0}}) + "\\n")
"""
HANGS = """
tell("before the end")
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""
CRASHES = """
tell("before the crash")
with open(sys.argv[1], "a") as file:
    file.write('{"result": {"name": "half a li')
print("on its way", flush=True)
raise ZeroDivisionError("as planned")
"""
WORKS = 'tell("well"); tell("not so well", passed=False)'


@pytest.fixture
def ran(tmp_path, monkeypatch):
    """The record of three parts: one hangs for more than its 3 s, one crashes, one works."""
    names = ("environment", "compilation", "tests")
    seconds = (3.0, 60.0, 60.0)
    short = tuple(
        replace(part, seconds=time)
        for part, time in zip(chosen(" ".join(names)), seconds, strict=True)
    )
    monkeypatch.setattr(parts_module, "PARTS", short)
    scripts = dict(zip(names, (HANGS, CRASHES, WORKS), strict=True))

    def command(part, messages, until):
        return [sys.executable, "-c", HEAD + scripts[part.name], str(messages)], os.environ

    record = Record(tmp_path / "out", "0", None, dry=False)
    run_parts(short, record, command, tmp_path)
    return record


def test_each_part_ends_in_its_own_way_and_what_it_had_found_stays(ran, tmp_path):
    content = json.loads((tmp_path / "out" / "gpu.json").read_text())
    hung, crashed, worked = content["parts"].values()
    assert [part["status"] for part in (hung, crashed, worked)] == ["out of time", "failed", "done"]
    names = [[r["name"] for r in part["results"]] for part in (hung, crashed, worked)]
    assert names == [["before the end"], ["before the crash"], ["well", "not so well"]]
    assert 3 <= hung["seconds"] < 20
    assert "on its way" in crashed["output"]
    assert crashed["output"][-1] == "ZeroDivisionError: as planned"
    page = (tmp_path / "out" / "gpu.md").read_text()
    assert "**Out of time** after" in page
    assert "Its 3 s were spent" in page
    assert "ZeroDivisionError: as planned" in page
    assert "| not so well | s | 1 | 2 (one core) | 2 | **wrong:** ? |" in page
    assert [line.partition(":")[0] for line in ran.problems()] == [
        "environment", "compilation", "tests",
    ]  # fmt: skip


def test_nothing_that_an_ended_part_has_started_goes_on(ran):
    (line,) = ran.parts["environment"]["output"]
    number = int(line.removeprefix("child "))
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{number}") and state(number) != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def state(number):
    """Return the letter for the state of a process; Z has ended."""
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_all_parts_fit_into_eight_minutes():
    assert sum(part.seconds for part in PARTS) + INSTALLATION <= 480


def test_a_part_may_use_what_was_left_over_before_it_and_no_more():
    whole = ends(PARTS, 1.0)
    assert list(whole) == [part.name for part in PARTS]
    assert whole["unet"] == sum(part.seconds for part in PARTS)
    few = ends(chosen("unet monte_carlo"), 0.5)
    assert few == {name: whole[name] / 2 for name in ("monte_carlo", "unet")}
