"""Records of a run that are not what fib writes: one message, or said in their place."""

from __future__ import annotations

import json
import shutil

import pytest

from fib_plugins.report import write_report
from fib_plugins.report.collect import collect
from fibcore.errors import UsageError


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished toy run."""
    from tests.conftest import Workbench, toy_steps

    return Workbench(tmp_path_factory.mktemp("records")).run(toy_steps()).folder


@pytest.fixture
def run(finished, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(finished, tmp_path / "run")


def change(path, place, value):
    content = json.loads(path.read_text())
    *way, last = place
    target = content
    for key in way:
        target = target[key]
    target[last] = value
    path.write_text(json.dumps(content))


WRONG = {
    "resolved.json": [
        (("name",), 3), (("steps",), {}), (("steps",), [3]), (("steps", 0, "id"), None),
        (("steps", 0, "folder"), "../../../etc"), (("steps", 0, "folder"), "/etc"),
        (("steps", 0, "params"), []), (("steps", 1, "inputs"), []),
        (("steps", 1, "inputs", "labels"), "gold"), (("steps", 1, "inputs", "labels"), [{}]),
        (("steps", 1, "inputs", "labels", 0, "z"), [0.5]), (("steps", 3, "model"), "level"),
        (("steps", 1, "inputs", "labels", 0, "kv"), "all"), (("steps", 0, "verb"), 1),
    ],
    "provenance.json": [
        (("status",), []), (("command",), "fib run"), (("git",), "abc"), (("packages",), []),
        (("warnings",), "none"), (("warnings",), [{}]), (("steps",), {}), (("steps",), [[]]),
        (("steps", 0, "outcome"), 5), (("steps", 0, "seconds"), "long"),
        (("steps", 0, "error"), {}), (("steps", 0, "computed"), "before"),
        (("steps", 0, "files"), "a.tif"), (("steps", 0, "peak_memory_bytes"), "much"),
        (("started",), 5), (("seed",), "seven"), (("plugins",), {"a": 1}),
    ],
    "pipeline.json": [
        (("steps",), 3), (("steps", 0), "gold"), (("steps", 0, "params"), [1]),
        (("steps", 0, "note"), {}),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [(name, place, value) for name, changes in WRONG.items() for place, value in changes],
)
def test_a_record_of_another_shape_is_one_message(run, name, place, value):
    change(run / name, place, value)
    with pytest.raises(UsageError, match=rf"{name} is not what this version of fib writes") as got:
        write_report(run)
    assert got.value.exit_code == 2
    assert len(str(got.value)) < 600
    with pytest.raises(UsageError):
        collect(run)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": NaN}', "\0" * 50])
@pytest.mark.parametrize("name", ["provenance.json", "pipeline.json"])
def test_a_damaged_record_is_reported_in_its_place(run, name, text):
    (run / name).write_text(text)
    page = write_report(run).read_text(encoding="utf-8")
    assert f"{name} cannot be read" in page


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000])
def test_without_its_plan_a_folder_is_no_run(run, text):
    (run / "resolved.json").write_text(text)
    with pytest.raises(UsageError, match=r"resolved\.json"):
        write_report(run)


def test_results_that_were_altered_are_shown_and_marked(run):
    table = run / "05-score" / "table.csv"
    table.write_text(table.read_text().replace("wrong_percent", "right_percent"))
    page = write_report(run).read_text(encoding="utf-8")
    assert "right_percent" in page
    assert "table is not what the run has made" in page
    assert "labels is not what the run has made" not in page


def test_a_planted_link_beside_the_report_is_not_written_through(run, tmp_path):
    (tmp_path / "precious").write_text("keep me")
    (run / "report.html").unlink(missing_ok=True)
    (run / "report.html").symlink_to(tmp_path / "precious")
    write_report(run)
    assert (tmp_path / "precious").read_text() == "keep me"
    assert "<!doctype html>" in (run / "report.html").read_text()


def test_text_of_a_plugin_never_reaches_the_page_raw(run):
    change(run / "provenance.json", ("warnings",), ["\x1b[31m\u202e\ud800" + "x" * 60_000])
    change(run / "provenance.json", ("steps", 0, "error"), "<b>\x00\x07")
    page = write_report(run).read_text(encoding="utf-8")
    assert not any(character in page for character in "\x1b\u202e\x00\x07")
    assert r"\x1b[31m\u202e\ud800xxx" in page
    assert "x" * 1000 not in page
