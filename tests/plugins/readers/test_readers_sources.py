import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from reading import content_hash, find_tiffs, probe, read

from fib_plugins.readers.slices.sources import natural_order
from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError
from fibcore.context import Context

PARAMS = Tiff(voxel_size_nm=10, kv=2)


def test_slices_come_in_natural_order(tmp_path: Path, write_slices: Callable) -> None:
    names = ["slice_1.tif", "slice_2.tif", "slice_10.tif", "slice_11.tif"]
    stack = write_slices(names)
    assert [file.name for file in find_tiffs("*.tif", tmp_path).files] == names
    volume = read("slice_*.tif", PARAMS, base=tmp_path)
    np.testing.assert_array_equal(volume.data[0], stack)


def test_natural_order_looks_at_every_number_and_at_folders_first() -> None:
    names = ["a2/s10_1.tif", "a10/s1.tif", "a2/s9_2.tif", "a2/s9_12.tif", "A2/S1.tif"]
    ordered = [path.as_posix() for path in natural_order([Path(name) for name in names])]
    assert ordered == ["A2/S1.tif", "a2/s9_2.tif", "a2/s9_12.tif", "a2/s10_1.tif", "a10/s1.tif"]


@pytest.mark.parametrize("source", ["stack", "stack/*.tif", "stack/s?.tif", "**/s*.tif", "s*/[s]*"])
def test_a_folder_and_globs_find_the_same_slices(
    tmp_path: Path, write_slices: Callable, source: str
) -> None:
    stack = write_slices(["stack/s1.tif", "stack/s2.tif", "stack/s3.tif"])
    np.testing.assert_array_equal(read(source, PARAMS, base=tmp_path).data[0], stack)


def test_a_folder_ignores_other_and_hidden_files(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.TIFF"])
    for name in ("notes.txt", "._s1.tif", ".DS_Store", "Thumbs.db"):
        (tmp_path / name).write_text("not a slice")
    assert [file.name for file in find_tiffs(".", tmp_path).files] == ["s1.tif", "s2.TIFF"]


def test_absolute_sources_do_not_depend_on_the_base(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.tif"])
    for source in (tmp_path, tmp_path / "*.tif"):
        assert len(find_tiffs(source, Path("/nowhere")).files) == 2


def test_file_names_may_look_like_a_pattern(tmp_path: Path, grey: Callable) -> None:
    stack = grey()
    tifffile.imwrite(tmp_path / "stack [10 nm].tif", stack)
    volume = read("stack [10 nm].tif", PARAMS, base=tmp_path)
    np.testing.assert_array_equal(volume.data[0], stack)


def test_a_folder_of_one_multi_page_file_is_that_file(tmp_path: Path, grey: Callable) -> None:
    stack = grey()
    tifffile.imwrite(tmp_path / "stack.tif", stack)
    np.testing.assert_array_equal(read(".", PARAMS, base=tmp_path).data[0], stack)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("recontruction.tif", r"no such file or folder.*Did you mean 'reconstruction.tif'"),
        ("stak/*.tif", r"no file matches.*Did you mean 'stack'"),
        ("stack/*.png", r"no file matches.*s1.tif"),
        ("a/b/c.tif", r"no such file or folder.*stack"),
        ("empty", r"holds no .tif or .tiff files"),
    ],
)
def test_what_is_missing_is_reported_with_what_is_near(
    tmp_path: Path, write_slices: Callable, source: str, message: str
) -> None:
    write_slices(["stack/s1.tif", "stack/s2.tif", "reconstruction.tif"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FibError, match=message):
        probe(source, PARAMS, base=tmp_path)


def test_a_gap_is_a_warning_of_the_probe(tmp_path: Path, write_slices: Callable) -> None:
    write_slices([f"s{number}.tif" for number in (1, 2, 3, 4, 6, 7)])
    assert "between s4.tif and s6.tif" in probe(".", PARAMS, base=tmp_path).warnings[0]


@pytest.mark.parametrize("threads", [1, 3])
def test_slices_are_the_same_for_any_number_of_threads(
    tmp_path: Path, write_slices: Callable, threads: int
) -> None:
    stack = write_slices([f"s{i}.tif" for i in range(20)], dtype="uint16", compression="zlib")
    context = Context(threads=threads)
    volume = read(".", PARAMS, base=tmp_path, context=context)
    np.testing.assert_array_equal(volume.data[0], stack)


def test_a_region_of_slices_opens_only_their_files(
    tmp_path: Path, write_slices: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = write_slices([f"s{i}.tif" for i in range(8)])
    params = PARAMS.model_copy(update={"region": {"z": (2, 5), "y": (1, 4), "x": (3, 5)}})
    decoded = []
    original = tifffile.TiffPage.asarray

    def asarray(page: tifffile.TiffPage) -> np.ndarray:
        decoded.append(page)
        return original(page)

    monkeypatch.setattr(tifffile.TiffPage, "asarray", asarray)
    volume = read(".", params, base=tmp_path)
    np.testing.assert_array_equal(volume.data[0], stack[2:5, 1:4, 3:5])
    assert len(decoded) == 3


def test_the_content_hash_depends_on_bytes_and_their_order_not_on_names(tmp_path: Path) -> None:
    def folder(name: str, **files: bytes) -> str:
        (tmp_path / name).mkdir()
        for file, content in files.items():
            (tmp_path / name / f"{file}.tif").write_bytes(content)
        return content_hash(name, tmp_path)

    first = folder("a", s1=b"one", s2=b"two")
    assert first == folder("b", t7=b"one", t10=b"two")
    assert first != folder("c", s1=b"two", s2=b"one")
    assert first != folder("d", s1=b"onet", s2=b"wo")
    parts = b"".join(hashlib.sha256(part).digest() for part in (b"one", b"two"))
    assert first == hashlib.sha256(parts).hexdigest()


def test_the_content_hash_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FibError, match="no file matches"):
        content_hash("*.tif", tmp_path)
