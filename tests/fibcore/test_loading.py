"""What a load step may be pointed at."""

import os
from pathlib import Path

import numpy as np
import pytest
from reading import content_hash

from fibcore import FibError, Model
from fibcore.formats import open_source, write_model


def refused(source: str, base: Path) -> list[str]:
    """Return what is wrong with files that a load step names."""
    with pytest.raises(FibError) as error:
        open_source(source, base)
    return [str(error.value)]


def model(folder: Path) -> None:
    write_model(Model("segmenter/x", {}, {"w": np.zeros(3)}, {}), folder / "m.safetensors")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes pipes")
@pytest.mark.parametrize("name", ["p.csv", "p.tif", "p", "m.safetensors", "m.json"])
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path, name: str) -> None:
    model(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / name)
    source = "m.safetensors" if name.startswith("m.") else name
    assert all("a pipe" in message for message in refused(source, tmp_path))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs devices")
@pytest.mark.parametrize("name", ["z.csv", "z.tif", "z"])
def test_a_device_without_an_end_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/zero")
    assert all("a device" in message for message in refused(name, tmp_path))


@pytest.mark.parametrize("name", ["t.csv", "m.safetensors", "m.json", "s.tif"])
def test_a_file_that_was_not_fetched_is_refused_with_the_command_for_it(
    tmp_path: Path, name: str
) -> None:
    model(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\n")
    source = "m.safetensors" if name.startswith("m.") else name
    assert all("git lfs pull" in message for message in refused(source, tmp_path))
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to(".git/annex/objects/x")
    assert all("git annex get" in message for message in refused(source, tmp_path))


def test_hashes_of_tables_and_models_are_those_of_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n1,2\n")
    (tmp_path / "u.CSV").write_bytes(b"a,b\n1,2\n")
    model(tmp_path)
    first = content_hash("t.csv", tmp_path)
    assert content_hash("u.CSV", tmp_path) == first
    whole = content_hash("m.safetensors", tmp_path)
    (tmp_path / "m.json").write_bytes((tmp_path / "m.json").read_bytes() + b"\n")
    assert content_hash("m.safetensors", tmp_path) != whole
