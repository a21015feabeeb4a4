"""What is kept of results, and the page that is made of them."""

from __future__ import annotations

import json

import pytest

from benchmarks.gpu.parts import STEPS, TARGETS, WHOLE
from benchmarks.gpu.record import Record
from benchmarks.gpu.result import Result, number


@pytest.fixture
def record(tmp_path):
    """A record of a run in earnest."""
    return Record(tmp_path, "1.2", "0123456789abcdef", dry=False)


def add(record, part, result):
    record.add(part, {"result": result.to_json()})


def test_both_files_are_whole_after_every_single_result(record, tmp_path):
    record.begin("translator", 60.0)
    for batch in (1, 4):
        add(record, "translator", Result(STEPS.format(batch), "steps/s", 60.0 / batch, 3.0))
        content = json.loads((tmp_path / "gpu.json").read_text())
        assert content["parts"]["translator"]["results"][-1]["name"] == STEPS.format(batch)
        assert STEPS.format(batch) in (tmp_path / "gpu.md").read_text()
        assert content["parts"]["translator"]["status"] == "at work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gpu.json", "gpu.md"]


def test_targets_are_reached_missed_or_not_measured(record, tmp_path):
    record.begin("monte_carlo", 60.0)
    add(record, "monte_carlo", Result(WHOLE, "s", 299.0, note="extrapolated from 100 slices"))
    record.begin("translator", 60.0)
    add(record, "translator", Result(STEPS.format(1), "steps/s", 49.0, 2.0))
    by_words = {found["words"]: found for found in record.content()["targets"]}
    assert [found["met"] for found in by_words.values()] == [None, True, None, False, None]
    page = (tmp_path / "gpu.md").read_text()
    assert f"| {TARGETS[0].words} | not measured |" in page
    assert f"| {TARGETS[1].words} | 299 s | reached | extrapolated from 100 slices |" in page
    assert f"| {TARGETS[3].words} | 49 steps/s | **missed** |" in page
    assert "fib 1.2, 0123456789ab" in page


def test_a_ratio_says_how_many_times_faster_the_gpu_is():
    assert Result("a rate", "steps/s", 60.0, 3.0).ratio == 20
    assert Result("a time", "s", 3.0, 60.0).ratio == 20
    assert Result("the GPU alone", "s", 3.0).ratio is None
    assert Result("left out").ratio is None


def test_a_page_survives_whatever_a_part_has_printed(record, tmp_path):
    record.begin("unet", 60.0)
    add(record, "unet", Result("a | b", check="line\nline", passed=False))
    record.end("unet", "failed", 2.0, "Why.", ["```", "| x |"])
    page = (tmp_path / "gpu.md").read_text()
    assert page.count("```") == 2
    assert "| a \\| b | **wrong:** line line |" in page


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0.01234, "0.0123"), (16.66, "16.7"), (999.4, "999"), (1234567.8, "1,234,568")],
)
def test_figures_have_three_digits_or_all_before_the_point(value, text):
    assert number(value) == text
