"""Steps, and parts of steps, on the workers of a Dask cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import pytest
import worker_toys  # registers its plugins
import yaml
from numpy.testing import assert_array_equal

from fib_plugins.workers import batch, on_worker
from fib_plugins.workers.clusters import open_scheduler
from fib_plugins.workers.dask_workers import DaskWorkers
from fibcore.errors import UsageError
from fibcore.pipeline import StepError
from fibcore.pipeline.workers import open_workers

assert worker_toys


def toy(name: str, number: int, folder: Path, **params: Any) -> dict[str, Any]:
    folder.mkdir(exist_ok=True)
    values = {"folder": str(folder), "value": number, **params}
    return {"id": f"s{number}", "run": f"generator/worker_{name}", "params": values}


def test_independent_steps_run_on_several_workers(bench, workers):
    marks = bench.folder / "marks"
    steps = [toy("slow", number, marks, together=2) for number in range(2)]
    result = bench.run(steps, workers=workers)
    assert [result[f"s{n}"].data.max() for n in range(2)] == [0, 1]
    assert len({path.suffix for path in marks.iterdir()}) == 2
    record = json.loads((result.folder / "provenance.json").read_text())
    steps_run = {step["id"]: step for step in record["steps"]}
    assert steps_run["s1"]["warnings"] == ["made 1"]
    assert all(" on " in step["worker"] for step in steps_run.values())
    assert all(step["peak_memory_bytes"] > 1e6 for step in steps_run.values())


def test_the_parts_of_a_step_are_shared_by_the_workers(bench, workers):
    marks = bench.folder / "marks"
    result = bench.run([toy("squares", 0, marks)], workers=workers)
    assert_array_equal(result["s0"].data[:, 0, 0], np.arange(20) % 2)
    shares = Counter(path.suffix for path in marks.iterdir())
    assert len(shares) == 2
    assert sum(shares.values()) == 20
    assert not list((bench.folder / "cache").glob("*.partial"))


def test_monte_carlo_slices_are_the_same_bytes_as_in_one_process(bench, workers):
    waves = {"shape": [10, 16, 16], "voxel_size_nm": 10, "ligament_diameter_nm": 60}
    electrons = {"energies_kev": [1, 2], "electrons_per_pixel": 5, "mean_depth": True}
    steps = [
        {"id": "gold", "run": "generator/leveled_wave", "params": {**waves, "solid_fraction": 0.4}},
        {
            "id": "images",
            "run": "simulator/monte_carlo",
            "params": electrons,
            "inputs": {"labels": "gold"},
        },
    ]
    one = bench.run(steps, cache=bench.folder / "one")
    two = bench.run(steps, cache=bench.folder / "two", workers=workers)
    for name in ("images", "depth"):
        assert one.entries["images"].hash_of(name) == two.entries["images"].hash_of(name)


@pytest.mark.parametrize(
    ("how", "text"), [("error", "it cannot be made"), ("bug", "ZeroDivisionError: by nothing")]
)
def test_an_error_on_a_worker_is_that_of_the_step(bench, workers, how, text):
    steps = [toy("bad", 0, bench.folder / "bad", how=how), toy("slow", 1, bench.folder / "marks")]
    with pytest.raises(StepError, match=text):
        bench.run(steps, workers=workers)


def test_a_worker_that_dies_is_replaced_and_its_step_done_again(bench, mortal_workers):
    marks = bench.folder / "marks"
    result = bench.run([toy("bad", 1, marks, how="die once")], workers=mortal_workers)
    assert result["s1"].data.max() == 1
    assert len([path for path in marks.iterdir() if not path.suffix]) == 2  # two processes tried


def test_a_step_that_kills_every_worker_fails(bench, mortal_workers):
    steps = [toy("bad", 0, bench.folder / "bad", how="die")]
    with pytest.raises(StepError, match="the workers that executed the step died"):
        bench.run(steps, workers=mortal_workers)


def test_a_scheduler_that_is_not_there_is_told(bench, steps):
    with pytest.raises(UsageError, match="no Dask scheduler answers there"):
        bench.run(steps, workers=open_workers("tcp://127.0.0.1:9"))
    assert not list((bench.folder / "runs").glob("*/*"))


def test_a_scheduler_without_workers_is_told(bench, steps):
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as empty,
        distributed.Client(empty, set_as_default=False) as client,
        pytest.raises(UsageError, match="had no worker within 0 s"),
    ):
        DaskWorkers(client, [], bench.folder, lambda: None, 0.2)


def test_other_versions_on_a_worker_are_told(bench, steps, workers, monkeypatch):
    monkeypatch.setattr("fib_plugins.workers.dask_workers.__version__", "9.9")
    with pytest.raises(UsageError, match=r"has fib .*, here is 9\.9.*Install the same versions"):
        bench.run(steps, workers=workers)


def test_a_plugin_that_workers_lack_is_named(bench, steps, workers, monkeypatch):
    real = on_worker.describe

    def describe(names):
        return {**real(names), "versions": dict.fromkeys(names, "1.0")}

    monkeypatch.setattr("fib_plugins.workers.on_worker.describe", describe)
    asked = DaskWorkers._asked
    monkeypatch.setattr(
        DaskWorkers, "_asked", lambda self, f, *a: asked(self, real if f is describe else f, *a)
    )
    with pytest.raises(UsageError, match=r"does not have fib-toys, of which version 1\.0 is used"):
        bench.run(steps, workers=workers)


def test_a_folder_that_workers_cannot_see_is_told(bench, steps, workers, monkeypatch):
    monkeypatch.setattr(
        "fib_plugins.workers.dask_workers.secrets.token_hex", lambda n: "a" * (2 * n)
    )
    monkeypatch.setattr("fib_plugins.workers.dask_workers.on_worker.sees", _blind)
    with pytest.raises(
        UsageError, match=r"2 of 2 workers cannot see .* choose a folder on a file system"
    ):
        bench.run(steps, workers=workers)
    assert not list((bench.folder / "cache").glob(".seen-*"))


def _blind(path: str, content: str) -> bool:
    return False


def test_workers_with_several_threads_are_told(bench, steps):
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=3, dashboard_address=None) as one,
        pytest.raises(UsageError, match="start it with --nthreads 1"),
    ):
        bench.run(steps, workers=partial(open_scheduler, one.scheduler_address))


SBATCH = """#!{python}
import os, shutil, subprocess, sys
folder = os.environ["FAKE_SLURM"]
number = str(os.getpid())
script = shutil.copy(sys.argv[1], os.path.join(folder, number + ".sh"))
log = open(script + ".log", "w")
job = subprocess.Popen(["sh", script], stdout=log, stderr=log, start_new_session=True)
open(os.path.join(folder, number + ".pid"), "w").write(str(job.pid))
print("Submitted batch job", number)
"""
SCANCEL = """#!{python}
import os, signal, sys
for number in sys.argv[1:]:
    pid = int(open(os.path.join(os.environ["FAKE_SLURM"], number + ".pid")).read())
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        pass
open(os.path.join(os.environ["FAKE_SLURM"], "cancelled"), "a").write(" ".join(sys.argv[1:]))
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Commands ``sbatch`` and ``scancel`` that start jobs here; the folder of the jobs."""
    commands, jobs = tmp_path / "bin", tmp_path / "jobs"
    commands.mkdir()
    jobs.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (commands / name).write_text(text.format(python=sys.executable))
        (commands / name).chmod(0o755)
    monkeypatch.setenv("FAKE_SLURM", str(jobs))
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    return jobs


def described(folder: Path, **entries: Any) -> str:
    values = {"system": "slurm", "jobs": 1, "cores": 2, "memory": "2GB", "interface": "lo"}
    path = folder / "slurm.yaml"
    path.write_text(yaml.safe_dump(values | entries))
    return str(path)


def test_jobs_of_slurm_execute_the_steps_and_end_with_the_run(bench, slurm):
    path = described(bench.folder, walltime="00:10:00", queue="short")
    step = toy("slow", 1, bench.folder / "marks")
    python = os.pathsep.join(path for path in sys.path if path.endswith("helpers"))
    os.environ["PYTHONPATH"] = python
    try:
        result = bench.run([step], workers=open_workers(path))
    finally:
        del os.environ["PYTHONPATH"]
    assert result["s1"].data.max() == 1
    (script,) = slurm.glob("*.sh")
    text = script.read_text()
    assert "#SBATCH -p short" in text
    assert "#SBATCH --cpus-per-task=2" in text
    assert "--nthreads 1" in text
    assert "export DASK_DISTRIBUTED__WORKER__DAEMON=False" in text
    assert (slurm / "cancelled").read_text() == script.stem


def test_a_batch_system_that_refuses_is_told(bench, steps, slurm, tmp_path):
    (tmp_path / "bin" / "sbatch").write_text("#!/bin/sh\necho 'no such partition' >&2\nexit 1\n")
    path = described(bench.folder)
    with pytest.raises(UsageError, match=r"(?s)slurm refused the jobs: .*no such partition"):
        bench.run(steps, workers=open_workers(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("system: slurm\njobs: 0\ncores: 1\nmemory: 1GB", "jobs: it must be greater"),
        ("system: moon\njobs: 1\ncores: 1\nmemory: 1GB", "system: it must be 'slurm'"),
        ("jobs: 1\n", "system: .*required"),
        ("- 1\n", "give entries such as"),
        ("a: [", "is not YAML"),
        ("system: slurm\njobs: 1\ncores: 1\nmemory: 1GB\nnonsense: 3", "nonsense"),
    ],
)
def test_a_wrong_description_of_jobs_is_told(bench, steps, slurm, text, message):
    path = bench.folder / "jobs.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        bench.run(steps, workers=open_workers(str(path)))


def test_a_description_that_is_not_there_is_told(bench, steps):
    with pytest.raises(UsageError, match="cannot be read"):
        bench.run(steps, workers=open_workers("none.yaml"))


def test_variables_carry_the_settings_of_dask_to_other_processes():
    code = "import dask; print(dask.config.get('distributed.worker.daemon'))"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **batch.variables()}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def test_the_number_of_processes_is_checked(bench, steps):
    with pytest.raises(UsageError, match="give a number of processes of at least 1"):
        bench.run(steps, workers=open_workers("local:none"))


def test_without_dask_the_extra_is_named(bench, steps, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"pip install 'fibtomo\[cluster\]'"):
        bench.run(steps, workers=open_workers("local:2"))


@pytest.fixture
def small_stacks_are_shared(cluster):
    """The workers share stacks among them that take no time."""
    with distributed.Client(cluster, set_as_default=False) as client:
        before = client.run(_share_stacks_above, 1000)
        yield
        client.run(_share_stacks_above, max(before.values()))


def _share_stacks_above(voxels: int) -> int:
    from fib_plugins.segmenters.unet import inference

    before, inference.SHARED_ABOVE_VOXELS = inference.SHARED_ABOVE_VOXELS, voxels
    return before


@pytest.mark.usefixtures("small_stacks_are_shared")
def test_segmentation_is_the_same_bytes_as_in_one_process(bench, workers):
    waves = {"shape": [10, 60, 64], "voxel_size_nm": 10, "ligament_diameter_nm": 60, "waves": 50}
    network = {"base_channels": 4, "depth": 2, "epochs": 1, "patch": 32, "patches_per_epoch": 16}
    steps = [
        {"id": "gold", "run": "generator/leveled_wave", "params": {**waves, "solid_fraction": 0.4}},
        {
            "id": "sem",
            "run": "simulator/weighted_projection",
            "params": {"energies_kev": [2]},
            "inputs": {"labels": "gold"},
        },
        {
            "id": "unet",
            "fit": "segmenter/unet",
            "params": network,
            "inputs": {"images": "sem", "labels": "gold"},
        },
    ]
    for name, params in (("labels", {}), ("both", {"save_probability": True})):
        steps.append({"id": name, "apply": "unet", "params": params, "inputs": {"images": "sem"}})
    one = bench.run(steps, cache=bench.folder / "one", device="cpu")
    two = bench.run(steps, cache=bench.folder / "two", device="cpu", workers=workers)
    for step, names in (("labels", ["labels"]), ("both", ["labels", "probability"])):
        hashes = [one.entries[step].hash_of(name) for name in names]
        assert all(hashes)
        assert [two.entries[step].hash_of(name) for name in names] == hashes


def test_the_description_in_the_guide_is_one(tmp_path):
    page = Path(__file__).parents[3] / "docs" / "guide" / "clusters.md"
    block = (
        page.read_text(encoding="utf-8").split('```yaml title="slurm.yaml"\n')[1].split("```")[0]
    )
    path = tmp_path / "slurm.yaml"
    path.write_text(block, encoding="utf-8")
    found = batch.read_jobs(path)
    assert (found.system, found.jobs, found.workers_per_job) == ("slurm", 8, 2)
    known = {"walltime", "queue", "account", "interface", "job_script_prologue"}
    assert set(found.model_extra) == known
