import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.pickling import pack, unpack
from fibcore import Images

SHAPE = (3, 400, 600)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An array on disk."""
    path = tmp_path / "array.npy"
    np.save(path, np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def is_mapped(array: np.ndarray) -> bool:
    base: Any = array
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return isinstance(base, np.memmap)


def test_large_arrays_anywhere_are_written_once_and_mapped(folder: Path) -> None:
    large = np.random.default_rng(0).normal(size=(300, 1000))
    images = Images(large.astype(np.float32)[None], 5.0, kv=(2.0,))
    packed = pack({"a": large, "b": [large], "images": images, "small": np.arange(5)}, folder)
    assert len(packed) < 10_000
    assert len(os.listdir(folder)) == 2

    found = unpack(packed)
    assert found["a"] is found["b"][0]
    assert np.array_equal(found["a"], large)
    assert np.array_equal(found["images"].data, images.data)
    assert found["images"].kv == (2.0,)
    assert is_mapped(found["a"])
    assert found["small"].tolist() == [0, 1, 2, 3, 4]
    assert not is_mapped(found["small"])


@pytest.mark.parametrize(
    "part",
    [
        np.s_[:],
        np.s_[1:],
        np.s_[:, 50:, 7:590],
        np.s_[::-1, :, ::2],
        np.s_[1:, None],
    ],
)
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_what_is_mapped_is_not_copied(file: Path, folder: Path, mode: Any, part: Any) -> None:
    array = np.load(file, mmap_mode=mode)[part]
    for view in (array, np.asarray(array)):
        found = unpack(pack(view, folder))
        assert np.array_equal(found, array)
        assert found.dtype == array.dtype
    assert os.listdir(folder) == []


def test_changes_that_are_in_no_file_are_seen(file: Path, folder: Path) -> None:
    private = np.load(file, mmap_mode="c")
    private[0] = -1.0
    assert np.array_equal(unpack(pack(private, folder)), private)
    gone = np.load(file, mmap_mode="r")
    file.rename(file.with_name("elsewhere.npy"))
    assert np.array_equal(unpack(pack(gone, folder)), gone)
