"""How a command ends that is stopped from outside, or whose output goes nowhere."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /dev as on Linux")

LONG = {"id": "long", "run": "generator/leveled_wave", "params": {"shape": [96, 192, 192],
        "voxel_size_nm": 4.0, "ligament_diameter_nm": 20, "solid_fraction": 0.4,
        "waves": 200_000}}  # fmt: skip


def wait_for(condition, seconds=120.0):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def started(shell):
    """Return the folder of the run once its long step is at work."""

    def look():
        for log in shell.folder.glob("runs/otsu/*/log.jsonl"):
            if any(json.loads(line).get("step") == "long" for line in log.read_text().splitlines()):
                return log.parent
        return None

    return wait_for(look)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_stopped_run_says_so_in_its_provenance_and_keeps_what_was_finished(
    shell, otsu, number, code
):
    otsu["steps"] = [otsu["steps"][0], LONG]
    run = shell.start("run", shell.write("p.json", otsu), "--jobs", "1")
    folder = started(shell)
    run.send_signal(number)
    _, err = run.communicate(timeout=120)
    assert run.returncode == code, err
    record = json.loads((folder / "provenance.json").read_text())
    assert record["status"] == "interrupted"
    assert record["ended"]
    assert [s["outcome"] for s in record["steps"]] == ["finished", "interrupted"]
    assert "resume the current step with:\n  fib run p.json" in err
    assert "Traceback" not in err
    assert "reuse   finished before" in shell("run", "p.json", "--dry-run").out


@pytest.mark.parametrize(
    "workers", [("--jobs", "2"), ("--cluster", "local:2")], ids=["jobs", "dask"]
)
def test_a_stopped_run_ends_its_workers_and_can_be_resumed(shell, otsu, workers):
    otsu["steps"] = [LONG, {**LONG, "id": "longer"}]
    run = shell.start("run", shell.write("p.json", otsu), *workers)
    folder = started(shell)
    helpers = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 143, err
    record = json.loads((folder / "provenance.json").read_text())
    assert {s["outcome"] for s in record["steps"]} == {"interrupted"}
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(helpers, timeout=20)
    assert alive == []


def test_a_run_under_nohup_survives_the_end_of_its_terminal(shell, otsu):
    otsu["steps"] = [otsu["steps"][0], {**LONG, "params": {**LONG["params"], "waves": 4000}}]
    file = shell.write("p.json", otsu)
    run = subprocess.Popen(
        [*shell.fib, "run", file], cwd=shell.folder, env=shell.environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    started(shell)
    run.send_signal(signal.SIGHUP)
    _, err = run.communicate(timeout=300)
    assert run.returncode == 0, err


def test_a_command_stopped_before_its_run_leaves_no_traceback(shell, otsu):
    run = shell.start("run", shell.write("p.json", otsu))
    time.sleep(0.3)
    run.send_signal(signal.SIGTERM)
    _, err = run.communicate(timeout=60)
    assert run.returncode in (143, -15)  # before Python has come to us, or after
    assert "Traceback" not in err


# -- output ----------------------------------------------------------------------------------


def in_shell(shell, line, code):
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line.replace('fib', shell.fib[0], 1)}"],
        cwd=shell.folder, env=shell.environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize(
    "command", ["plugins list", "plugins list --json", "schema", "materials", "check p.json"]
)
def test_a_reader_that_has_enough_is_no_failure(shell, otsu, command):
    shell.write("p.json", otsu)
    assert in_shell(shell, f"fib {command} | head -c 1", 0).stderr == ""
    assert in_shell(shell, f"fib {command} | true", 0).stderr == ""


@pytest.mark.parametrize("command", ["plugins list", "schema", "check p.json", "--version", "-h"])
def test_output_that_cannot_be_written_is_one_message(shell, otsu, command):
    shell.write("p.json", otsu)
    done = in_shell(shell, f"fib {command} > /dev/full", 1)
    assert "cannot write to standard output: No space left on device" in done.stderr
    assert done.stderr.count("\n") == 1


def test_messages_that_cannot_be_written_leave_the_exit_code(shell, otsu):
    otsu["steps"][0]["run"] = "no/such"
    shell.write("p.json", otsu)
    in_shell(shell, "fib check p.json 2> /dev/full", 2)
    in_shell(shell, "fib check p.json 2>&-", 2)


def test_a_run_whose_output_goes_nowhere_is_finished_all_the_same(shell, otsu):
    shell.write("p.json", otsu)
    in_shell(shell, "fib run p.json > /dev/full", 1)
    (file,) = shell.folder.glob("runs/otsu/*/provenance.json")
    assert json.loads(file.read_text())["status"] == "finished"
    assert "0 of 4 steps would run" in shell("run", "p.json", "-n").out
    in_shell(shell, "fib run p.json | true", 0)


def test_closed_streams_are_not_taken_for_results(cached):
    in_shell(cached, "fib run p.json --cache closed <&- >&- 2>&-", 0)
    assert cached.artefacts("closed") == cached.artefacts()


def test_what_a_terminal_cannot_show_is_escaped(shell, otsu):
    shell.environment["PYTHONIOENCODING"] = "ascii"
    otsu["steps"][0]["params"]["shape"] = "µ"
    assert r"\xb5" in shell("check", shell.write("p.json", otsu), code=2).err


def test_columns_is_honoured_and_no_number_is_broken(shell, otsu):
    score = otsu["steps"][3]
    otsu["steps"] += [{**score, "id": f"score_again_{i}"} for i in range(4)]
    file = shell.write("p.json", otsu)
    wide = shell("run", file).out
    figures = [line.split() for line in wide.splitlines() if line.startswith("mp_percent")]
    assert len(figures) == 1
    shell.environment["COLUMNS"] = "80"
    narrow = shell("run", file).out
    lines = [line for line in narrow.splitlines() if not line.startswith(("results", "report"))]
    assert max(map(len, lines)) <= 80
    found = [line.split() for line in lines if line.startswith("mp_percent")]
    assert [word for line in found for word in line[1:]] == figures[0][1:]
    del shell.environment["COLUMNS"]
    assert shell("run", file).out.count("mp_percent") == len(found)


def test_a_warning_stands_there_once_whichever_steps_it_is_about(shell, otsu):
    sem = otsu["steps"][1]
    otsu["steps"].insert(2, {**sem, "id": "sem_2", "params": {**sem["params"], "slices": 3}})
    physics = {"id": "law", "run": "physics/hunger_kuchler"}
    otsu["steps"].insert(1, physics)
    for step in otsu["steps"][2:4]:
        step["inputs"] = {**step["inputs"], "physics": "law"}
    err = shell("run", shell.write("p.json", otsu)).err
    assert err.count("is an extrapolation") == 1
    assert "one more warning like those above, with other numbers" in err  # of another energy


def test_standard_streams_that_were_closed_stay_out_of_files(tmp_path):
    code = (
        "import os, sys\n"
        "os.close(1); os.close(2)\n"
        "from fibcore.cli.terminal import prepare\n"
        "prepare()\n"
        "file = open(sys.argv[1], 'w')\n"
        "assert file.fileno() > 2\n"
        "os.write(1, b'noise')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "result")], check=True)
    assert (tmp_path / "result").read_bytes() == b""
    assert os.path.exists(tmp_path / "result")
