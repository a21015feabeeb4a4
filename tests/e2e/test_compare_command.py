"""`fib compare`: means over seeds, settings side by side."""

from __future__ import annotations

import csv
import re
import statistics

import pytest


def figure(text, name):
    """Return the cells of a line of the printed tables."""
    return re.search(rf"^{name}  +(.+)$", text, re.MULTILINE).group(1).split("  ")


@pytest.fixture
def scores(cached):
    """Return the figures in the CSV that `fib compare` wrote: (seed, method) -> mp_percent."""

    def read(groups):
        with (cached.folder / "figures.csv").open() as file:
            return {
                (row["seed"], groups[row["group"]]): float(row["value"])
                for row in csv.DictReader(file)
                if row["figure"] == "mp_percent"
            }

    return read


def test_seeds_are_averaged_and_settings_stand_side_by_side(cached, scores):
    for seed in ("4", "5"):  # the finished run has seed 3
        cached("run", "p.json", "--seed", seed)
    cached("run", "p.json", "--seed", "4", "--set", "solid.method=yen")
    done = cached("compare", "runs/otsu", "--csv", "figures.csv")
    assert re.search(r'A +3 +3, 4, 5 +solid\.method="otsu"', done.out)
    assert re.search(r'B +1 +4 +solid\.method="yen"', done.out)
    each = scores({"A": "otsu", "B": "yen"})
    assert len(each) == 4
    otsus = [value for (_, method), value in each.items() if method == "otsu"]
    mean, spread = (f(otsus) for f in (statistics.mean, statistics.stdev))
    cells = [cell.strip() for cell in figure(done.out, "mp_percent") if cell.strip()]
    assert cells == [f"{mean:.4g} ± {spread:.2g}", f"{each['4', 'yen']:.4g}"]


def test_a_run_that_was_repeated_counts_once(cached):
    cached("run", "p.json")
    assert len(list((cached.folder / "runs" / "otsu").iterdir())) == 2
    out = cached("compare", "runs/otsu").out
    assert re.search(r"A +1 +3 +otsu", out)
    assert "±" not in out


def test_a_run_that_ended_early_does_not_hide_a_whole_one(shell, otsu):
    again = {"id": "again", "run": "metric/anisotropy", "inputs": {"prediction": "solid"}}
    file = shell.write("p.json", {**otsu, "steps": [*otsu["steps"], again]})
    shell("run", file)
    shell("run", file, "--to", "score")
    out = shell("compare", "runs/otsu").out
    assert "again (metric/anisotropy)" in out
    assert "±" not in out


def test_a_run_without_figures_is_left_out_and_counted(shell, otsu):
    file = shell.write("p.json", otsu)
    shell("run", file, "--to", "solid")
    nothing = shell("compare", "runs/otsu", code=2).err
    assert "no finished metric step" in nothing
    shell("run", file)
    assert "left out: 1 run(s)" in shell("compare", "runs/otsu").out


def test_pipelines_that_share_steps_are_compared_by_what_differs(cached, otsu):
    swapped = {**otsu, "name": "kmeans", "steps": [dict(step) for step in otsu["steps"]]}
    solid = next(step for step in swapped["steps"] if step["id"] == "solid")
    solid["run"] = "segmenter/kmeans"
    solid.pop("params", None)
    cached("run", cached.write("q.json", swapped))
    out = cached("compare", "runs/otsu", "runs/kmeans").out
    assert "solid=segmenter/threshold" in out
    assert "solid=segmenter/kmeans" in out
    assert "solid.method" not in out


def test_what_is_no_run_is_refused(shell):
    assert "is not the folder of a run" in shell("compare", ".", code=2).err


def test_a_folder_is_no_file_for_figures(cached):
    assert "is a directory" in cached("compare", "runs/otsu", "--csv", "runs", code=2).err
