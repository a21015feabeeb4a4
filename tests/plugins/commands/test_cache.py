"""What a cache holds, whether it is sound, and what of it may go."""

from __future__ import annotations

import os
import shutil
import time

import pytest

from fib_plugins.commands.kept import Cache, Kept, superfluous
from fibcore.errors import UsageError
from fibcore.pipeline.store import Store


@pytest.fixture
def cache(bench, steps):
    """The cache of one finished run."""
    bench.run(steps)
    return Cache(bench.folder / "cache")


def item(key, used, nbytes=100, runs=()):
    return Kept(key, None, "a/b", True, nbytes, used, tuple(runs))  # type: ignore[arg-type]


def test_everything_is_listed_with_its_size_and_who_has_it(bench, steps, cache):
    found = cache.kept()
    plugins = [item.plugin for item in found]
    assert plugins[0] == "generator/toy_blocks"
    assert len(found) == 5
    assert all(item.finished and item.nbytes > 0 and len(item.runs) == 1 for item in found)
    bench.run(steps[:2])
    counts = {item.plugin: len(item.runs) for item in cache.kept()}
    assert counts["generator/toy_blocks"] == 2
    assert counts["metric/toy_score"] == 1


def test_what_was_used_last_comes_last(bench, steps, cache):
    long_ago = time.time() - 1e6
    for entry in cache.kept():
        os.utime(entry.folder / "step.json", (long_ago, long_ago))
    bench.run(steps[:1])
    assert cache.kept()[-1].plugin == "generator/toy_blocks"
    old = superfluous(cache.kept(), older_than_s=5e5)
    assert len(old) == 4
    assert all(item.plugin != "generator/toy_blocks" for item in old)


def test_a_run_that_is_deleted_or_moved_away_uses_nothing_any_more(bench, steps, cache):
    assert superfluous(cache.kept(), unused=True) == []
    shutil.rmtree(bench.folder / "runs")
    assert len(superfluous(cache.kept(), unused=True)) == 5


def test_cache_and_runs_may_be_moved_together(bench, steps, tmp_path):
    bench.run(steps)
    (tmp_path / "project").mkdir()
    for name in ("cache", "runs"):
        (tmp_path / name).rename(tmp_path / "project" / name)
    assert superfluous(Cache(tmp_path / "project" / "cache").kept(), unused=True) == []


def test_runs_of_a_cache_that_knows_none_are_looked_for_in_the_given_folders(bench, steps):
    bench.run(steps)
    (bench.folder / "cache" / "locks" / "runs.jsonl").unlink()
    assert len(superfluous(Cache(bench.folder / "cache").kept(), unused=True)) == 5
    known = Cache(bench.folder / "cache", [bench.folder / "runs"])
    assert superfluous(known.kept(), unused=True) == []


def test_an_unfinished_step_belongs_to_the_run_that_left_it(bench, steps):
    steps[2]["params"] = {"rounds": 4}
    key = bench.plan(steps).steps[2].key
    bench.run(steps)
    (bench.folder / "cache" / key).rename(bench.folder / "cache" / f"{key}.partial")
    (unfinished,) = [i for i in Cache(bench.folder / "cache").kept() if not i.finished]
    assert len(unfinished.runs) == 1


def test_the_oldest_go_until_the_rest_is_small_enough():
    kept = [item("a", 1), item("b", 2, runs=["run"]), item("c", 3), item("d", 4)]
    assert [i.key for i in superfluous(kept, to_bytes=400)] == []
    assert [i.key for i in superfluous(kept, to_bytes=399)] == ["a"]
    assert [i.key for i in superfluous(kept, to_bytes=250)] == ["a", "b"]
    assert [i.key for i in superfluous(kept, to_bytes=250, unused=True)] == ["a", "c"]
    assert [i.key for i in superfluous(kept, to_bytes=0, unused=True)] == ["a", "c", "d"]
    assert [i.key for i in superfluous(kept, older_than_s=7, now=10.0)] == ["a", "b"]


def test_what_is_removed_is_gone_and_computed_again(bench, steps, calls, cache):
    removed, left = cache.prune(cache.kept()[:2])
    assert (len(removed), left) == (2, [])
    assert not any(item.folder.exists() for item in removed)
    assert [p.name for p in cache.store.root.iterdir() if p.name.startswith(".")] == []
    calls.clear()
    bench.run(steps)
    assert calls == ["generate", "simulate"]


def test_what_a_run_is_at_work_with_stays(bench, steps, cache):
    other = Store(bench.folder / "cache")
    kept = cache.kept()
    with other.lock(kept[0].key, lambda: None):
        removed, left = cache.prune(kept[:2])
    assert [item.key for item in left] == [kept[0].key]
    assert [item.key for item in removed] == [kept[1].key]


def test_what_a_run_at_work_has_yet_to_read_stays(bench, steps, cache):
    (run,) = (bench.folder / "runs" / "toy").iterdir()
    with Store(bench.folder / "cache").run_at_work(run):
        removed, left = cache.prune(cache.kept())
    assert removed == []
    assert len(left) == 5
    removed, left = cache.prune(cache.kept())
    assert len(removed) == 5


def test_a_link_in_the_cache_is_not_followed(bench, steps, cache, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "a").write_text("keep me")
    (cache.store.root / ("0" * 64)).symlink_to(tmp_path / "precious")
    with pytest.raises(UsageError, match="is a link"):
        cache.kept()
    assert (tmp_path / "precious" / "a").read_text() == "keep me"


def test_damage_is_found_even_if_the_status_of_files_is_unchanged(cache):
    assert all(problem == "" for _, problem in cache.damaged())
    target = cache.kept()[1].folder / "images.tif"
    before = target.stat()
    data = bytearray(target.read_bytes())
    data[-1] ^= 1
    target.write_bytes(bytes(data))
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    (cache.kept()[0].folder / "labels.tif").unlink()
    problems = [problem for _, problem in cache.damaged() if problem]
    assert len(problems) == 2
    assert any("images.tif holds other bytes" in text for text in problems)
    assert any("labels.tif cannot be read" in text for text in problems)


def test_a_cache_that_is_not_there_is_reported_and_not_made(tmp_path):
    with pytest.raises(UsageError, match="there is no cache"):
        Cache(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "lines",
    [
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'"a\\u0000b"',
        b'"%b"' % (b"a" * 5000),
        b'"\\ud800"',
        b"{}",
        b"1",
    ],
)
def test_lines_that_note_no_run_are_passed_over(bench, cache, lines):
    note = bench.folder / "cache" / "locks" / "runs.jsonl"
    note.write_bytes(lines + b"\n" + note.read_bytes())
    assert superfluous(cache.kept(), unused=True) == []


def test_a_list_of_runs_that_fib_cannot_have_written_is_refused(bench, cache):
    os.truncate(bench.folder / "cache" / "locks" / "runs.jsonl", 10**11)
    with pytest.raises(UsageError, match="list of runs"):
        cache.kept()


def test_a_folder_of_something_else_is_no_cache(tmp_path):
    (tmp_path / ("0" * 64)).mkdir()
    with pytest.raises(UsageError, match="not a cache of fib"):
        Cache(tmp_path)
