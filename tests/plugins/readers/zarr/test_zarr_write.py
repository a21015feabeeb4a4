"""Volumes of fib as OME-Zarr: read back exactly, by fib and by other programs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from ome_zarr_models import open_ome_zarr
from ome_zarr_models.v05 import Image, ImageLabel

from fib_plugins.readers.stacks import voxel_files
from fib_plugins.readers.zarr import levels
from fib_plugins.readers.zarr.levels import levels_of
from fib_plugins.readers.zarr.reader import Zarr
from fibcore import FibError, Images, Labels, Material
from fibcore.formats import read_volume, write_volume
from fibcore.materials import EPOXY

VOXEL = (46.176923076923075, 1 / 3, 3.26)
NMC = Material(
    name="NMC811",
    composition={"Ni": 0.8, "Mn": 0.1, "Co": 0.1, "Li": 1, "O": 2},
    density_g_cm3=4.75,
    source="test",
)


@pytest.fixture(params=[256, 2])
def pyramid(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Write everything as if it were small, or as if it were large: with all levels."""
    monkeypatch.setattr(levels, "SMALL_ENOUGH", request.param)
    return request.param


def images(dtype: str = "uint16", shape: tuple[int, ...] = (2, 5, 6, 7)) -> Images:
    data = np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    kv = (1.5, None, 3.0, 4.0)[: shape[0]]
    names = ("1.5 kV µ", "probability", "c", "d")[: shape[0]]
    return Images(data, VOXEL, kv=kv, names=names, quantity="backscatter yield")


def labels(shape: tuple[int, int, int] = (5, 6, 7)) -> Labels:
    data = np.random.default_rng(2).integers(0, 3, shape).astype(np.uint8)
    return Labels(data, VOXEL, phases={0: EPOXY, 1: NMC, 2: NMC})


def contents(path: Path) -> dict[str, bytes]:
    files = (file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_images_read_back_exactly(tmp_path: Path, pyramid: int, dtype: str) -> None:
    volume = images(dtype)
    write_volume(volume, tmp_path / "images.ome.zarr")
    back = read_volume(tmp_path / "images.ome.zarr")
    assert isinstance(back, Images)
    assert isinstance(back.data, np.memmap)
    assert not back.data.flags.writeable
    assert back.data.dtype == volume.data.dtype
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.voxel_size_nm == volume.voxel_size_nm
    assert (back.kv, back.names, back.quantity) == (volume.kv, volume.names, volume.quantity)


def test_labels_read_back_exactly(tmp_path: Path, pyramid: int) -> None:
    volume = labels()
    write_volume(volume, tmp_path / "labels.ome.zarr")
    back = read_volume(tmp_path / "labels.ome.zarr")
    assert isinstance(back, Labels)
    assert isinstance(back.data, np.memmap)
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.voxel_size_nm == volume.voxel_size_nm
    assert back.phases == volume.phases
    for phase, material in volume.phases.items():
        assert list(back.phases[phase].composition) == list(material.composition)


def test_labels_without_materials_stay_without(tmp_path: Path) -> None:
    write_volume(Labels(labels().data, VOXEL, phases={}), tmp_path / "labels.ome.zarr")
    back = read_volume(tmp_path / "labels.ome.zarr")
    assert isinstance(back, Labels)
    assert back.phases == {}


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 4, 1), (1, 8, 4), (300, 2, 1), (1, 1, 300)])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_axes_are_no_problem(tmp_path: Path, shape: tuple[int, ...], channels: int) -> None:
    volume = images("float32", (channels, *shape))
    write_volume(volume, tmp_path / "images.ome.zarr")
    back = Zarr().open(tmp_path / "images.ome.zarr", trusted=True).read(None)  # type: ignore[arg-type]
    np.testing.assert_array_equal(back.data, volume.data)


