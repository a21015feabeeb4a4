"""NumPy arrays as volumes: what is read, what is memory-mapped, what is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reading import probe, read

from fib_plugins.readers.arrays import archive
from fib_plugins.readers.arrays.reader import NumPy
from fibcore import FibError, Images, Labels
from fibcore.formats import read_volume

READER = NumPy(voxel_size_nm=10, kv=2)
SAVES: dict[str, Callable[[Path, np.ndarray], None]] = {
    "s.npy": lambda path, array: np.save(path, array),
    "stored.npz": lambda path, array: np.savez(path, array),
    "deflated.npz": lambda path, array: np.savez_compressed(path, array),
}


def mapped(array: np.ndarray) -> bool:
    """Return whether an array lies in a memory-mapped file."""
    base: Any = array
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    return base is not None


def refusal(tmp_path: Path, array: Any, name: str = "s.npy", reader: NumPy = READER) -> str:
    if array is not None:
        np.save(tmp_path / name, array)
    with pytest.raises(FibError) as error:
        reader.open(name, tmp_path)
    return str(error.value)


@pytest.mark.parametrize("name", SAVES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", ">u2"])
def test_an_array_is_read_as_it_was_saved(
    tmp_path: Path, grey: Callable, name: str, dtype: str
) -> None:
    array = grey((5, 6, 7), dtype).astype(dtype)
    SAVES[name](tmp_path / name, array)
    volume = read(name, READER, base=tmp_path)
    assert isinstance(volume, Images)
    np.testing.assert_array_equal(volume.data[0], array)
    assert volume.data.dtype == np.dtype(dtype).newbyteorder("=")
    assert mapped(volume.data) == (name != "deflated.npz" and dtype != ">u2")
    forecast = probe(name, READER, base=tmp_path)
    assert forecast.output == volume.spec
    assert (forecast.memory_bytes == 0) == mapped(volume.data)


@pytest.mark.parametrize("name", SAVES)
def test_channels_come_first_and_regions_are_cut_out(
    tmp_path: Path, grey: Callable, name: str
) -> None:
    array = grey((2, 5, 6, 7), "uint16")
    SAVES[name](tmp_path / name, array)
    volume = read_volume(
        name, base=tmp_path, voxel_size_nm=10, kv=(1, 2), region={"z": (2, 5), "x": (1, 4)}
    )
    np.testing.assert_array_equal(volume, array[:, 2:5, :, 1:4])


@pytest.mark.parametrize("name", ["s.npy", "stored.npz"])
@pytest.mark.parametrize("shape", [(5, 6, 7), (2, 5, 6, 7)])
def test_fortran_order_is_no_other_array(
    tmp_path: Path, grey: Callable, name: str, shape: tuple[int, ...]
) -> None:
    array = grey(shape, "uint16")
    SAVES[name](tmp_path / name, np.asfortranarray(array))
    volume = read_volume(name, base=tmp_path, voxel_size_nm=10, kv=(1, 2)[: len(shape) - 2])
    np.testing.assert_array_equal(volume.data.reshape(shape), array)


def test_a_compressed_array_in_fortran_order_is_refused_with_what_to_do(
    tmp_path: Path, grey: Callable
) -> None:
    np.savez_compressed(tmp_path / "s.npz", np.asfortranarray(grey()))
    assert "save numpy.ascontiguousarray" in refusal(tmp_path, None, "s.npz")


def test_slices_in_a_folder_are_a_stack_in_the_order_of_their_numbers(
    tmp_path: Path, grey: Callable
) -> None:
    stack = grey((12, 6, 7), "uint16")
    for i, plane in enumerate(stack):
        np.save(tmp_path / f"slice_{i + 1}.npy", plane)
    for source in (".", "slice_*.npy", "*"):
        volume = read_volume(source, base=tmp_path, voxel_size_nm=10, kv=2)
        np.testing.assert_array_equal(volume.data[0], stack)
    np.save(tmp_path / "slice_13.npy", stack[:2])
    assert "each file is one slice" in refusal(tmp_path, None, ".")
    np.save(tmp_path / "slice_13.npy", stack[0, :, :5])
    assert "the slices are not alike" in refusal(tmp_path, None, ".")


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float64"])
def test_labels_of_any_type_of_whole_number_are_phases(tmp_path: Path, dtype: str) -> None:
    phases = (np.arange(5 * 6 * 7).reshape(5, 6, 7) % 2).astype(dtype)
    np.save(tmp_path / "l.npy", phases)
    labels = NumPy.model_validate(
        {"voxel_size_nm": 10, "as": "labels", "materials": ["epoxy", "Au"]}
    )
    volume = read("l.npy", labels, base=tmp_path)
    assert isinstance(volume, Labels)
    np.testing.assert_array_equal(volume.data, phases)


def test_what_holds_no_voxel_size_needs_one(tmp_path: Path, grey: Callable) -> None:
    message = refusal(tmp_path, grey(), reader=NumPy(kv=2))
    assert "do not give a voxel size; set voxel_size_nm" in message
    assert "set kv" in refusal(tmp_path, grey(), reader=NumPy(voxel_size_nm=10))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([{"a": 1}]), "Python objects, which fib does not unpickle"),
        (np.zeros((3, 4, 5), complex), "holds complex128; fib reads real numbers"),
        (np.zeros((3, 4, 5), "U3"), "fib reads real numbers"),
        (np.zeros((3, 4, 5), [("a", "u1"), ("b", "f4")]), "fib reads real numbers"),
        (np.zeros((3, 0, 5)), r"shape (3, 0, 5)"),
        (np.zeros(7), "axes (z, y, x)"),
        (np.zeros((1, 2, 3, 4, 5)), "axes (z, y, x)"),
        (np.zeros((9, 8, 7, 3), np.uint8), "numpy.moveaxis(array, -1, 0)"),
        (np.zeros((7, 8), np.uint8), "single 2-D image"),
        (np.ones((4, 5, 6), np.int64), "is int64; images are uint8, uint16, float32"),
        (np.ones((4, 5, 6), bool), 'set "as": "labels"'),
    ],
)
def test_arrays_that_are_no_volume_are_refused(
    tmp_path: Path, array: np.ndarray, message: str
) -> None:
    assert message in refusal(tmp_path, array)


def test_values_are_checked_as_those_of_any_format(tmp_path: Path, grey: Callable) -> None:
    array = grey(dtype="float32")
    array[2, 3, 3] = np.nan
    np.save(tmp_path / "s.npy", array)
    with pytest.raises(FibError, match="NaN or infinite, the first in slice 2"):
        read("s.npy", READER, base=tmp_path)
    np.save(tmp_path / "s.npy", np.full((4, 5, 6), 7, np.uint8))
    with pytest.raises(FibError, match="has the value 7"):
        read("s.npy", READER, base=tmp_path)


def test_axes_in_another_order_are_remarked(tmp_path: Path, grey: Callable) -> None:
    np.save(tmp_path / "s.npy", grey((40, 40, 8)))
    (warning,) = probe("s.npy", READER, base=tmp_path).warnings
    assert "numpy.moveaxis(array, -1, -3)" in warning
    np.save(tmp_path / "s.npy", grey((8, 40, 40)))
    assert probe("s.npy", READER, base=tmp_path).warnings == ()


def header_claiming(shape: str, dtype: str = "|u1") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("(1000000, 1000000, 1000000)", "truncated"),
        (f"({2**70}, {2**70}, {2**70})", "truncated"),
        ("(-3, 4, 5)", "shape (-3, 4, 5)"),
        ("(3, 4, 5", "header cannot be read"),
        ("(3, 4, 'x')", "header cannot be read"),
        ("(" + "(" * 5000 + "1", "header cannot be read"),
        ("__import__('os').getcwd()", "header cannot be read"),
    ],
)
def test_a_header_that_claims_what_cannot_be_is_refused_before_anything_is_allocated(
    tmp_path: Path, shape: str, message: str
) -> None:
    (tmp_path / "s.npy").write_bytes(header_claiming(shape) + bytes(60))
    assert message in refusal(tmp_path, None)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00\x00\x00", b"II*\x00"])
def test_a_file_that_is_none_of_numpy_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.npy").write_bytes(content)
    assert re_any(refusal(tmp_path, None), "not a .npy file", "version 9.0")
    (tmp_path / "s.npz").write_bytes(content)
    assert "not a .npz file" in refusal(tmp_path, None, "s.npz")


def re_any(text: str, *wanted: str) -> bool:
    return any(word in text for word in wanted)


@pytest.mark.parametrize("name", SAVES)
def test_a_truncated_array_is_refused(tmp_path: Path, grey: Callable, name: str) -> None:
    SAVES[name](tmp_path / name, grey((5, 60, 70)))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert re_any(refusal(tmp_path, None, name), "truncated", "damaged")


def test_flipped_bits_of_a_deflated_array_are_found(tmp_path: Path, grey: Callable) -> None:
    np.savez_compressed(tmp_path / "s.npz", grey((5, 60, 70)))
    content = bytearray((tmp_path / "s.npz").read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "s.npz").write_bytes(content)
    with pytest.raises(FibError, match="damaged"):
        read("s.npz", READER, base=tmp_path)


def archive_of(path: Path, members: dict[str, bytes], **options: Any) -> None:
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in members.items():
            file.writestr(name, content)


def saved(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def test_an_archive_has_to_hold_one_array(tmp_path: Path, grey: Callable) -> None:
    one = saved(grey())
    for members in ({"a.npy": one, "b.npy": one}, {}, {"a.txt": one}, {"../x.npy": one, "y": b""}):
        archive_of(tmp_path / "s.npz", members)
        assert "fib reads one" in refusal(tmp_path, None, "s.npz")
    archive_of(tmp_path / "s.npz", {"a.npy": one}, compression=zipfile.ZIP_LZMA)
    assert "NumPy does not use" in refusal(tmp_path, None, "s.npz")


def test_an_archive_that_claims_more_than_it_can_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = header_claiming("(1000, 100, 100)") + bytes(10_000_000)
    archive_of(tmp_path / "s.npz", {"a.npy": bomb}, compression=zipfile.ZIP_DEFLATED)
    assert NumPy(voxel_size_nm=1, kv=1).open("s.npz", tmp_path).forecast.output is not None
    monkeypatch.setattr(archive, "MOST_PER_BYTE", 100)
    assert "declares 10 MB, which the" in refusal(tmp_path, None, "s.npz")
