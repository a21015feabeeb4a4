import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from reading import read

from fib_plugins.readers.tiff import write
from fibcore import FibError, Images, Labels, Material
from fibcore.formats import write_volume
from fibcore.materials import EPOXY

VOXEL = (46.176923076923075, 1 / 3, 3.26)
NMC = Material(
    name="NMC811",
    composition={"Ni": 0.8, "Mn": 0.1, "Co": 0.1, "Li": 1, "O": 2},
    density_g_cm3=4.75,
    source="test",
)


@pytest.fixture(params=["imagej", "ome"])
def container(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write everything as if it were small, or as if it were beyond 4 GB."""
    if request.param == "ome":
        monkeypatch.setattr(write, "IMAGEJ_MAX_BYTES", 0)
    return request.param


def images(dtype: str = "uint16", shape: tuple[int, ...] = (2, 5, 6, 7)) -> Images:
    data = np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    kv = (1.5, None, 3.0, 4.0)[: shape[0]]
    names = ("1.5 kV µ", "probability", "c", "d")[: shape[0]]
    return Images(data, VOXEL, kv=kv, names=names, quantity="backscatter yield")


def labels(shape: tuple[int, int, int] = (5, 6, 7)) -> Labels:
    data = np.random.default_rng(2).integers(0, 3, shape).astype(np.uint8)
    return Labels(data, VOXEL, phases={0: EPOXY, 1: NMC, 2: NMC})


def described(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as tif:
        content = tif.imagej_metadata
    assert content is not None
    return content


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_images_read_back_exactly(tmp_path: Path, container: str, dtype: str) -> None:
    volume = images(dtype)
    write_volume(volume, tmp_path / "images.tif")
    back = read("images.tif", base=tmp_path)
    assert isinstance(back, Images)
    assert back.data.dtype == volume.data.dtype
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.voxel_size_nm == volume.voxel_size_nm
    assert (back.kv, back.names, back.quantity) == (volume.kv, volume.names, volume.quantity)


def test_labels_read_back_exactly(tmp_path: Path, container: str) -> None:
    volume = labels()
    write_volume(volume, tmp_path / "labels.tif")
    back = read("labels.tif", base=tmp_path)
    assert isinstance(back, Labels)
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.voxel_size_nm == volume.voxel_size_nm
    assert back.phases == volume.phases
    for phase, material in volume.phases.items():
        assert list(back.phases[phase].composition) == list(material.composition)


def test_labels_without_materials_stay_without(tmp_path: Path, container: str) -> None:
    write_volume(Labels(labels().data, VOXEL, phases={}), tmp_path / "labels.tif")
    back = read("labels.tif", base=tmp_path)
    assert isinstance(back, Labels)
    assert back.phases == {}
    np.testing.assert_array_equal(back.data, labels().data)


def test_what_is_written_is_read_memory_mapped(tmp_path: Path, container: str) -> None:
    write_volume(images(), tmp_path / "images.tif")
    write_volume(labels(), tmp_path / "labels.tif")
    for name in ("images.tif", "labels.tif"):
        data = read(name, base=tmp_path).data
        assert isinstance(data, np.memmap)
        assert not data.flags.writeable


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 4, 1), (4, 4, 3), (3, 1, 4), (1, 8, 4), (3, 3, 3), (4, 5, 4)]
)
def test_no_small_axis_is_mistaken_for_colours(
    tmp_path: Path, container: str, shape: tuple[int, ...], channels: int
) -> None:
    volume = images("float32", (channels, *shape))
    write_volume(volume, tmp_path / "images.tif")
    back = read("images.tif", base=tmp_path, trusted=True)
    np.testing.assert_array_equal(back.data, volume.data)


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path, container: str) -> None:
    for name in ("a.tif", "b.tif"):
        write_volume(images(), tmp_path / name)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    assert tifffile.__version__.encode() not in (tmp_path / "a.tif").read_bytes()


def test_views_and_other_byte_orders_are_written_as_they_look(
    tmp_path: Path, container: str
) -> None:
    whole = images()
    for data in (
        whole.data[:, ::2, ::-1, 1:],
        whole.data.astype(">u2"),
        np.asfortranarray(whole.data),
    ):
        write_volume(whole.with_data(data), tmp_path / "images.tif")
        np.testing.assert_array_equal(read("images.tif", base=tmp_path).data, data)


def test_fiji_finds_voxel_size_display_range_and_channel_names(tmp_path: Path) -> None:
    write_volume(images(), tmp_path / "images.tif")
    with tifffile.TiffFile(tmp_path / "images.tif") as tif:
        assert tif.is_imagej
        assert not tif.is_bigtiff
        assert tif.byteorder == "<"
        page = tif.pages.first
        assert page.compression == 1
        assert "DateTime" not in page.tags
        x = page.tags["XResolution"].value
        y = page.tags["YResolution"].value
    content = described(tmp_path / "images.tif")
    assert content["unit"] == "nm"
    assert content["spacing"] == VOXEL[0]
    assert (content["images"], content["channels"], content["slices"]) == (10, 2, 5)
    assert content["hyperstack"] is True
    assert (x[1] / x[0], y[1] / y[0]) == pytest.approx((VOXEL[2], VOXEL[1]), rel=1e-9)
    assert max(*x, *y) < 2**31
    assert content["Labels"] == ["1.5 kV µ", "probability"] * 5
    assert content["min"] < content["max"]
    assert content["Ranges"] == (content["min"], content["max"]) * 2
    assert json.loads(content["Info"])["type"] == "images"


def test_fiji_shows_labels_from_black_to_white(tmp_path: Path) -> None:
    write_volume(labels(), tmp_path / "labels.tif")
    content = described(tmp_path / "labels.tif")
    assert (content["min"], content["max"]) == (0, 2)


def test_the_display_range_of_floats_leaves_out_outliers_and_nan(tmp_path: Path) -> None:
    data = np.random.default_rng(0).random((1, 8, 60, 60), dtype=np.float32)
    data[0, 0, 0, :3] = (np.nan, 1e9, -1e9)
    write_volume(Images(data, (1.0, 1.0, 1.0), kv=(1,)), tmp_path / "a.tif")
    write_volume(Images(np.full_like(data, 2.0), (1.0, 1.0, 1.0), kv=(1,)), tmp_path / "flat.tif")
    content = described(tmp_path / "a.tif")
    assert 0 <= content["min"] < 0.01
    assert 0.99 < content["max"] <= 1
    flat = described(tmp_path / "flat.tif")
    assert (flat["min"], flat["max"]) == (2, 3)


def test_beyond_four_gigabytes_it_is_ome_bigtiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = images()
    monkeypatch.setattr(write, "IMAGEJ_MAX_BYTES", volume.data.nbytes - 1)
    write_volume(volume, tmp_path / "images.tif")
    with tifffile.TiffFile(tmp_path / "images.tif") as tif:
        assert tif.is_ome
        assert tif.is_bigtiff
        assert tif.ome_metadata is not None
        pixels = tifffile.xml2dict(tif.ome_metadata)["OME"]["Image"]["Pixels"]
        assert tif.series[0].axes == "ZCYX"
    for axis, size in zip("ZYX", VOXEL, strict=True):
        assert pixels[f"PhysicalSize{axis}"] == size
        assert pixels[f"PhysicalSize{axis}Unit"] == "nm"
    assert [channel["Name"] for channel in pixels["Channel"]] == list(volume.names)


def test_a_failed_write_leaves_no_file_and_reports_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "write", full)
    with pytest.raises(FibError, match=r"No space left on device.*it needs .* free in"):
        write_volume(images(), tmp_path / "images.tif")
    assert not (tmp_path / "images.tif").exists()


def test_a_missing_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FibError, match="must exist and be writable"):
        write_volume(images(), tmp_path / "nowhere" / "images.tif")
