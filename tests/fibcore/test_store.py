"""Finished steps on disk: nothing is done through links, nothing altered is taken as it is."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from fibcore import Table, hookimpl
from fibcore.errors import UsageError
from fibcore.events import RunWarned, StepStarted
from fibcore.files import LinkError
from fibcore.pipeline import StepError, check_pipeline
from fibcore.pipeline.status import statuses
from fibcore.pipeline.store import Store


def provenance(result):
    return json.loads((result.folder / "provenance.json").read_text())


def entry_of(result, step):
    return (result.folder / step).resolve()


@pytest.fixture
def precious(tmp_path):
    """A folder of somebody else's that nothing may happen to."""
    folder = tmp_path / "precious"
    (folder / "inner").mkdir(parents=True)
    for name in ("labels.tif", "step.json", "inner/a", "checkpoint.pt"):
        (folder / name).write_text("keep me")
    before = {path: path.stat() for path in folder.rglob("*")}
    yield folder
    after = {path: path.stat() for path in folder.rglob("*")}
    assert {p: (s.st_size, s.st_mtime_ns) for p, s in after.items()} == {
        p: (s.st_size, s.st_mtime_ns) for p, s in before.items()
    }
    assert all((folder / name).read_text() == "keep me" for name in ("labels.tif", "inner/a"))


# -- links -----------------------------------------------------------------------------------


def plant(kind, bench, plan, precious):
    cache, key = bench.folder / "cache", plan.steps[0].key
    places = {
        "finished step": cache / key,
        "unfinished step": cache / f"{key}.partial",
        "scratch": cache / f"{key}.partial" / "scratch",
        "locks": cache / "locks",
        "run folder": bench.folder / "runs" / "toy",
    }
    files = {
        "lock": cache / "locks" / f"{key}.lock",
        "checkpoint": cache / f"{key}.partial" / "scratch" / "checkpoint.pt",
        "left-over result": cache / f"{key}.partial" / "labels.tif",
        "note of runs": cache / "locks" / "runs.jsonl",
    }
    place = (places | files)[kind]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(precious / "labels.tif" if kind in files else precious)
    return place


@pytest.mark.parametrize(
    "kind",
    [
        "finished step", "unfinished step", "scratch", "locks", "run folder", "lock", "checkpoint",
        "left-over result", "note of runs",
    ],
)  # fmt: skip
def test_planted_links_are_refused_in_one_message_and_nothing_is_done(
    bench, steps, calls, precious, kind
):
    place = plant(kind, bench, bench.plan(steps), precious)
    with pytest.raises(UsageError, match=r"is a link to .*remove it") as caught:
        bench.run(steps)
    assert str(place) in str(caught.value)
    assert caught.value.exit_code == 2
    assert calls == []
    assert place.is_symlink()


def test_a_hard_link_among_what_would_be_written_is_refused(bench, steps, calls, precious):
    key = bench.plan(steps).steps[0].key
    scratch = bench.folder / "cache" / f"{key}.partial" / "scratch"
    scratch.mkdir(parents=True)
    (scratch / "checkpoint.pt").hardlink_to(precious / "checkpoint.pt")
    with pytest.raises(LinkError, match="with another name"):
        bench.run(steps)
    assert calls == []


def test_a_file_in_the_place_of_a_folder_is_refused(bench, steps, calls):
    key = bench.plan(steps).steps[0].key
    (bench.folder / "cache").mkdir()
    (bench.folder / "cache" / key).write_text("in the way")
    with pytest.raises(LinkError, match="is a file in place of a folder"):
        bench.run(steps)
    assert calls == []


def test_the_cache_and_the_folder_of_runs_themselves_may_be_links(bench, steps, tmp_path):
    for name in ("cache", "runs"):
        (tmp_path / f"other {name}").mkdir()
        (tmp_path / name).symlink_to(f"other {name}")
    result = bench.run(steps)
    assert (result.folder / "01-gold" / "labels.tif").is_file()
    assert bench.run(steps)["score"]["wrong_percent"][0] < 1


def test_a_link_to_a_folder_in_an_unfinished_step_is_not_emptied(bench, steps, precious):
    key = bench.plan(steps).steps[0].key
    partial = bench.folder / "cache" / f"{key}.partial"
    partial.mkdir(parents=True)
    (partial / "inner").symlink_to(precious)
    with pytest.raises(LinkError):
        bench.run(steps)