@pytest.mark.parametrize("make", [images, labels])
def test_the_library_and_the_standard_agree(
    tmp_path: Path, pyramid: int, make: Callable[[], Any]
) -> None:
    volume = make()
    write_volume(volume, tmp_path / "v.ome.zarr")
    group = zarr.open_group(tmp_path / "v.ome.zarr", mode="r")
    is_image = isinstance(volume, Images)
    Image.from_zarr(group)
    assert type(open_ome_zarr(group)) is (Image if is_image else ImageLabel)
    ome: Any = group.attrs["ome"]
    assert ("image-label" in ome, "omero" in ome) == (not is_image, is_image)
    image = ome["multiscales"][0]
    assert [axis["name"] for axis in image["axes"]] == list("czyx" if is_image else "zyx")
    assert all(axis["unit"] == "nanometer" for axis in image["axes"][-3:])
    for number, dataset in enumerate(image["datasets"]):
        array: Any = group[dataset["path"]]
        other = read_volume(tmp_path / "v.ome.zarr", level=number)
        np.testing.assert_array_equal(array[...], other.data)
        assert dataset["coordinateTransformations"][0]["scale"][-3:] == pytest.approx(
            list(other.voxel_size_nm)
        )
        assert array.metadata.dimension_names == tuple(axis["name"] for axis in image["axes"])
    assert len(image["datasets"]) == (1 if pyramid == 256 else 9)
    full: Any = group["0"]
    np.testing.assert_array_equal(full[..., 1:3, 2:5, :], volume.data[..., 1:3, 2:5, :])


def test_viewers_find_windows_names_and_colours(tmp_path: Path) -> None:
    write_volume(images(), tmp_path / "i.ome.zarr")
    write_volume(labels(), tmp_path / "l.ome.zarr")
    ome = [json.loads((tmp_path / n / "zarr.json").read_text())["attributes"]["ome"]
           for n in ("i.ome.zarr", "l.ome.zarr")]  # fmt: skip
    channels = ome[0]["omero"]["channels"]
    assert [channel["label"] for channel in channels] == ["1.5 kV µ", "probability"]
    window = channels[0]["window"]
    assert window["start"] < window["end"] <= window["max"]
    phases = ome[1]["image-label"]
    assert [colour["label-value"] for colour in phases["colors"]] == [0, 1, 2]
    assert phases["colors"][0]["rgba"] == [0, 0, 0, 0]
    assert phases["properties"][1] == {"label-value": 1, "material": "NMC811"}


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path, pyramid: int) -> None:
    for make in (images, labels):
        for name in ("a.ome.zarr", "b.zarr"):
            write_volume(make(), tmp_path / name)  # type: ignore[operator]
        assert contents(tmp_path / "a.ome.zarr") == contents(tmp_path / "b.zarr")


def test_views_and_other_byte_orders_are_written_as_they_look(tmp_path: Path) -> None:
    whole = images()
    for data in (
        whole.data[:, ::2, ::-1, 1:],
        whole.data.astype(">u2"),
        np.asfortranarray(whole.data),
    ):
        write_volume(whole.with_data(data), tmp_path / "images.ome.zarr")
        np.testing.assert_array_equal(read_volume(tmp_path / "images.ome.zarr").data, data)


def test_a_coarser_level_of_fib_has_its_voxel_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(levels, "SMALL_ENOUGH", 10)
    volume = Images(np.random.default_rng(0).random((1, 20, 24, 28), np.float32), 5.0, kv=(2,))  # type: ignore[arg-type]
    write_volume(volume, tmp_path / "a.ome.zarr")
    coarse = read_volume(tmp_path / "a.ome.zarr", level=1)
    assert isinstance(coarse, Images)
    assert coarse.voxel_size_nm == (10, 10, 10)
    assert coarse.kv == (2,)
    expected = volume.data.reshape(1, 10, 2, 12, 2, 14, 2).mean(axis=(2, 4, 6))
    np.testing.assert_allclose(coarse.data, expected, rtol=1e-6)


# -- levels ----------------------------------------------------------------------------------


