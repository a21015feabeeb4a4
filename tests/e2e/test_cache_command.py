from __future__ import annotations

import json
import shutil


def test_list_shows_what_the_cache_holds(cached):
    out = cached("cache", "list").out
    assert "generator/leveled_wave" in out
    assert out.splitlines()[-1].startswith("4 steps (")
    told = json.loads(cached("cache", "list", "--json").out)
    assert {item["plugin"] for item in told} >= {"metric/overlap", "segmenter/threshold"}
    assert all(item["finished"] and len(item["runs"]) == 1 for item in told)


def test_verify_names_what_has_changed_and_ends_with_code_1(cached):
    assert "all as they were written" in cached("cache", "verify").out
    file = next(cached.folder.glob(".fib-cache/*/images.tif"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    out = cached("cache", "verify", code=1).out
    assert "images.tif holds other bytes than were written" in out
    assert "1 of 4 finished steps are damaged" in out
    told = json.loads(cached("cache", "verify", "--json", code=1).out)
    assert sum(bool(item["problem"]) for item in told) == 1
    said = cached("run", "p.json").err
    assert "sem: its result in the cache was damaged (images.tif" in said
    cached("cache", "verify")


def test_prune_says_what_would_go_and_removes_it(cached):
    said = cached("cache", "prune", code=2).err
    assert "--older-than" in said
    assert "removed 0 steps" in cached("cache", "prune", "--unused").out
    shutil.rmtree(cached.folder / "runs")
    assert "4 steps" in cached("cache", "prune", "--unused", "--dry-run").out
    assert len(list(cached.folder.glob(".fib-cache/*/step.json"))) == 4
    assert "removed 4 steps" in cached("cache", "prune", "--unused").out
    assert not list(cached.folder.glob(".fib-cache/*/step.json"))


def test_prune_by_age_and_by_size(cached):
    assert "removed 0 steps" in cached("cache", "prune", "--older-than", "1h").out
    assert "removed 0 steps" in cached("cache", "prune", "--to-size", "1GB").out
    assert "removed 4 steps" in cached("cache", "prune", "--to-size", "0").out
    for option, value in (("--older-than", "soon"), ("--to-size", "-3"), ("--to-size", "many")):
        assert f"{option} {value}: write" in cached("cache", "prune", option, value, code=2).err


def test_a_cache_that_is_not_there_is_one_message(shell):
    for command in ("list", "verify"):
        assert "there is no cache" in shell("cache", command, code=2).err
    assert list(shell.folder.iterdir()) == []