# -- altered bytes ---------------------------------------------------------------------------


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def replace(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    os.remove(path)
    path.write_bytes(bytes(data))


def with_old_times(path):
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [flip, replace, with_old_times])
@pytest.mark.parametrize(
    ("file", "again"),
    [
        ("01-gold/labels.tif", ["generate"]),
        ("02-sem/images.tif", ["simulate"]),
        ("02-sem/clean.tif", ["simulate"]),
        ("03-level/model.json", ["round 0", "round 1", "round 2"]),
        ("03-level/model.safetensors", ["round 0", "round 1", "round 2"]),
        ("05-score/table.csv", ["measure"]),
    ],
)
def test_altered_bytes_are_computed_again_and_the_user_learns_of_it(
    bench, steps, calls, file, again, change
):
    first = bench.run(steps)
    path = (first.folder / file).resolve()
    before = path.read_bytes()
    change(path)
    calls.clear()
    second = bench.run(steps)
    assert calls == again
    assert path.read_bytes() == before
    (warning,) = [text for text in provenance(second)["warnings"] if "damaged" in text]
    step = file.split("/")[0][3:]
    assert warning.startswith(f"{step}: its result in the cache was damaged")
    assert path.name in warning
    calls.clear()
    assert "warnings" in provenance(bench.run(steps))
    assert calls == []


def test_a_dry_run_shows_what_is_damaged(bench, steps, tmp_path):
    result = bench.run(steps)
    flip((result.folder / "02-sem" / "images.tif").resolve())
    plan = bench.plan(steps)
    found = {item.step.id: item for item in statuses(plan, Store(tmp_path / "cache"))}
    assert found["sem"].action == "run"
    assert found["sem"].reason.startswith("damaged: images.tif holds other bytes")
    assert found["gold"].action == "reuse"


def test_hashes_are_taken_once_and_not_again_while_nothing_has_changed(
    bench, steps, tmp_path, monkeypatch
):
    bench.run(steps)
    hashed = []
    from fibcore.pipeline import verification

    original = verification.hash_files
    monkeypatch.setattr(
        verification, "hash_files", lambda paths: original(hashed.append(p) or p for p in paths)
    )
    bench.run(steps)
    assert hashed == []
    shutil.copytree(tmp_path / "cache", tmp_path / "copy")  # other times, other inodes
    bench.run(steps, cache=tmp_path / "copy")
    assert len(hashed) > 5
    hashed.clear()
    bench.run(steps, cache=tmp_path / "copy")
    assert hashed == []


@pytest.mark.parametrize("text", ["", "{", "\0" * 100, "[" * 100_000, '{"key": "\\ud800"', "NaN"])
def test_a_damaged_record_of_a_step_is_a_damaged_step(bench, steps, calls, text):
    record = entry_of(bench.run(steps), "01-gold") / "step.json"
    record.write_text(text)
    calls.clear()
    again = bench.run(steps)
    assert calls == ["generate"]
    assert any("step.json" in warning for warning in provenance(again)["warnings"])


def shapes(record):
    yield []
    yield 3
    yield {}
    yield {**record, "artefacts": []}
    yield {**record, "artefacts": {"labels": None}}
    yield {**record, "artefacts": {"labels": {"type": "Labels", "files": [], "sha256": ""}}}
    yield {**record, "artefacts": {"../labels": record["artefacts"]["labels"]}}
    labels = record["artefacts"]["labels"]
    yield {**record, "artefacts": {"labels": {**labels, "files": {"../../secret": 1}}}}
    yield {**record, "artefacts": {"labels": {**labels, "files": {"other.tif": 1}}}}
    yield {**record, "artefacts": {"labels": {**labels, "files": {"labels.tif": -1}}}}
    yield {**record, "artefacts": {"labels": {**labels, "sha256": 5}}}
    yield {**record, "read": ["a"]}
    yield {**record, "warnings": "all is well"}
    yield {**record, "warnings": [{}]}
    yield {**record, "seen": [1]}
    yield {**record, "seconds": "long"}


@pytest.mark.parametrize("number", range(16))
def test_a_record_of_another_shape_is_one_message(bench, steps, calls, number):
    record = entry_of(bench.run(steps), "01-gold") / "step.json"
    shape = list(shapes(json.loads(record.read_text())))[number]
    record.write_text(json.dumps(shape))
    calls.clear()
    with pytest.raises(UsageError, match=r"step\.json is not what this version of fib writes"):
        bench.run(steps)
    assert calls == []