def test_levels_come_near_to_cubes() -> None:
    found = levels_of((400, 2000, 3000), (20, 5, 5))
    assert [level.voxel_size_nm for level in found] == [
        (20, 5, 5), (20, 10, 10), (20, 20, 20), (40, 40, 40), (80, 80, 80)
    ]  # fmt: skip
    assert [level.shape for level in found][-1] == (100, 125, 188)
    assert levels_of((200, 256, 256), (5, 5, 5))[1:] == []
    assert levels_of((1, 1, 1000), (5, 5, 5))[-1].shape == (1, 1, 250)


def test_means_and_most_frequent_phases_of_all_factors() -> None:
    rng = np.random.default_rng(1)
    for high in (1, 2, 5, 40, 255):
        for factors in ((1, 2, 2), (2, 2, 2), (2, 1, 1), (1, 1, 2)):
            block = rng.integers(0, high + 1, (5, 6, 7)).astype(np.uint8)
            mean, mode = levels._mean(block, factors), levels._mode(block, factors)
            for place in np.ndindex(mean.shape):
                part = block[
                    tuple(slice(n * f, n * f + f) for n, f in zip(place, factors, strict=True))
                ]
                lacking = [(0, f - n) for f, n in zip(factors, part.shape, strict=True)]
                values = np.pad(part, lacking, mode="edge").ravel()
                counts = np.bincount(values)
                assert mode[place] == np.flatnonzero(counts == counts.max()).max()
                assert mean[place] == int(np.floor(values.mean() + 0.5))


def test_levels_of_many_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "SMALL_ENOUGH", 8)
    monkeypatch.setattr(levels, "CHUNK", 4)
    monkeypatch.setattr(levels, "CHUNKS_PER_SHARD", 2)
    data = np.random.default_rng(0).integers(0, 2**16, (2, 37, 41, 39)).astype(np.uint16)
    write_volume(Images(data, (5, 5, 5), kv=(1, 2)), tmp_path / "a.ome.zarr")
    expected = data
    for level in range(1, 4):
        expected = levels._mean(expected, (2, 2, 2))
        found = read_volume(tmp_path / "a.ome.zarr", level=level).data
        np.testing.assert_array_equal(found, expected)
    assert len(list((tmp_path / "a.ome.zarr" / "1" / "c").rglob("*"))) > 20


# -- what is in the place --------------------------------------------------------------------


def test_an_image_is_replaced_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.zarr"
    write_volume(images(), path)
    write_volume(labels(), path)
    assert isinstance(read_volume(path), Labels)
    assert os.listdir(tmp_path) == ["a.ome.zarr"]
    (tmp_path / "b.zarr").mkdir()
    (tmp_path / "b.zarr" / "thesis.txt").write_text("keep me")
    with pytest.raises(FibError, match="folder with other files, which are not replaced"):
        write_volume(labels(), tmp_path / "b.zarr")
    (tmp_path / "c.zarr").write_text("keep me")
    with pytest.raises(FibError, match="is not a folder; remove it"):
        write_volume(labels(), tmp_path / "c.zarr")
    (tmp_path / "d.zarr").symlink_to(path)
    with pytest.raises(FibError, match="is not a folder; remove it"):
        write_volume(labels(), tmp_path / "d.zarr")
    assert sorted(os.listdir(tmp_path)) == ["a.ome.zarr", "b.zarr", "c.zarr", "d.zarr"]


def test_a_failed_write_leaves_nothing_and_reports_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fib_plugins.readers.zarr.write.write_voxels", full)
    with pytest.raises(FibError, match=r"No space left on device.*it needs .* free in"):
        write_volume(images(), tmp_path / "images.ome.zarr")
    assert os.listdir(tmp_path) == []
    with pytest.raises(FibError, match="must exist and be writable"):
        write_volume(images(), tmp_path / "nowhere" / "images.ome.zarr")


def test_the_voxels_are_aligned_for_all_types(tmp_path: Path) -> None:
    write_volume(images("float32"), tmp_path / "a.ome.zarr")
    data: Any = read_volume(tmp_path / "a.ome.zarr").data
    assert data.offset == voxel_files.START
    assert data.flags.aligned
