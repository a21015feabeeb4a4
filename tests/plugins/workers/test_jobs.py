"""Steps in several processes of one machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import worker_toys  # registers its plugins
from numpy.testing import assert_array_equal

from fib_plugins.workers.jobs import any_independent, open_processes
from fib_plugins.workers.processes import Processes
from fibcore import hookimpl
from fibcore.errors import UsageError
from fibcore.events import StepFinished, StepLogged, StepProgress, StepStarted
from fibcore.pipeline import StepError
from fibcore.pipeline.workers import ThisProcess, open_workers

assert worker_toys


class Events:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def fib_run_event(self, event: Any) -> None:
        self.seen.append(event)


def slow(number: int, folder: Path, **params: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    values = {"folder": str(folder), "value": number, **params}
    return {"id": f"s{number}", "run": "generator/worker_slow", "params": values}


def test_independent_steps_run_at_the_same_time_in_processes_of_their_own(bench):
    marks = bench.folder / "marks"
    steps = [slow(number, marks, together=2) for number in range(2)]
    events = Events()
    result = bench.run(steps, workers=open_workers("jobs:2"), observers=[events])
    assert [result[f"s{n}"].data.max() for n in range(2)] == [0, 1]
    processes = {path.suffix for path in marks.iterdir()}
    assert len(processes) == 2
    assert f".{os.getpid()}" not in processes
    kinds = {type(event) for event in events.seen}
    assert {StepStarted, StepProgress, StepLogged, StepFinished} <= kinds
    record = json.loads((result.folder / "provenance.json").read_text())
    assert [step["warnings"] for step in record["steps"]] in (
        [["made 0"], ["made 1"]],
        [["made 1"], ["made 0"]],
    )
    assert all(step["worker"].startswith("process ") for step in record["steps"])
    assert all(step["peak_memory_bytes"] > 1e6 for step in record["steps"])


def test_results_are_the_same_bytes_as_in_one_process(bench, steps):
    waves = {"shape": [24, 32, 32], "voxel_size_nm": 10, "ligament_diameter_nm": 60}
    waves["solid_fraction"] = 0.4
    steps = [
        {"id": "a", "run": "generator/leveled_wave", "params": waves},
        {"id": "b", "run": "generator/leveled_wave", "params": waves},
        {"id": "score", "run": "metric/overlap", "inputs": {"prediction": "a", "truth": "b"}},
    ]
    one = bench.run(steps, cache=bench.folder / "one")
    two = bench.run(steps, cache=bench.folder / "two", workers=open_workers("jobs:2"))
    for name in ("a", "b", "score"):
        main = next(iter(one.entries[name].manifest["artefacts"]))
        assert one.entries[name].hash_of(main) == two.entries[name].hash_of(main)
    assert_array_equal(one["a"].data, two["a"].data)


def bad(how: str, folder: Path) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    params = {"folder": str(folder), "how": how}
    return {"id": "bad", "run": "generator/worker_bad", "params": params}


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("error", "it cannot be made"),
        ("bug", "ZeroDivisionError: by nothing"),
        ("die", r"the process that executed the step ended \(signal 9\)"),
    ],
)
def test_a_step_that_fails_or_dies_lets_the_others_finish(bench, how, text):
    steps = [bad(how, bench.folder / "bad"), slow(1, bench.folder / "marks")]
    with pytest.raises(StepError, match=text) as failed:
        bench.run(steps, workers=open_workers("jobs:2"))
    assert failed.value.step.id == "bad"
    record = json.loads((failed.value.folder / "provenance.json").read_text())
    outcomes = {step["id"]: step["outcome"] for step in record["steps"]}
    assert outcomes == {"bad": "failed", "s1": "finished"}


def test_a_failure_ends_the_start_of_further_steps(bench):
    steps = [bad("error", bench.folder / "bad")]
    steps += [slow(n, bench.folder / "marks") for n in range(1, 6)]
    with pytest.raises(StepError):
        bench.run(steps, workers=lambda *given: Processes(1))
    assert not list((bench.folder / "marks").iterdir())


def test_only_independent_steps_need_processes(bench, steps, tmp_path):
    chain = bench.plan(steps[:2]).steps
    fork = bench.plan([*steps[:2], {"id": "x", "run": "generator/toy_blocks"}]).steps
    assert not any_independent(chain)
    assert any_independent(fork)
    assert isinstance(open_processes("auto", chain, tmp_path, "cpu"), ThisProcess)
    assert isinstance(open_processes("1", fork, tmp_path, "cpu"), ThisProcess)
    several = open_processes("3", fork, tmp_path, "cpu")
    assert several.slots == 3


def test_each_gpu_has_a_process(bench, steps, tmp_path, monkeypatch):
    fork = bench.plan([*steps[:2], {"id": "x", "run": "generator/toy_blocks"}]).steps
    monkeypatch.setattr("fib_plugins.workers.jobs._gpus", lambda device: ["cuda:0", "cuda:1"])
    assert open_processes("auto", fork, tmp_path, "auto").slots == 2


@pytest.mark.parametrize(("needs", "together"), [(10**15, False), (1, True)])
def test_steps_that_do_not_fit_into_memory_run_one_after_the_other(bench, needs, together):
    steps = [slow(n, bench.folder / "marks", needs=needs) for n in range(2)]
    events = Events()
    workers = open_workers("jobs:2")
    bench.run(steps, observers=[events], workers=workers, check_memory_and_disk=False)
    order = [type(e) for e in events.seen if isinstance(e, StepStarted | StepFinished)]
    assert (order == [StepStarted, StepFinished] * 2) is not together


def test_an_unknown_cluster_is_told():
    with pytest.raises(UsageError, match="give local:N for N processes"):
        open_workers("cloud")
