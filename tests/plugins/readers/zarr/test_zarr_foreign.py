"""Images of other programs, written with the zarr library."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ngff import multiscales
from zarr.codecs import BytesCodec, GzipCodec, ZstdCodec
from zarr.storage import LocalStore

from fib_plugins.readers.zarr import planes
from fib_plugins.readers.zarr.reader import Zarr
from fibcore import FibError, Images, Labels
from fibcore.formats import read_volume, reader_of

READ: dict[str, Any] = {"kv": 2}


def read(path: Path, **params: Any) -> Any:
    return read_volume(path, **{**READ, **params})


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_grey_values_and_voxel_size_are_read(
    foreign: Callable, grey: Callable, version: int, dtype: str
) -> None:
    data = grey((9, 10, 11), dtype)
    images = read(foreign(data, version=version, scale=[10.0, 5.0, 4.0]))
    assert isinstance(images, Images)
    assert images.data.dtype == dtype
    np.testing.assert_array_equal(images.data[0], data)
    assert images.voxel_size_nm == (10, 5, 4)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("axes", ["czyx", "tczyx", "tzyx", "zyx", "xyz", "cxyz", "zcyx"])
def test_axes_are_found_by_name(foreign: Callable, grey: Callable, axes: str, version: int) -> None:
    sizes = {"t": 1, "c": 2, "z": 5, "y": 6, "x": 7}
    data = grey(tuple(sizes[axis] for axis in axes), "uint16")
    channels = 2 if "c" in axes else 1
    images = read(foreign(data, axes, version=version), kv=[2.0, 3.0][:channels])
    order = [axes.index(axis) for axis in "tczyx" if axis in axes]
    np.testing.assert_array_equal(images.data, data.transpose(order).reshape(channels, 5, 6, 7))
    assert images.kv == (2.0, 3.0)[:channels]


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nanometer", 1), ("micrometer", 1e3), ("angstrom", 0.1), ("picometer", 1e-3),
        ("millimeter", 1e6), ("meter", 1e9), ("nm", 1), ("µm", 1e3),
    ],
)  # fmt: skip
def test_units_are_converted(foreign: Callable, grey: Callable, unit: str, nm: float) -> None:
    scale = [10 / nm, 5 / nm, 5 / nm]
    assert read(foreign(grey(), unit=unit, scale=scale)).voxel_size_nm == pytest.approx((10, 5, 5))


@pytest.mark.parametrize("unit", [None, "parsec", "pixel"])
def test_a_scale_without_a_unit_of_length_is_no_voxel_size(
    foreign: Callable, grey: Callable, unit: str | None
) -> None:
    path = foreign(grey(), unit=unit)
    with pytest.raises(
        FibError, match=r"do not give a voxel size .*set voxel_size_nm.* unit of its scale"
    ):
        read(path)
    assert read(path, voxel_size_nm=7).voxel_size_nm == (7, 7, 7)


def test_the_scale_of_all_levels_is_multiplied(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey())
    group = zarr.open_group(path)
    found: Any = group.attrs["ome"]
    found["multiscales"][0]["coordinateTransformations"] = [
        {"type": "scale", "scale": [2.0, 3.0, 4.0]}
    ]
    group.attrs["ome"] = found
    assert read(path).voxel_size_nm == (10, 15, 20)


def test_channels_have_the_names_that_viewers_show(foreign: Callable, grey: Callable) -> None:
    omero = {"channels": [{"label": "BSE"}, {"label": "SE"}]}
    path = foreign(grey((2, 5, 6, 7)), "czyx", extra={"omero": omero})
    assert read(path, kv=[2, 2]).names == ("BSE", "SE")
    with pytest.raises(FibError, match=r"accelerating voltage of their 2 channels; set kv"):
        read(path, kv=None)


def test_labels_are_read_as_labels(foreign: Callable, grey: Callable, tmp_path: Path) -> None:
    path = foreign(grey())
    data = np.random.default_rng(0).integers(0, 2, (5, 6, 7)).astype(np.uint32)
    inner = foreign(data, name="image.ome.zarr/labels/cells", extra={"image-label": {}})
    labels = read_volume(inner)
    assert isinstance(labels, Labels)
    np.testing.assert_array_equal(labels.data, data)
    assert reader_of(inner) is Zarr
    assert isinstance(read(path), Images)


def test_a_group_that_is_no_image_names_what_it_holds(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey(), name="well.zarr/0")
    zarr.create_group(LocalStore(path.parent))
    with pytest.raises(
        FibError, match=r"without an NGFF image .*it holds 0: give one .*well.zarr/0"
    ):
        read(path.parent)
    assert read(path.parent / "0").shape == (5, 6, 7)


def test_a_coarser_level_has_larger_voxels(foreign: Callable, grey: Callable) -> None:
    path = foreign(grey((8, 8, 8)))
    group = zarr.open_group(path)
    small = group.create_array("1", shape=(8, 4, 4), dtype="uint8", chunks=(4, 4, 4))
    small[...] = grey((8, 4, 4)) + 1
    found: Any = group.attrs["ome"]
    found["multiscales"] = multiscales("zyx", [[5, 5, 5], [5, 10, 10]], "nanometer")
    group.attrs["ome"] = found
    images = read(path, level=1)
    assert images.shape == (8, 4, 4)
    assert images.voxel_size_nm == (5, 10, 10)
    with pytest.raises(FibError, match="has 2 levels of resolution, 0 to 1; level 2 is set"):
        read(path, level=2)


@pytest.mark.parametrize("version", [2, 3])
def test_plain_arrays_need_a_voxel_size(tmp_path: Path, grey: Callable, version: int) -> None:
    for shape in ((5, 6, 7), (2, 5, 6, 7)):
        array = zarr.create_array(
            LocalStore(tmp_path / "plain.zarr"),
            shape=shape,
            dtype="uint16",
            chunks=(4,) * len(shape),
            zarr_format=version,  # type: ignore[arg-type]
            overwrite=True,
        )
        array[...] = data = grey(shape, "uint16") + 1
        kv = [2, 3][: 1 if len(shape) == 3 else 2]
        images = read(tmp_path / "plain.zarr", voxel_size_nm=5, kv=kv)
        np.testing.assert_array_equal(images.data, data.reshape(-1, 5, 6, 7))
        with pytest.raises(FibError, match="voxel size"):
            read(tmp_path / "plain.zarr", kv=kv)
    with pytest.raises(FibError, match="one level of resolution; leave out level"):
        read(tmp_path / "plain.zarr", level=1, voxel_size_nm=5)


def test_axes_of_a_plain_array_are_those_that_it_names(tmp_path: Path, grey: Callable) -> None:
    data = grey((7, 6, 5)) + 1
    array = zarr.create_array(
        LocalStore(tmp_path / "plain.zarr"),
        data=data,
        chunks=(4, 4, 4),
        dimension_names=["x", "y", "z"],
    )
    assert array.shape == (7, 6, 5)
    images = read(tmp_path / "plain.zarr", voxel_size_nm=5)
    np.testing.assert_array_equal(images.data[0], data.T)


LAYOUTS: list[dict[str, Any]] = [
    {"version": 3, "compressors": ZstdCodec(level=1)},
    {"version": 3, "compressors": GzipCodec(), "chunk_key_encoding": {"name": "v2"}},
    {"version": 3, "compressors": None},
    {"version": 3, "compressors": None, "serializer": BytesCodec(endian="big")},
    {"version": 3, "compressors": None, "chunks": (9, 10, 11)},
    {
        "version": 3,
        "compressors": None,
        "chunks": (9, 10, 11),
        "serializer": BytesCodec(endian="big"),
    },
    {"version": 3, "chunks": (2, 5, 4), "shards": (4, 10, 8)},
    {"version": 3, "chunks": (1, 10, 11), "shards": (9, 10, 11), "compressors": None},
    {"version": 3, "chunks": (3, 10, 11), "shards": (9, 10, 11), "compressors": None},
    {"version": 3, "chunks": (3, 5, 11), "shards": (9, 10, 11), "compressors": None},
    {"version": 2, "compressors": None},
    {"version": 2, "compressors": None, "order": "F"},
    {"version": 2, "compressors": None, "chunks": (9, 10, 11)},
    {"version": 2, "chunk_key_encoding": {"name": "v2", "separator": "/"}},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_every_layout_gives_the_same_voxels(
    foreign: Callable, grey: Callable, layout: dict[str, Any], dtype: str
) -> None:
    data = grey((9, 10, 11), dtype)
    images = read(foreign(data, **layout))
    np.testing.assert_array_equal(images.data[0], data)
    assert images.data.dtype == np.dtype(dtype)


@pytest.mark.parametrize("number", [4, 8, 12])
def test_raw_planes_in_one_file_are_mapped(foreign: Callable, grey: Callable, number: int) -> None:
    images = read(foreign(grey((9, 10, 11)), **LAYOUTS[number]))
    assert isinstance(images.data, np.memmap)
    assert not images.data.flags.writeable


def test_planes_are_decoded_in_few_slabs(
    foreign: Callable, grey: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = grey((2, 9, 10, 11))
    path = foreign(data, "czyx")
    decoded = []
    slab = planes._slab

    def note(header: Any, array: Any, part: slice) -> np.ndarray:
        decoded.append((part.start, part.stop))
        return slab(header, array, part)

    monkeypatch.setattr(planes, "_slab", note)
    np.testing.assert_array_equal(read(path, kv=[1, 2]).data, data)
    assert decoded == [(0, 4), (4, 8), (8, 9)]
    decoded.clear()
    monkeypatch.setattr(planes, "SLAB_BYTES", 2 * 2 * 10 * 11)
    np.testing.assert_array_equal(read(path, kv=[1, 2]).data, data)
    assert decoded == [(0, 2), (2, 4), (4, 6), (6, 8), (8, 9)]


def test_a_region_is_cut_out(foreign: Callable, grey: Callable) -> None:
    data = grey((9, 10, 11))
    images = read(foreign(data), region={"z": [3, 7], "x": [2, 9]})
    np.testing.assert_array_equal(images.data[0], data[3:7, :, 2:9])


def test_the_hash_depends_on_content_and_not_on_the_name_of_the_folder(
    foreign: Callable, grey: Callable, tmp_path: Path
) -> None:
    def digest(path: Path) -> str:
        return Zarr.content_hash(Zarr(kv=2).open(path).files)

    path = foreign(grey())
    shutil.copytree(path, tmp_path / "other.zarr")
    assert digest(tmp_path / "other.zarr") == digest(path)
    chunks = sorted((path / "0" / "c").rglob("*"))
    first, *_, last = (chunk for chunk in chunks if chunk.is_file())
    content = first.read_bytes(), last.read_bytes()
    before = digest(path)
    first.write_bytes(content[1])
    last.write_bytes(content[0])
    assert digest(path) != before
    first.write_bytes(content[0])
    last.write_bytes(content[1])
    assert digest(path) == before
    note = json.loads((path / "zarr.json").read_text())
    note["attributes"]["ome"]["multiscales"][0]["name"] = "another"
    (path / "zarr.json").write_text(json.dumps(note))
    assert digest(path) != before


def test_a_missing_chunk_and_another_one_give_different_hashes(
    foreign: Callable, grey: Callable
) -> None:
    path = foreign(np.ones((16, 4, 4), np.uint8))
    chunks = [path / "0" / "c" / str(i) / "0" / "0" for i in range(4)]
    found = set()
    for chunk in chunks:
        content = chunk.read_bytes()
        chunk.unlink()
        found.add(Zarr.content_hash(Zarr(kv=2, missing_chunks="fill").open(path).files))
        chunk.write_bytes(content)
    assert len(found) == 4
