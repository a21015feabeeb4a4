from __future__ import annotations

import json

import pytest


@pytest.fixture
def small(shell, otsu):
    """A pipeline with two simulators, and a file of settings."""
    other = {**otsu["steps"][1], "id": "sem_low"}
    otsu["steps"].insert(2, other)
    shell.write("p.json", otsu)
    entries = {"gold.shape": [24, 32, 32], "*.energies_kev": [1], "seed": 5, "gan.epochs": 2}
    return shell.write("small.json", {"description": "quick", **entries})


REMARK = "settings small.json: 1 of 3 entries concerns no step of this pipeline: gan.epochs\n"


def test_a_run_with_settings_shows_them_and_can_be_repeated_from_what_it_leaves(shell, small):
    done = shell("run", "p.json", "--settings", small, "--set", "*_low.slices=4")
    assert done.err == REMARK
    (folder,) = (shell.folder / "runs" / "otsu").iterdir()
    resolved = json.loads((folder / "resolved.json").read_text())
    gold, sem, low, *_ = resolved["steps"]
    assert resolved["seed"] == 5
    assert gold["params"]["shape"] == [24, 32, 32]
    assert sem["params"]["energies_kev"] == low["params"]["energies_kev"] == [1.0]
    assert (sem["params"]["slices"], low["params"]["slices"]) == (6, 4)
    command = json.loads((folder / "provenance.json").read_text())["command"]
    assert command[2:] == ["p.json", "--settings", "small.json", "--set", "*_low.slices=4"]
    assert "--settings small.json" in (folder / "report.html").read_text()
    (shell.folder / small).unlink()
    again = shell("run", str(folder / "pipeline.json"), "--dry-run")
    assert "0 of 5 steps would run" in again.out
    assert again.err == ""


def test_what_the_command_line_sets_wins_over_files_and_later_files_over_earlier(shell, small):
    mid = shell.write("mid.json", {"gold.shape": [16, 36, 36], "gold.waves": 100})
    last = ("--set", "gold.waves=50", "--seed", "9")
    shell("run", "p.json", "--settings", small, "--settings", mid, *last, "--to", "gold")
    (file,) = shell.folder.glob("runs/*/*/resolved.json")
    resolved = json.loads(file.read_text())
    gold = resolved["steps"][0]["params"]
    assert (gold["shape"], gold["waves"], resolved["seed"]) == ([16, 36, 36], 50, 9)


def test_check_takes_settings_and_says_where_a_wrong_value_was_set(shell, small):
    assert "no problems" in shell("check", "p.json", "--settings", small).out
    wrong = shell.write("wrong.json", {"sem.slises": 3})
    said = shell("check", "p.json", "--settings", wrong, code=2).err
    assert "steps[1].params.slises (settings wrong.json, line 2): unknown name" in said
    assert "Did you mean 'slices'" in said


@pytest.mark.parametrize("command", ["run", "check"])
def test_settings_that_cannot_be_used_end_with_code_2_before_anything_runs(shell, small, command):
    def refused(*options):
        return shell(command, "p.json", *options, code=2).err

    (shell.folder / "no.json").write_text('{\n "gold.shape": [24, 32, 32\n}')
    assert "settings no.json: 1 problem" in (said := refused("--settings", "no.json"))
    assert "line 3, file: not valid JSON" in said
    assert "Did you mean 'small.json'" in refused("--settings", "smal.json")
    shell.write("near.json", {"sem*.slises": 3})
    said = refused("--settings", "near.json")
    assert "line 2, sem*.slises: none of the steps that match 'sem*' (sem, sem_low)" in said
    assert "Did you mean 'slices'" in said
    assert "no step matches 'zem_*'" in refused("--set", "zem_*.slices=3")
    assert "Did you mean 'slices'" in refused("--set", "sem*.slises=3")
    assert not (shell.folder / "runs").exists()
