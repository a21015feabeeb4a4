from __future__ import annotations

import json
import os
import re
import signal
import time

import numpy as np
import tifffile


def newest(shell, name="otsu"):
    return sorted((shell.folder / "runs" / name).iterdir())[-1]


def test_a_pipeline_runs_prints_its_figures_and_leaves_a_report(shell, otsu):
    file = shell.write("p.json", otsu)
    done = shell("run", file)
    assert "metric/overlap" in done.out
    assert re.search(r"mds\s+0\.\d+", done.out)
    assert "report.html" in done.out
    folder = newest(shell)
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    record = json.loads((folder / "provenance.json").read_text())
    assert record["status"] == "finished"
    assert record["warnings"] == []
    events = [json.loads(line)["event"] for line in (folder / "log.jsonl").open()]
    assert events[0] == "run started"
    assert events[-1] == "run finished"
    with tifffile.TiffFile(folder / "01-gold" / "labels.tif") as tif:
        assert tif.imagej_metadata["unit"] == "nm"
        assert tif.imagej_metadata["spacing"] == 4.0


def test_dry_run_tells_what_would_run_and_why_and_runs_nothing(shell, otsu):
    file = shell.write("p.json", otsu)
    done = shell("run", file, "--dry-run")
    assert "4 of 4 steps would run" in done.out
    assert not (shell.folder / "runs").exists()
    shell("run", file)
    assert "0 of 4 steps would run" in shell("run", file, "--dry-run").out
    changed = shell("run", file, "--dry-run", "--set", "sem.slices=8").out
    assert "3 of 4 steps would run" in changed
    assert "slices 6 -> 8" in changed
    assert "input images (sem) changed" in changed
    seeded = shell("run", file, "--dry-run", "--seed", "4").out
    assert "seed changed" in seeded


def test_set_reaches_parameters_and_says_the_nearest_step(shell, otsu):
    file = shell.write("p.json", otsu)
    shell("run", file, "--set", "sem.energies_kev=[1, 4]", "--to", "sem")
    resolved = json.loads((newest(shell) / "resolved.json").read_text())
    assert resolved["steps"][1]["params"]["energies_kev"] == [1.0, 4.0]
    assert "Did you mean 'sem'" in shell("run", file, "--set", "sen.slices=2", code=2).err
    assert "STEP.PARAM=VALUE" in shell("run", file, "--set", "slices", code=2).err
    wrong = shell("run", file, "--set", "sem.slises=2", code=2).err
    assert "Did you mean 'slices'" in wrong
    assert not list((shell.folder / "runs").glob("*/*/03-*"))


def test_a_pipeline_with_errors_ends_with_code_2_and_every_problem(shell, otsu):
    otsu["steps"][0]["params"]["solid_fractoin"] = 0.3
    otsu["steps"][2]["run"] = "segmenter/treshold"
    file = shell.write("p.json", otsu)
    for command in ("run", "check"):
        said = shell(command, file, code=2).err
        assert "2 problems, nothing was run" in said
        assert "Did you mean 'solid_fraction'" in said
        assert "Did you mean 'segmenter/threshold'" in said
        assert re.search(r"line \d+, steps\[2\]\.run", said)
    assert not (shell.folder / "runs").exists()


def test_check_tells_what_a_sound_pipeline_needs(shell, otsu):
    assert re.search(
        r"no problems; 4 steps, about .*MB", shell("check", shell.write("p.json", otsu)).out
    )


def test_a_failing_step_ends_with_code_1_and_the_command_that_goes_on(shell, otsu):
    otsu["steps"][2]["params"] = {"method": "manual", "level": 1e9}
    otsu["steps"].insert(
        2, {"id": "flat", "load": "flat.tif", "params": {"voxel_size_nm": 4, "kv": 2}}
    )
    otsu["steps"][3]["inputs"]["images"] = "flat"
    flat = np.full((24, 40, 48), 5, np.uint8)
    tifffile.imwrite(shell.folder / "flat.tif", flat, photometric="minisblack")
    done = shell("run", shell.write("p.json", otsu), code=1)
    assert "step 'flat' (load) failed" in done.err
    assert "resume with: fib run p.json" in done.err
    assert (newest(shell) / "report.html").exists()
    debug = shell("run", "p.json", "--debug", code=None)
    assert "Traceback" in debug.err


def test_an_unwritable_folder_is_told_before_anything_runs(shell, otsu):
    (shell.folder / "file").write_text("in the way")
    said = shell("run", shell.write("p.json", otsu), "--out", "file/runs", code=2).err
    assert "choose another folder" in said


def test_an_unknown_device_is_told_before_anything_runs(shell, otsu):
    file = shell.write("p.json", otsu)
    assert "Did you mean 'cuda'" in shell("run", file, "--device", "cudda", code=2).err


def test_two_runs_at_once_share_the_work(shell, otsu):
    otsu["steps"][0]["params"] |= {"shape": [64, 96, 96], "waves": 2000}
    file = shell.write("p.json", otsu)
    runs = [shell.start("run", file) for _ in range(2)]
    for run in runs:
        _, err = run.communicate(timeout=300)
        assert run.returncode == 0, err
    outcomes = [
        [step["outcome"] for step in json.loads(path.read_text())["steps"]]
        for path in (shell.folder / "runs" / "otsu").glob("*/provenance.json")
    ]
    assert len(outcomes) == 2
    for step in zip(*outcomes, strict=True):
        assert sorted(step) == ["finished", "reused"]


TRAIN = {
    "id": "net",
    "fit": "segmenter/unet",
    "inputs": {"images": "sem", "labels": "gold"},
    "params": {
        "dimensions": "2d", "patch": 16, "epochs": 6, "batch_size": 8, "base_channels": 4,
        "depth": 2, "learning_rate": 0.003, "patches_per_epoch": 64, "cpu_threads": 1,
    },
}  # fmt: skip


def checkpoints(shell):
    """Return the checkpoints of interrupted steps, and when they were written."""
    files = shell.folder.glob(".fib-cache/*.partial/scratch/checkpoint.pt")
    return {path: path.stat().st_mtime_ns for path in files}


def test_a_training_killed_and_then_stopped_by_ctrl_c_ends_with_the_same_bytes(processes, otsu):
    otsu["steps"].insert(2, TRAIN)
    otsu["steps"].append({"id": "seen", "apply": "net", "inputs": {"images": "sem"}})
    file = processes.write("p.json", otsu)
    processes("run", file, "--cache", "undisturbed")
    for stop, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        known = checkpoints(processes)
        run = processes.start("run", file)
        limit = time.monotonic() + 200
        while time.monotonic() < limit and run.poll() is None and checkpoints(processes) == known:
            time.sleep(0.02)
        os.kill(run.pid, stop)
        _, err = run.communicate(timeout=60)
        assert run.returncode == code
        assert "resume" in processes("run", file, "--dry-run").out
    assert "fib run p.json" in err
    processes("run", file)
    assert processes.artefacts() == processes.artefacts("undisturbed")


def test_a_run_prints_the_main_figures_and_leaves_the_others_to_the_report(shell, otsu):
    shown = shell("run", shell.write("otsu.json", otsu)).out
    table, _, rest = shown.partition("\n\n")
    assert [line.split()[0] for line in table.splitlines()] == [
        "metric/overlap", "mp_percent", "mgp_percent", "mds", "and",
    ]  # fmt: skip
    assert table.endswith("and 8 more figures in the report")
    assert rest.startswith("results ")
    (report,) = shell.folder.glob("runs/otsu/*/report.html")
    assert 'title="true_positives"' in report.read_text()
