"""Volumes in the store: their format, moves out of scratch, kills, damage, flushing."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.lib.format import open_memmap

from fib_plugins.readers.zarr import levels
from fibcore import Context, FibError, Images, Labels
from fibcore.errors import PipelineError, UsageError
from fibcore.formats import read_volume, write_volume
from fibcore.moves import bring_back, move_out
from fibcore.pipeline.status import check_resources, statuses
from fibcore.pipeline.store import Entry, Store

KEY = "a" * 64
SHAPE = (6, 40, 50)
FORMATS = ("tiff", "zarr")
SUFFIX = {"tiff": ".tif", "zarr": ".ome.zarr"}
HELPERS = Path(__file__).parents[1] / "helpers"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """All results are files, and images have several levels."""
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 0)
    monkeypatch.setattr(levels, "SMALL_ENOUGH", 20)


def scratch_of(store: Store) -> Path:
    return store.work_folder(KEY) / "scratch"


def array_in(scratch: Path, shape: tuple[int, ...] = SHAPE, dtype: str = "uint8") -> np.ndarray:
    array = Context(scratch=scratch).empty("result", shape, dtype)
    array[...] = np.random.default_rng(0).integers(0, 2, shape)
    return array


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != "step.json")
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def voxel_file(entry: Entry) -> Path:
    """Return the file of an artefact that holds its voxels."""
    sizes = {name: size for name, size in entry.manifest["artefacts"]["v"]["files"].items()}
    return entry.folder / max(sizes, key=sizes.__getitem__)


# -- moved, not copied -----------------------------------------------------------------------


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(("channels", "dtype"), [(0, "uint8"), (1, "uint16"), (1, "float32")])
def test_a_result_in_scratch_is_moved_and_equals_one_in_memory(
    tmp_path, large, monkeypatch, format_, channels, dtype
):
    def volume(data):
        return Images(data, (5, 4, 3), kv=(2,)) if channels else Labels(data, (5, 4, 3))

    store = Store(tmp_path / "cache", volumes=format_)
    shape = (*(1,) * channels, *SHAPE)
    array = array_in(scratch_of(store), shape, dtype)
    inode = (scratch_of(store) / "result.npy").stat().st_ino
    before = np.array(array)
    with monkeypatch.context() as patch:
        for module in ("tiff", "zarr"):
            patch.setattr(f"fib_plugins.readers.{module}.write.write_voxels", None)
        entry = store.commit(KEY, {"v": volume(array)}, {})
    assert voxel_file(entry).stat().st_ino == inode
    assert not (entry.folder / "scratch").exists()
    np.testing.assert_array_equal(array, before)  # the map stays valid
    other = Store(tmp_path / "other", volumes=format_)
    in_memory = other.commit(KEY, {"v": volume(before)}, {})
    assert contents(in_memory.folder) == contents(entry.folder)
    assert in_memory.hash_of("v") == entry.hash_of("v")
    back = entry.read("v", type(volume(before)))
    assert isinstance(back.data, np.memmap)
    np.testing.assert_array_equal(back.data, before)
    found = read_volume(entry.folder / f"v{SUFFIX[format_]}")
    np.testing.assert_array_equal(found.data, before)
    assert found.voxel_size_nm == (5, 4, 3)


def test_the_moved_tiff_is_one_for_fiji_too(tmp_path, large):
    store = Store(tmp_path / "cache", volumes="tiff")
    array = array_in(scratch_of(store))
    entry = store.commit(KEY, {"v": Labels(array, (5, 4, 3))}, {})
    with tifffile.TiffFile(entry.folder / "v.tif") as tif:
        assert tif.is_imagej
        assert len(tif.pages) == SHAPE[0]
        content = tif.imagej_metadata
        assert content is not None
        assert (content["unit"], content["spacing"], content["images"]) == ("nm", 5, SHAPE[0])
        for z, page in enumerate(tif.pages):
            assert page.is_contiguous
            np.testing.assert_array_equal(page.asarray(), array[z])
        assert tif.series[0].dataoffset == 128


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("case", ["part", "other folder", "transposed", "read-only", "user's file"])
def test_other_arrays_are_copied_and_left_alone(tmp_path, large, format_, case):
    store = Store(tmp_path / "cache", volumes=format_)
    scratch = scratch_of(store)
    if case == "other folder":
        data = array_in(tmp_path / "own" / "scratch")
    elif case == "user's file":
        (tmp_path / "mine").mkdir()
        data = open_memmap(tmp_path / "mine" / "result.npy", "w+", np.uint8, SHAPE)
        array_in(scratch)[:] = 0  # another file of this name
        data[:] = np.random.default_rng(0).integers(0, 2, SHAPE)
    else:
        data = array_in(scratch)
        data = {"part": data[1:], "transposed": data.swapaxes(1, 2)}.get(case, data)
    if case == "read-only":
        data = np.load(scratch / "result.npy", mmap_mode="r")
    expected = np.array(data)
    entry = store.commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})
    np.testing.assert_array_equal(entry.read("v", Labels).data, expected)
    np.testing.assert_array_equal(data, expected)
    for place in ("own/scratch", "mine"):
        if (tmp_path / place).exists():
            assert (np.load(tmp_path / place / "result.npy") == expected).all()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_that_has_taken_the_name_of_the_result_is_not_moved(tmp_path, large, format_):
    store = Store(tmp_path / "cache", volumes=format_)
    scratch = scratch_of(store)
    data = array_in(scratch)
    (scratch / "result.npy").unlink()
    array_in(scratch)[:] = 1
    expected = np.array(data)
    assert (expected == 0).any()
    entry = store.commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})
    np.testing.assert_array_equal(entry.read("v", Labels).data, expected)


@pytest.mark.parametrize("format_", FORMATS)
def test_two_artefacts_of_one_array(tmp_path, large, format_):
    store = Store(tmp_path / "cache", volumes=format_)
    data = array_in(scratch_of(store))
    both = {"v": Labels(data, (5, 5, 5)), "w": Labels(data, (5, 5, 5))}
    entry = store.commit(KEY, both, {})
    for name in both:
        np.testing.assert_array_equal(entry.read(name, Labels).data, data)
    assert entry.hash_of("v") == entry.hash_of("w")


def test_several_channels_are_moved_as_zarr_and_copied_as_tiff(tmp_path, large):
    expected = None
    for format_ in FORMATS:
        store = Store(tmp_path / format_, volumes=format_)
        data = array_in(scratch_of(store), (2, *SHAPE), "uint16")
        inode = (scratch_of(store) / "result.npy").stat().st_ino
        expected = np.array(data)
        entry = store.commit(KEY, {"v": Images(data, (5, 5, 5), kv=(1, 2))}, {})
        np.testing.assert_array_equal(entry.read("v", Images).data, expected)
        assert (voxel_file(entry).stat().st_ino == inode) == (format_ == "zarr")


def test_a_volume_written_from_python_moves_nothing(tmp_path, large):
    data = array_in(tmp_path / "scratch")
    for name in ("v.tif", "v.ome.zarr"):
        write_volume(Labels(data, (5, 5, 5)), tmp_path / name)
        assert (np.load(tmp_path / "scratch" / "result.npy") == data).all()


@pytest.mark.parametrize("format_", FORMATS)
def test_the_cache_may_be_a_link(tmp_path, large, format_):
    (tmp_path / "there").mkdir()
    (tmp_path / "cache").symlink_to("there")
    store = Store(tmp_path / "cache", volumes=format_)
    data = array_in(scratch_of(store))
    inode = (scratch_of(store) / "result.npy").stat().st_ino
    entry = store.commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})
    assert voxel_file(entry).stat().st_ino == inode


# -- kills, full disks -----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("format_", FORMATS)
def test_a_kill_at_any_operation_leaves_a_whole_step_or_its_scratch(tmp_path, format_):
    done = subprocess.run(
        [sys.executable, str(HELPERS / "killed_commits.py"), str(tmp_path), format_],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(HELPERS)},
    )
    found = json.loads(done.stdout)
    assert len(found) > 15
    assert [item["code"] for item in found] == [9] * (len(found) - 1) + [0]
    assert len({item["hash"] for item in found}) == 1
    assert all(item["left"] == [] for item in found)
    states = [item["state"] for item in found]
    assert states[-1] == "finished"
    assert "damaged" not in states
    assert states.count("gone") <= 3  # between the end of the scratch folder and the new name


@pytest.mark.parametrize("format_", FORMATS)
def test_a_full_disk_leaves_the_file_in_scratch(tmp_path, large, format_):
    store = Store(tmp_path / "cache", volumes=format_)
    data = array_in(scratch_of(store), (20, 200, 200))
    file = scratch_of(store) / "result.npy"
    before = file.read_bytes()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))
    try:
        with pytest.raises(FibError, match="could not be written"):
            store.commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert file.read_bytes() == before
    assert os.listdir(scratch_of(store)) == ["result.npy"]
    entry = store.commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})
    np.testing.assert_array_equal(entry.read("v", Labels).data, data)


def test_a_move_is_undone_however_far_it_went(tmp_path):
    scratch = tmp_path / "scratch"
    array_in(scratch, (70, 1000, 1000))
    file, path = scratch / "result.npy", tmp_path / "v.tif"
    before = file.read_bytes()
    for _ in range(2):
        move_out(file, path, b"II", b"the end")
        assert path.read_bytes() == b"II" + before[2:] + b"the end"
        bring_back(tmp_path)
        assert file.read_bytes() == before
        assert os.listdir(scratch) == ["result.npy"]
    move_out(file, path, b"II", b"the end")
    os.truncate(path, len(before) + 3)
    bring_back(tmp_path)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"to": "../precious", "head": "00", "bytes": 1}',
             '{"to": "/etc/passwd", "head": "00", "bytes": 1}', '{"to": 3}']
)  # fmt: skip
def test_a_damaged_note_of_a_move_is_ignored(tmp_path, note):
    (tmp_path / "precious").write_text("keep me")
    (folder := tmp_path / "step" / "scratch").mkdir(parents=True)
    (folder / "result.npy.moved").write_text(note)
    bring_back(tmp_path / "step")
    assert (tmp_path / "precious").read_text() == "keep me"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("format_", FORMATS)
def test_all_files_and_folders_are_on_the_disk_before_the_step_takes_its_name(
    tmp_path, large, monkeypatch, format_
):
    store = Store(tmp_path / "cache", volumes=format_)
    data = array_in(scratch_of(store))
    done = []
    real, rename = os.fsync, Path.rename

    def note(descriptor):
        done.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    def note_rename(self, target):
        done.append(f"rename {self.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "rename", note_rename)
    entry = store.commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})
    flushed = set(done[: done.index(f"rename {KEY}.partial")])
    for path in (entry.folder, *entry.folder.rglob("*")):
        if path.name != "step.json":  # renamed when it is whole
            place = str(store.root / f"{KEY}.partial" / path.relative_to(entry.folder))
            assert place.removesuffix("/.") in flushed
    moved = max(done.index(item) for item in done if item == "rename result.npy")
    shard = f"{KEY}.partial/{voxel_file(entry).relative_to(entry.folder).as_posix()}"
    assert any(item.endswith(shard) for item in done[moved:])


# -- records, damage -------------------------------------------------------------------------


def zarr_entry(root: Path) -> Entry:
    data = np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8)
    return Store(root, volumes="zarr").commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})


def test_the_record_lists_all_files_with_their_sizes(tmp_path, large):
    entry = zarr_entry(tmp_path)
    files = entry.manifest["artefacts"]["v"]["files"]
    there = {p for p in entry.folder.rglob("*") if p.is_file() and p.name != "step.json"}
    assert {entry.folder / name for name in files} == there
    assert all((entry.folder / name).stat().st_size == size for name, size in files.items())
    assert len([name for name in files if name.startswith("v.ome.zarr/1/c/")]) > 0
    assert set(entry.manifest["seen"]) == set(files)
    assert Store(tmp_path).find(KEY) is not None


@pytest.mark.parametrize("change", ["byte", "lost", "longer", "link", "folder link"])
@pytest.mark.parametrize("file", ["zarr.json", "0/zarr.json", "0/c/0/0/0", "1/c/0/0/0"])
def test_every_file_of_a_folder_is_checked(tmp_path, large, file, change):
    entry = zarr_entry(tmp_path / "cache")
    path = entry.folder / "v.ome.zarr" / file
    content = path.read_bytes()
    if change == "byte":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif change == "longer":
        path.write_bytes(content + b" ")
    elif change == "folder link":
        shutil.move(path.parent, tmp_path / "elsewhere")
        path.parent.symlink_to(tmp_path / "elsewhere")
    else:
        path.unlink()
        if change == "link":
            (tmp_path / "elsewhere").write_bytes(content)
            path.symlink_to(tmp_path / "elsewhere")
    store = Store(tmp_path / "cache")
    assert store.find(KEY) is None
    problem = store.damaged[KEY]
    assert "v.ome.zarr" in problem
    assert len(problem) < 300
    with pytest.raises(FibError, match="changed or deleted while it was in use"):
        entry.read("v", Labels)


@pytest.mark.parametrize(
    "files",
    [
        {"w.ome.zarr/zarr.json": 1},
        {"v.ome.zarr/../w": 1},
        {"v.ome.zarr//zarr.json": 1},
        {"v.ome.zarr/zarr.json": 1, "step.json": 1},
        {"v.ome.zarr/.hidden": 1},
        {"v.ome.zarr/zarr.json/": 1},
    ],
)
def test_files_that_cannot_be_those_of_a_folder_are_another_record(tmp_path, files):
    entry = zarr_entry(tmp_path)
    record = json.loads((entry.folder / "step.json").read_text())
    record["artefacts"]["v"]["files"] = files
    (entry.folder / "step.json").write_text(json.dumps(record))
    with pytest.raises(UsageError, match=r"is not what this version of fib writes"):
        Store(tmp_path).find(KEY)


# -- the choice of a format ------------------------------------------------------------------


def test_auto_is_zarr_for_large_volumes_only(tmp_path, monkeypatch):
    data = np.zeros((4, 4, 4), np.uint8)
    for limit, suffix in ((64, ".tif"), (63, ".ome.zarr")):
        monkeypatch.setattr("fibcore.formats.FOLDER_ABOVE_BYTES", limit)
        entry = Store(tmp_path / suffix).commit(KEY, {"v": Labels(data, (5, 5, 5))}, {})
        assert (entry.folder / f"v{suffix}").exists()


def test_an_unknown_format_is_refused_before_anything_runs(bench, steps, calls):
    with pytest.raises(UsageError, match=r"unknown format 'tif': use auto, tiff, zarr"):
        bench.run(steps, format="tif")
    assert calls == []


def test_results_of_either_format_are_reused(bench, steps, calls):
    first = bench.run(steps, format="zarr")
    assert (first.folder / "01-gold" / "labels.ome.zarr" / "zarr.json").is_file()
    assert (first.folder / "02-sem" / "clean.ome.zarr" / "zarr.json").is_file()
    calls.clear()
    second = bench.run(steps, format="tiff")
    assert calls == []
    assert second["score"]["wrong_percent"][0] == first["score"]["wrong_percent"][0]
    other = bench.run(steps, format="tiff", cache=bench.folder / "other")
    for name in ("gold", "sem", "solid"):
        one, two = first[name], other[name]
        np.testing.assert_array_equal(one.data, two.data)
        assert one.facts() == two.facts()
    damaged = (first.folder / "01-gold" / "labels.ome.zarr" / "0" / "c" / "0" / "0" / "0").resolve()
    os.truncate(damaged, 100)
    calls.clear()
    third = bench.run(steps, format="tiff")
    assert calls[0] == "generate"
    assert (third.folder / "01-gold" / "labels.tif").is_file()
    assert not (third.folder / "01-gold" / "labels.ome.zarr").exists()


@pytest.mark.parametrize("format_", ["auto", *FORMATS])
def test_the_disk_that_a_run_needs_depends_on_the_format(bench, steps, monkeypatch, format_):
    plan = bench.plan(steps)
    sizes = [step.expected.disk_bytes for step in plan.steps]
    copied = {"zarr": 0, "tiff": max(sizes), "auto": 1000}[format_]
    coarser = {"zarr": sizes, "tiff": [], "auto": [n for n in sizes if n > 1000]}[format_]
    needed = sum(sizes) + sum(n // 7 for n in coarser) + copied
    monkeypatch.setattr("fibcore.pipeline.status.FOLDER_ABOVE_BYTES", 1000)
    store = Store(bench.folder / "cache", volumes=format_)
    planned = statuses(plan, store)
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(needed))
    check_resources(plan, planned, store)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(needed - 1))
    with pytest.raises(PipelineError, match="the results need about"):
        check_resources(plan, planned, store)
