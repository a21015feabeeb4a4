"""Folders that are no images, incomplete or damaged: one clear error each, before a run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore

from fib_plugins.readers.zarr.reader import Zarr
from fibcore import FibError
from fibcore.formats import read_volume, reader_of, write_volume
from fibcore.volumes import Labels


def refuse(path: Path, message: str, **params: Any) -> str:
    """Check that opening fails, as in ``fib check``; return the message."""
    with pytest.raises(FibError, match=message) as caught:
        Zarr(**{"kv": 2, **params}).open(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(path: Path, edit: Callable[[Any], Any]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def chunk_files(path: Path) -> list[Path]:
    names = ("zarr.json", ".zarray", ".zattrs", ".zgroup")
    return sorted(p for p in (path / "0").rglob("*") if p.is_file() and p.name not in names)


# -- not an image ----------------------------------------------------------------------------


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").write_bytes(b"PK")
    refuse(tmp_path / "a.zarr", r"is a file; an OME-Zarr image is one folder")
    refuse(tmp_path / "b.zarr", "there is no such file or folder")
    (tmp_path / "c.zarr").mkdir()
    (tmp_path / "d.zarr").mkdir()
    (tmp_path / "d.zarr" / "slice.tif").touch()
    refuse(tmp_path / "c.zarr", r"is not a zarr folder: it has no file zarr.json.* but nothing")
    refuse(tmp_path / "d.zarr", r"but slice.tif; give the folder of an OME-Zarr image")
    refuse(tmp_path / "?.zarr", r"matches 3 files and folders")


def test_a_group_without_images_or_with_damaged_metadata(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    main = path / "zarr.json"
    before = main.read_text()
    change(main, lambda c: c["attributes"].clear())
    refuse(path, r"zarr group without an NGFF image \(multiscales in its attributes\); it holds 0")
    for broken in ([{}], {"a": 1}, [3], "x", [{"axes": [], "datasets": []}]):
        main.write_text(before)
        change(main, lambda c, b=broken: c["attributes"]["ome"].update(multiscales=b))
        refuse(path, "multiscales")
    for text in ("", "{", "[]", "\0" * 10):
        main.write_text(text)
        refuse(path, "zarr.json")


@pytest.mark.parametrize("version", ["0.6", "0.3", "0.1", "1.0", 7])
@pytest.mark.parametrize("format_", [2, 3])
def test_unknown_versions_of_ngff(
    foreign: Callable, grey: Callable, version: Any, format_: int
) -> None:
    path = foreign(grey(), version=format_)
    if format_ == 3:
        change(path / "zarr.json", lambda c: c["attributes"]["ome"].update(version=version))
    else:
        change(path / ".zattrs", lambda c: c["multiscales"][0].update(version=version))
    message = refuse(path, f"is an image of NGFF {version}; this version of fib reads 0.4 and 0.5")
    assert "convert it, or update fib" in message


def test_unknown_versions_of_zarr(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    change(path / "zarr.json", lambda c: c.update(zarr_format=4))
    refuse(path, r"group of zarr format 4; fib reads arrays and groups of the formats 2 and 3")
    path = foreign(grey(), version=2, name="b.zarr")
    change(path / ".zgroup", lambda c: c.update(zarr_format=1))
    refuse(path, r"zarr format 1; fib reads")


def test_what_the_metadata_lead_to_has_to_be_an_array(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    before = (path / "zarr.json").read_text()

    def lead(place: str) -> Callable[[Any], None]:
        def edit(content: Any) -> None:
            content["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = place

        return edit

    for place in ("../other/0", "/0", "", "0/../../0"):
        change(path / "zarr.json", lead(place))
        refuse(path, "of its level 0 leads out of its folder")
    change(path / "zarr.json", lead("s0"))
    refuse(path, "s0 is not a zarr folder")
    zarr.create_group(LocalStore(path / "s0"))
    refuse(path, "s0 is not an array, but level 0 of an image")
    (path / "zarr.json").write_text(before)
    Zarr(kv=2).open(path)


def test_axes_that_are_no_stack(foreign: Callable, grey: Callable) -> None:
    refuse(foreign(grey((3, 4, 5, 6)), "tzyx"), r"has 3 along t \(time\); fib reads the axes z, y")
    refuse(foreign(grey((3, 2, 4, 5, 6)), "tczyx"), r"3 along t \(time\)")
    refuse(foreign(grey((3, 5, 6)), "qyx"), "3 along q")
    refuse(foreign(grey((5, 6)), "yx"), "is a single 2-D image of 5 x 6 pixels")
    path = foreign(grey())
    change(path / "zarr.json", lambda c: c["attributes"]["ome"]["multiscales"][0]["axes"].pop())
    refuse(path, r"is not a scale of 2 sizes above 0 \(z, y\)")


def test_a_transformation_other_than_a_scale(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    before = (path / "zarr.json").read_text()
    for other in (
        {"type": "affine", "affine": [1]},
        {"type": "scale", "scale": [1, 2]},
        {"type": "scale", "scale": [1, 0, 1]},
        {"type": "scale", "path": "elsewhere"},
    ):

        def edit(content: Any, other: Any = other) -> None:
            image = content["attributes"]["ome"]["multiscales"][0]
            image["datasets"][0]["coordinateTransformations"] = [other]

        (path / "zarr.json").write_text(before)
        change(path / "zarr.json", edit)
        refuse(path, r"is not a scale of 3 sizes above 0 \(z, y, x\)")


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("complex64", "holds complex64; fib reads real numbers"),
        ("bool", "1-bit mask"),
        ("int8", "is int8; images are uint8, uint16, float32"),
        ("uint32", "is uint32; images are"),
        ("int64", "is int64; images are"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_types_that_are_no_grey_values(
    foreign: Callable, grey: Callable, dtype: str, message: str, version: int
) -> None:
    refuse(foreign(grey().astype(dtype), version=version), message)


# -- missing and damaged chunks --------------------------------------------------------------


@pytest.mark.parametrize("layout", [{"version": 2}, {"version": 3}, {"shards": (4, 8, 8)}], ids=str)
@pytest.mark.parametrize("number", [0, 3, -1])
def test_a_missing_chunk_is_named(
    foreign: Callable, grey: Callable, layout: dict[str, Any], number: int
) -> None:
    data = grey((9, 10, 11)) + 1
    path = foreign(data, **layout)
    lost = chunk_files(path)[number]
    lost.unlink()
    message = refuse(path, r"lacks chunk .* Chunks are lost in interrupted copies: copy the image")
    assert f"chunk {lost.relative_to(path / '0').as_posix()} (of" in message
    assert '"missing_chunks": "fill"' in message
    images = read_volume(path, kv=2, missing_chunks="fill")
    assert (images.data == 0).any()
    assert ((images.data[0] == data) | (images.data[0] == 0)).all()


def test_all_chunks_missing(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    shutil.rmtree(path / "0" / "c")
    refuse(path, "lacks chunk c/0/0/0")
    with pytest.raises(FibError, match="every voxel of channel 0 has the value 0"):
        read_volume(path, kv=2, missing_chunks="fill")


def test_a_chunk_that_a_program_left_out_of_a_shard_is_named(tmp_path: Path) -> None:
    data = np.ones((8, 8, 8), np.uint8)
    data[:4, 4:, :4] = 0
    zarr.create_array(
        LocalStore(tmp_path / "a.zarr"), data=data, chunks=(4, 4, 4), shards=(8, 8, 8)
    )
    refuse(tmp_path / "a.zarr", r"lacks chunk \(0, 1, 0\) in c/0/0/0", voxel_size_nm=5)
    images = read_volume(tmp_path / "a.zarr", kv=2, voxel_size_nm=5, missing_chunks="fill")
    np.testing.assert_array_equal(images.data[0], data)


def test_chunks_of_a_shard_outside_of_the_array_need_not_be_there(
    foreign: Callable, grey: Callable
) -> None:
    data = grey((9, 10, 11))
    path = foreign(data, shards=(8, 16, 16))
    np.testing.assert_array_equal(read_volume(path, kv=2).data[0], data)


def test_a_truncated_raw_chunk(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey((9, 10, 11)), compressors=None)
    os.truncate(chunk_files(path)[5], 60)
    refuse(path, r"is truncated: a chunk of \(4, 4, 4\) uint8 has 64 bytes, the file has 60")


@pytest.mark.parametrize("version", [2, 3])
def test_a_damaged_compressed_chunk_is_one_error_when_it_is_read(
    foreign: Callable, grey: Callable, version: int
) -> None:
    path = foreign(grey((9, 10, 11)), version=version)
    chunk_files(path)[-1].write_bytes(b"not compressed")
    with pytest.raises(FibError, match=r"chunk of the slices 8 to 8 cannot be decoded .*copy the"):
        read_volume(path, kv=2)


@pytest.mark.parametrize("cut", [1, 4, 20, 200, 10**9])
@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_shard(foreign: Callable, grey: Callable, cut: int, compressed: bool) -> None:
    options = {} if compressed else {"compressors": None}
    path = foreign(grey((9, 10, 11)), shards=(12, 12, 12), **options)
    (shard,) = chunk_files(path)
    os.truncate(shard, max(0, shard.stat().st_size - cut))
    refuse(path, r"is truncated or damaged: its index does not fit to its \d+ bytes; copy it again")


def test_every_damaged_byte_of_the_index_of_a_shard_is_found(
    foreign: Callable, grey: Callable
) -> None:
    path = foreign(grey((5, 6, 7)), shards=(8, 8, 8))
    (shard,) = chunk_files(path)
    content = shard.read_bytes()
    for place in range(1, 8 * 16 + 5):
        damaged = bytearray(content)
        damaged[-place] ^= 1
        shard.write_bytes(damaged)
        refuse(path, "is truncated or damaged")


def test_a_truncated_volume_of_fib(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 2, (9, 10, 11)).astype(np.uint8)
    write_volume(Labels(data, (5, 5, 5)), tmp_path / "a.ome.zarr")
    (shard,) = chunk_files(tmp_path / "a.ome.zarr")
    os.truncate(shard, shard.stat().st_size - 100)
    with pytest.raises(FibError, match="is truncated or damaged"):
        Zarr().open(tmp_path / "a.ome.zarr")
    shard.unlink()
    with pytest.raises(FibError, match="lacks chunk c/0/0/0"):
        Zarr().open(tmp_path / "a.ome.zarr", trusted=True)


def test_sizes_that_no_file_holds_cost_nothing(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    before = (path / "0" / "zarr.json").read_text()
    change(path / "0" / "zarr.json", lambda c: c.update(shape=[2**40, 2**30, 2**30]))
    refuse(path, "lacks chunk c/0/0/2")
    refuse(path, "metadata are damaged, or most of it is missing", missing_chunks="fill")
    (path / "0" / "zarr.json").write_text(before)

    def chunks(size: int) -> Callable[[Any], None]:
        return lambda c: c["chunk_grid"]["configuration"].update(chunk_shape=[size] * 3)

    change(path / "0" / "zarr.json", chunks(2**20))
    refuse(path, r"has compressed chunks of .* fib decodes chunks of up to")
    change(path / "0" / "zarr.json", chunks(0))
    refuse(path, "is not a list of 1 to 6 sizes above 0")
    (path / "0" / "zarr.json").write_text(before)
    change(path / "0" / "zarr.json", lambda c: c.update(shape=[5, 6]))
    refuse(path, "do not have the axes of its shape|does not fit")


# -- codecs ----------------------------------------------------------------------------------


def test_a_codec_that_executes_code_is_never_called(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey(), version=2)
    change(path / "0" / ".zarray", lambda c: c.update(filters=[{"id": "pickle", "protocol": 5}]))
    message = refuse(path, r"encoded by 'pickle', which fib does not decode; save the image again")
    assert "blosc, gzip, lz4, zlib, zstd" in message


@pytest.mark.parametrize(
    "name", ["imagecodecs_jpegxl", "n5_default", "vlen-utf8", "../x", "a" * 999]
)
def test_unknown_codecs_are_named(foreign: Callable, grey: Callable, name: str) -> None:
    path = foreign(grey(), version=2)
    change(path / "0" / ".zarray", lambda c: c.update(compressor={"id": name}))
    refuse(path, f"encoded by '{name[:30]}.*which fib does not decode")
    path = foreign(grey(), name="b.zarr")
    change(path / "0" / "zarr.json", lambda c: c["codecs"].append({"name": name}))
    refuse(path, f"encoded by '{name[:30]}.*which fib does not decode")


def test_a_codec_whose_package_is_missing(
    foreign: Callable, grey: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fib_plugins.readers.zarr.codecs._installed", lambda package: False)
    path = foreign(grey())
    change(path / "0" / "zarr.json", lambda c: c["codecs"].append({"name": "numcodecs.pcodec"}))
    refuse(path, r"the package pcodec is not installed: pip install pcodec, or save the image")


@pytest.mark.parametrize("codecs", [[], "zstd", [3], [{"name": 3}], [{"configuration": {}}], None])
def test_damaged_lists_of_codecs(foreign: Callable, grey: Callable, codecs: Any) -> None:
    path = foreign(grey())
    change(path / "0" / "zarr.json", lambda c: c.update(codecs=codecs))
    with pytest.raises(FibError, match=r"codec|cannot be opened|is truncated"):
        read_volume(path, kv=2)


# -- links -----------------------------------------------------------------------------------


def test_links_out_of_the_folder_are_refused(
    foreign: Callable, grey: Callable, tmp_path: Path
) -> None:
    path = foreign(grey())
    other = foreign(grey() + 1, name="other.zarr")
    chunk = chunk_files(path)[0]
    content = chunk.read_bytes()
    chunk.unlink()
    chunk.symlink_to(chunk_files(other)[0])
    refuse(path, r"leads out of .*by a link; .*replace the link by a copy")
    chunk.unlink()
    (path / "a").write_bytes(content)
    chunk.symlink_to(path / "a")
    Zarr(kv=2).open(path)
    main = path / "zarr.json"
    main.rename(tmp_path / "kept.json")
    main.symlink_to(tmp_path / "kept.json")
    refuse(path, "leads out of")
    main.unlink()
    (tmp_path / "kept.json").rename(main)
    shutil.rmtree(path / "0")
    (path / "0").symlink_to(other / "0")
    refuse(path, "leads out of")


def test_the_folder_itself_may_be_a_link(foreign: Callable, grey: Callable, tmp_path: Path) -> None:
    path = foreign(grey())
    (tmp_path / "link.zarr").symlink_to(path)
    assert read_volume(tmp_path / "link.zarr", kv=2).shape == (5, 6, 7)


def test_pipes_among_the_chunks_are_not_waited_for(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    chunk = chunk_files(path)[0]
    chunk.unlink()
    os.mkfifo(chunk)
    refuse(path, "is not a file but a pipe")


def test_a_folder_without_the_suffix_is_found_by_its_content(
    foreign: Callable, grey: Callable
) -> None:
    path = foreign(grey(), name="plain-folder")
    assert reader_of(path) is Zarr
    assert read_volume(path, kv=2).shape == (5, 6, 7)
