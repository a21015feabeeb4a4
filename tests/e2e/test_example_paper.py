"""The pipelines of the paper's study: sound in every size, and run as a whole in the smallest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from benchmarks.study import published
from benchmarks.study.simulations import SIMULATIONS
from fib_plugins.commands.overrides import override
from fibcore.pipeline import check_pipeline

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "examples" / "paper"
SETTINGS = ("smoke.json", "paper.json", "1kV.json", "4kV.json")
PIPELINES = sorted(path.name for path in PAPER.glob("*.json") if path.name not in SETTINGS)
STUDIES = (("study", "page.md", 7), ("simulations", "simulation_page.md", 3))
"""Part of the study, text of its page, and number of figures."""


def document(name):
    return json.loads((PAPER / name).read_text())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        (name, settings)
        for name in PIPELINES
        for settings in (None, *SETTINGS)
        # voltages.json images all voltages at a time
        if name != "voltages.json" or not str(settings).endswith("kV.json")
    ],
)
def test_every_pipeline_is_sound_in_every_size_and_at_every_voltage(name, settings):
    files = [] if settings is None else [PAPER / settings]
    given = override(document(name), base=PAPER, files=files, options=[], seed=None)
    plan = check_pipeline(given.document, base=PAPER)
    assert len(plan.steps) == len(document(name)["steps"])


@pytest.mark.parametrize("settings", SETTINGS)
def test_every_entry_of_the_settings_concerns_a_step_of_some_pipeline(settings):
    steps = {step["id"] for name in PIPELINES for step in document(name)["steps"]}
    for entry in document(settings).keys() - {"description"}:
        pattern = entry.partition(".")[0]
        assert any(fnmatchcase(step, pattern) for step in steps), entry


def test_steps_of_one_name_are_the_same_in_all_pipelines():
    """What pipelines share is computed once; `voltages` images all voltages at a time."""
    found = {}
    for name in set(PIPELINES) - {"voltages.json"}:
        for step in document(name)["steps"]:
            own = {key: value for key, value in step.items() if key not in ("id", "note")}
            if step["id"].endswith("_disagreement"):
                continue  # is with the other methods of its own pipeline
            assert found.setdefault(step["id"], own) == own, step["id"]


def test_the_share_of_solid_follows_from_the_papers_three_figures():
    solid, missed, invented = 300, 12, 30  # of a thousand voxels
    mp, mgp = 100 * (missed + invented) / 1000, 100 * missed / solid
    dice_solid = 2 * (solid - missed) / (2 * solid - missed + invented)
    pores = 1000 - solid
    dice_pores = 2 * (pores - invented) / (2 * pores - invented + missed)
    found = published.solid_share(mp, mgp, (dice_solid + dice_pores) / 2)
    assert found == pytest.approx(solid / 1000)


@pytest.mark.long
def test_the_smallest_study_leaves_pages_with_all_tables_and_figures(tmp_path):
    command = [sys.executable, "-m", "benchmarks.study", "--size", "smoke", "--seeds", "1"]
    command += ["--voltages", "2", "--out", str(tmp_path / "study")]
    written = {}
    for part, template, figures in STUDIES:
        page = tmp_path / f"{part}.md"
        done = subprocess.run(
            [*command, part, "--page", str(page)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        text = written[part] = page.read_text()
        for heading in re.findall(
            "^## .*$", (ROOT / "benchmarks/study" / template).read_text(), re.M
        ):
            assert heading in text
        assert "nan" not in text
        assert not re.search(r"\{\w+\}", text)
        drawn = re.findall(rf"\]\(({part}/\w+\.png)\)", text)
        assert len(drawn) == len(set(drawn)) == figures
        assert all((tmp_path / figure).stat().st_size > 10_000 for figure in drawn)
    assert "| reprojection |" in written["study"]
    assert written["study"].count("| the truth itself |") == 2  # typical and bad twin
    for simulation in SIMULATIONS:  # in each of the tables
        assert written["simulations"].count(f"| 2 kV, {simulation.words} |") == 6, simulation.words
