"""Files find the reader of their suffix, and the core knows none by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import fibcore
from fib_plugins.testing import check_plugin
from fibcore import FibError, Images, Labels, Model, Opened, Reader, Table, formats
from fibcore.formats import (
    read_model,
    read_table,
    read_volume,
    reader_of,
    write,
    write_model,
    write_table,
    write_volume,
)
from fibcore.pipeline import check_pipeline
from fibcore.registry import Registry, registry


class Letters(Reader):
    """A table with one row for each letter of a text."""

    name: ClassVar[str] = "letters"
    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".letters.csv")
    holds: ClassVar[tuple[type, ...]] = (Table,)

    def open(self, source: str | Path, base: Path = Path(), *, trusted: bool = False) -> Opened:
        """Return the table."""
        path = base / source
        table = Table({"letter": np.array(list(path.read_text()), dtype=object)})
        return Opened(Table, (path,), lambda context: table)


class Rival(Letters):
    """The same."""

    name: ClassVar[str] = "rival"


class Readers:
    """A package that registers readers."""

    def __init__(self, *readers: type[Reader]) -> None:
        self.readers = readers

    @fibcore.hookimpl
    def fib_register_readers(self, register: Any) -> None:
        """Register them."""
        for reader in self.readers:
            register(reader)


@pytest.fixture
def installed(monkeypatch):
    """Install readers beside the built-in ones."""
    import fib_plugins

    def install(*readers: type[Reader]) -> Registry:
        found = Registry()
        found.add_module(fib_plugins, "builtin = fib_plugins", "fibtomo", "1")
        for reader in readers:
            found.add_module(Readers(reader), f"{reader.name} = x", f"of-{reader.name}", "2")
        for module in ("formats", "pipeline.findings"):
            monkeypatch.setattr(f"fibcore.{module}.registry", lambda: found)
        return found

    return install


def refusal(source: str, base: Path) -> str:
    with pytest.raises(FibError) as error:
        reader_of(source, base)
    return str(error.value)


def labels() -> Labels:
    return Labels(np.arange(24).reshape(2, 3, 4).astype(np.uint8) % 2, (5.0, 5.0, 5.0))


def test_what_is_written_is_read_back_by_suffix(tmp_path):
    write_volume(labels(), tmp_path / "v.tif")
    np.testing.assert_array_equal(read_volume(tmp_path / "v.tif").data, labels().data)
    write_table(Table({"a": [1, 2]}), tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv").rows() == [{"a": 1}, {"a": 2}]
    write_model(Model("segmenter/x", {"p": 1}, {"w": np.ones(2)}), tmp_path / "m.safetensors")
    assert read_model(tmp_path / "m.safetensors").params == {"p": 1}


def test_another_type_than_expected_is_named(tmp_path):
    write_table(Table({"a": [1, 2]}), tmp_path / "t.csv")
    with pytest.raises(FibError, match="holds Table, not Labels or Images"):
        read_volume(tmp_path / "t.csv")


def test_what_cannot_be_written_lists_what_can(tmp_path):
    with pytest.raises(FibError, match=r"Labels cannot be written.* \.tif \.tiff \(reader/tiff\)"):
        write(labels(), tmp_path / "v.npy")
    with pytest.raises(FibError, match=r"Table cannot be written.*: \.csv \(reader/csv\)"):
        write(Table({"a": [1]}), tmp_path / "t.tif")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_lists_the_formats_and_what_failed_to_load(tmp_path, installed):
    found = installed()
    (tmp_path / "stack.mrc").write_bytes(b"x")
    (tmp_path / "stack.tfi").write_bytes(b"x")
    (tmp_path / "stack").write_bytes(b"x")
    message = refusal("stack.mrc", tmp_path)
    assert "files that end in '.mrc'" in message
    assert ".npy .npz (reader/numpy)" in message
    assert ".png .jpg .jpeg (reader/png)" in message
    assert "Did you mean '.tif" in refusal("stack.tfi", tmp_path)
    assert "files without a suffix" in refusal("stack", tmp_path)
    found.add_module(Readers(int), "mrc = broken", "fib-mrc", "1")
    assert "fib-mrc (mrc = broken): fib_register_readers failed" in refusal("stack.mrc", tmp_path)


def test_what_is_not_there_names_what_is_nearest(tmp_path):
    (tmp_path / "slices").mkdir()
    assert "there is no such file or folder" in refusal("slces", tmp_path)
    assert "Did you mean 'slices'" in refusal("slces", tmp_path)
    assert "no installed reader opens these files: none" in refusal("slices", tmp_path)
    assert "no file matches this pattern" in refusal("slices/s*", tmp_path)


def test_the_longest_suffix_decides_in_either_case(installed):
    installed(Letters)
    assert reader_of("a.CSV").identifier() == "reader/csv"
    assert reader_of("a.letters.csv") is Letters
    assert reader_of("b.Letters.CSV") is Letters


def test_a_folder_is_read_by_the_format_of_its_slices(tmp_path, installed):
    installed(Letters)
    for i in (1, 2):
        (tmp_path / f"s{i}.tif").touch()
        (tmp_path / f"notes{i}.txt").touch()
    (tmp_path / "overview.png").touch()
    for source in (".", "s*", "*"):
        assert reader_of(source, tmp_path).identifier() == "reader/tiff"
    for i in (1, 2):
        (tmp_path / f"s{i}.jpg").touch()
    message = refusal(".", tmp_path)
    assert "several formats (3 of reader/png, 2 of reader/tiff)" in message
    assert '"./*.png" or "./*.tif"' in message
    assert reader_of("*.tif", tmp_path).identifier() == "reader/tiff"


def test_two_readers_of_one_suffix_are_reported_and_neither_is_taken(installed):
    found = installed(Letters, Rival)
    broken = [b for b in found.broken if b.clash == ".txt"]
    assert len(broken) == 1
    assert "reader/letters of of-letters and reader/rival of of-rival" in broken[0].reason
    with pytest.raises(FibError, match=r"files that end in \.txt is registered twice.*uninstall"):
        reader_of("a.txt")
    assert reader_of("a.tif").identifier() == "reader/tiff"
    assert found.plugin("reader/rival") is Rival


@pytest.mark.parametrize("suffixes", [(), ("txt",), (".TXT",)])
def test_a_reader_without_suffixes_in_their_form_is_refused(installed, suffixes):
    wrong = type("Wrong", (Letters,), {"suffixes": suffixes, "name": "wrong"})
    assert any("suffixes" in problem for problem in check_plugin(wrong))
    found = installed(wrong)
    assert "give the suffixes" in found.broken[-1].reason
    assert check_plugin(Letters) == []


def test_a_load_step_is_done_by_the_reader_and_keyed_by_its_name(tmp_path, installed):
    installed(Letters)
    (tmp_path / "a.txt").write_text("a,b\n1,2\n")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    steps = [{"id": "one", "load": "a.txt"}, {"id": "two", "load": "a.csv"}]
    document = {"version": 1, "name": "p", "steps": steps}
    one, two = check_pipeline(document, base=tmp_path).steps
    assert one.identifier == "reader/letters"
    assert two.identifier == "load"  # as before there were readers
    assert one.work.files.sha256 == two.work.files.sha256
    assert one.key != two.key
    assert one.work.files.read(fibcore.Context()).names == ["letter"]


def test_a_step_that_runs_a_reader_gets_the_advice_to_load(tmp_path):
    document = {"version": 1, "name": "p", "steps": [{"id": "one", "run": "reader/tiff"}]}
    with pytest.raises(FibError, match=r'opens files: write {"load": <a file that ends in \.tif'):
        check_pipeline(document, base=tmp_path)


def test_images_of_any_format_end_as_the_artefact_of_a_step(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (3, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "s.npy", grey)
    (folder := tmp_path / "kept").mkdir()
    images = read_volume(tmp_path / "s.npy", voxel_size_nm=5, kv=2)
    assert formats.write_artefact(folder, "images", images) == ("images.tif",)
    back = formats.read_artefact(folder, "images", Images)
    np.testing.assert_array_equal(back.data[0], grey)
    assert back.kv == (2.0,)


def test_listing_readers_loads_none_of_their_libraries():
    code = (
        "import sys\n"
        "from fibcore.registry import registry\n"
        "from fibcore.formats import reader_of\n"
        "assert [e.item.summary() for e in registry().entries('reader')]\n"
        "assert reader_of('s.tif').name == 'tiff'\n"
        "heavy = {'tifffile', 'PIL', 'safetensors', 'torch', 'scipy', 'zarr'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_built_in_reader_is_registered():
    names = {entry.identifier for entry in registry().entries("reader")}
    assert names >= {"reader/tiff", "reader/csv", "reader/model", "reader/numpy", "reader/png"}