def edits(record):
    images = record["artefacts"]["images"]
    yield {**record, "artefacts": {}}
    yield {**record, "artefacts": {"images": {**images, "type": "Labels"}}}
    yield {**record, "artefacts": {"images": {**images, "sha256": "0" * 64}}}
    yield {**record, "read": dict.fromkeys(record["read"], "0" * 64)}
    yield {**record, "warnings": ["look elsewhere"]}
    yield {**record, "seconds": -1e300}
    yield {**record, "key_parts": {"plugin": {"a": 1}}}


@pytest.mark.parametrize("number", range(7))
def test_a_record_that_was_edited_is_damaged(bench, steps, calls, number):
    record = entry_of(bench.run(steps), "02-sem") / "step.json"
    before = json.loads(record.read_text())
    record.write_text(json.dumps(list(edits(before))[number]))
    calls.clear()
    again = bench.run(steps)
    assert calls == ["simulate"]
    assert any("step.json has changed since" in w for w in provenance(again)["warnings"])
    assert json.loads(record.read_text())["artefacts"] == before["artefacts"]


def test_a_result_of_another_type_than_the_plugin_makes_now_is_computed_again(bench, steps, calls):
    record = entry_of(bench.run(steps), "02-sem") / "step.json"
    content = json.loads(record.read_text())
    del content["artefacts"]["images"], content["sha256"]
    record.write_text(json.dumps(content))
    calls.clear()
    bench.run(steps)
    assert calls == ["simulate"]


def test_the_result_of_another_step_is_not_taken_for_this_one(bench, steps, calls, tmp_path):
    result = bench.run(steps)
    gold = entry_of(result, "01-gold")
    plan = bench.plan([{**steps[0], "params": {"block": 2}}, *steps[1:]])
    shutil.copytree(gold, tmp_path / "cache" / plan.steps[0].key)
    calls.clear()
    bench.run([{**steps[0], "params": {"block": 2}}, *steps[1:]])
    assert calls[0] == "generate"


def test_what_changes_while_a_run_goes_on_is_not_read(bench, steps, tmp_path):
    class Meddles:
        @hookimpl
        def fib_run_event(self, event):
            if isinstance(event, StepStarted) and event.step == "sem":
                flip(next((event.run / "01-gold").resolve().glob("*.tif")))

    with pytest.raises(StepError, match=r"labels\.tif holds other bytes .* while it was in use"):
        bench.run(steps, observers=[Meddles()])
    assert bench.run(steps)["score"]["wrong_percent"][0] < 1


def test_a_result_asked_for_later_is_still_the_one_that_was_made(bench, steps):
    result = bench.run(steps)
    flip(entry_of(result, "05-score") / "table.csv")
    with pytest.raises(Exception, match=r"table\.csv holds other bytes"):
        result["score"]


def test_warnings_about_the_cache_reach_observers(bench, steps):
    result = bench.run(steps)
    flip(entry_of(result, "01-gold") / "labels.tif")
    heard = []

    class Listens:
        @hookimpl
        def fib_run_event(self, event):
            heard.append(event)

    bench.run(steps, observers=[Listens()])
    (warned,) = [event for event in heard if isinstance(event, RunWarned)]
    assert "gold" in warned.message


# -- on the disk -----------------------------------------------------------------------------


def test_everything_is_on_the_disk_before_it_takes_its_name(tmp_path, monkeypatch):
    done = []
    real = os.fsync

    def note(descriptor):
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    rename = type(tmp_path).rename

    def note_rename(self, target):
        done.append(f"rename {self.name}")
        return rename(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", note_rename)
    store = Store(tmp_path / "cache")
    store.commit("a" * 64, {"table": Table({"x": [1.0]})}, {})
    at = done.index(f"rename {'a' * 64}.partial")
    before = "\n".join(done[:at])
    assert "table.csv" in before
    assert ".part" in before  # step.json, which is renamed when it is whole
    assert before.endswith(f"{'a' * 64}.partial")
    assert done[at + 1].endswith("cache")


def test_a_cache_of_before_without_times_is_verified_once(bench, steps, calls):
    record = entry_of(bench.run(steps), "01-gold") / "step.json"
    content = json.loads(record.read_text())
    del content["seen"], content["sha256"]
    record.write_text(json.dumps(content))
    calls.clear()
    bench.run(steps)
    assert calls == []
    assert json.loads(record.read_text())["seen"]


def test_a_pipeline_that_was_checked_names_links_only_where_it_works(bench, steps, precious):
    plan = check_pipeline({"version": 1, "name": "toy", "steps": steps}, base=bench.folder)
    store = Store(bench.folder / "cache")
    (store.root / plan.steps[4].key).symlink_to(precious)
    found = statuses(plan, store, stop="solid")
    assert [item.action for item in found] == ["run"] * 4 + ["leave"]
