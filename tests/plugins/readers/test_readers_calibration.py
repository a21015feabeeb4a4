import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from reading import probe, read

from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError, Images, Labels, VolumeSpec
from fibcore.formats import write_volume

VOXEL = (10.0, 10.0, 10.0)
FEI_TAG, ZEISS_TAG = 34682, 34118
FEI = """[User]
Date=03/04/2021
[Beam]
HV={hv}
Beam=EBeam
Scan=EScan
[EBeam]
HV={hv}
[IBeam]
HV=30000
[Scan]
PixelWidth={x}
PixelHeight=4e-09
[Image]
ResolutionX=5
ResolutionY=6
"""
ZEISS = """0
0
0
1.5e-08
AP_WIDTH
Width = 10.00 µm
AP_IMAGE_PIXEL_SIZE
Image Pixel Size = 4.500 nm
AP_ACTUALKV
EHT = 1.50 kV
"""


def spec_of(source: str, params: Tiff, base: Path) -> VolumeSpec:
    spec = probe(source, params, base=base).output
    assert spec is not None
    return spec


def images_of(source: str, params: Tiff, base: Path) -> Images:
    volume = read(source, params, base=base)
    assert isinstance(volume, Images)
    return volume


def described(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as tif:
        content = tif.imagej_metadata
    assert content is not None
    return content


def vendor_tag(code: int, text: str) -> tuple[int, int, int, bytes, bool]:
    """Return a private ASCII tag as tifffile's `extratags` wants it."""
    data = text.replace("\n", "\r\n").encode("cp1252") + b"\0"
    return (code, 2, len(data), data, True)


def fei(x: str = "5e-09", hv: int = 2000) -> list:
    return [vendor_tag(FEI_TAG, FEI.format(x=x, hv=hv))]


@pytest.mark.parametrize(
    ("unit", "factor"), [("nm", 1), ("um", 1e3), ("\\u00B5m", 1e3), ("micron", 1e3), ("mm", 1e6)]
)
def test_imagej_stacks_give_their_voxel_size(
    tmp_path: Path, grey: Callable, unit: str, factor: float
) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif",
        grey(),
        imagej=True,
        resolution=(factor / 5, factor / 4),
        metadata={"axes": "ZYX", "unit": unit, "spacing": 20 / factor},
    )
    spec = spec_of("s.tif", Tiff(kv=2), tmp_path)
    assert spec.voxel_size_nm == pytest.approx((20, 4, 5))


def test_ome_stacks_give_their_voxel_size(tmp_path: Path, grey: Callable) -> None:
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 0.005,
        "PhysicalSizeY": 0.004,
        "PhysicalSizeZ": 0.02,
    }
    tifffile.imwrite(tmp_path / "s.ome.tif", grey(), metadata=metadata)
    spec = spec_of("s.ome.tif", Tiff(kv=2), tmp_path)
    assert spec.voxel_size_nm == pytest.approx((20, 4, 5))


def test_fei_slices_give_pixel_size_and_voltage(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=fei())
    with pytest.raises(
        FibError, match=r"FEI tags give a pixel of 4 x 5 nm .*slice thickness.*\[10, 4, 5\]"
    ):
        probe(".", base=tmp_path)
    spec = spec_of(".", Tiff(voxel_size_nm=(20, 4, 5)), tmp_path)
    assert spec.kv == pytest.approx((2,))


def test_zeiss_slices_give_pixel_size_and_voltage(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=[vendor_tag(ZEISS_TAG, ZEISS)])
    with pytest.raises(FibError, match=r"Zeiss tags give a pixel of 4.5 x 4.5 nm"):
        probe(".", base=tmp_path)
    params = Tiff(voxel_size_nm=(20, 4.5, 4.5))
    assert spec_of(".", params, tmp_path).kv == pytest.approx((1.5,))
    assert probe(".", params, base=tmp_path).warnings == ()


def test_a_data_bar_is_pointed_out_unless_it_is_cut_off(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices(["s1.tif", "s2.tif"], shape=(8, 5), extratags=fei())
    params = Tiff(voxel_size_nm=(20, 4, 5))
    assert 'region: {"y": [0, 6]}' in probe(".", params, base=tmp_path).warnings[0]
    cut = params.model_copy(update={"region": {"y": (0, 6)}})
    assert probe(".", cut, base=tmp_path).warnings == ()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"resolution": (72, 72), "resolutionunit": "inch"},
        {"resolution": (96, 96), "resolutionunit": "inch"},
        {"resolution": (1, 1), "resolutionunit": "none"},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX", "unit": "pixel", "spacing": 1}},
    ],
)
def test_no_voxel_size_is_an_error_with_advice_to_set_it(
    tmp_path: Path, grey: Callable, options: dict
) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey(), **options)
    with pytest.raises(FibError, match=r"give a voxel size.*voxel_size_nm: \[z, y, x"):
        probe("s.tif", Tiff(kv=2), base=tmp_path)


def test_no_voltage_is_an_error_for_images_alone(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey() % 2)
    with pytest.raises(FibError, match=r"do not give the accelerating voltage.*set kv: \[2\]"):
        probe("s.tif", Tiff(voxel_size_nm=10), base=tmp_path)
    labels = Tiff.model_validate({"voxel_size_nm": 10, "as": "labels"})
    assert spec_of("s.tif", labels, tmp_path).kv == ()


@pytest.mark.parametrize(("kv", "count"), [(2, 1), ((2,), 1), ((1, 2, 3), 3)])
def test_the_number_of_voltages_must_be_that_of_the_channels(
    tmp_path: Path, grey: Callable, kv: object, count: int
) -> None:
    data = grey((5, 2, 6, 7))
    tifffile.imwrite(tmp_path / "s.tif", data, imagej=True, metadata={"axes": "ZCYX"})
    with pytest.raises(FibError, match=f"2 channels, but kv gives {count} voltage"):
        probe("s.tif", Tiff(voxel_size_nm=10, kv=kv), base=tmp_path)


def test_parameters_win_with_a_warning_where_a_tag_differs(
    tmp_path: Path, write_slices: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=fei())
    params = Tiff(voxel_size_nm=(20, 4.02, 6), kv=3)
    with caplog.at_level(logging.WARNING, "fib"):
        volume = images_of(".", params, tmp_path)
    assert volume.voxel_size_nm == (20, 4.02, 6)
    assert volume.kv == (3,)
    size, voltage = (record.getMessage() for record in caplog.records)
    assert "[20, 4.02, 6] nm is set and used" in size
    assert "[?, 4, 5] nm (differs along x)" in size
    assert "kv 3 kV is set" in voltage
    assert "2 kV" in voltage


@pytest.mark.parametrize("change", [{"x": "6e-09"}, {"hv": 1000}])
def test_slices_of_different_calibration_are_refused_by_name(
    tmp_path: Path, write_slices: Callable, grey: Callable, change: dict
) -> None:
    write_slices(["s1.tif", "s2.tif"], extratags=fei())
    tifffile.imwrite(tmp_path / "s3.tif", grey((6, 5)), extratags=fei(**change))
    known = {"voxel_size_nm": (20, 4, 5)} if "hv" in change else {"kv": 2}
    with pytest.raises(FibError, match=r"not alike.*s1.tif.*s3.tif"):
        probe(".", Tiff(**known), base=tmp_path)
    params = Tiff(voxel_size_nm=(20, 4, 5), kv=2)
    assert spec_of(".", params, tmp_path).shape == (3, 6, 5)


def test_params_win_over_fibs_own_metadata(tmp_path: Path, grey: Callable) -> None:
    write_volume(Images(grey(), VOXEL, kv=(2,), names=("BSE",)), tmp_path / "s.tif")
    volume = images_of("s.tif", Tiff(voxel_size_nm=20, kv=4), tmp_path)
    assert (volume.voxel_size_nm, volume.kv, volume.names) == ((20, 20, 20), (4,), ("4 kV",))


def test_recalibration_in_fiji_is_noticed_and_believed(
    tmp_path: Path, grey: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    stack = grey()
    write_volume(Images(stack, VOXEL, kv=(2,)), tmp_path / "s.tif")
    info = described(tmp_path / "s.tif")["Info"]
    tifffile.imwrite(
        tmp_path / "scaled.tif",
        stack[:, ::2, ::2],
        imagej=True,
        resolution=(1 / 20, 1 / 20),
        metadata={"axes": "ZYX", "unit": "nm", "spacing": 10.0, "Info": info + "\nScaled"},
    )
    volume = images_of("scaled.tif", Tiff(), tmp_path)
    assert volume.voxel_size_nm == pytest.approx((10, 20, 20))
    assert volume.kv == (2,)
    assert "it was changed since" in caplog.text


@pytest.mark.parametrize("info", ['{"fib": 1, "type": "imag', '{"fib": 9}', "free text", "[1]"])
def test_foreign_or_damaged_info_is_left_alone(tmp_path: Path, grey: Callable, info: str) -> None:
    metadata = {"axes": "ZYX", "unit": "nm", "spacing": 10.0, "Info": info}
    tifffile.imwrite(
        tmp_path / "s.tif", grey(), imagej=True, resolution=(0.2, 0.2), metadata=metadata
    )
    spec = spec_of("s.tif", Tiff(kv=2), tmp_path)
    assert spec.voxel_size_nm == pytest.approx((10, 5, 5))


@pytest.mark.parametrize(
    "region", [{"z": (1, 3)}, {"y": (0, 2), "x": (4, 5)}, {"z": (3, 4), "y": (5, 6), "x": (0, 1)}]
)
def test_a_region_is_cut_out_in_voxels(tmp_path: Path, grey: Callable, region: dict) -> None:
    stack = grey((5, 6, 7), "uint16")
    box = tuple(slice(*region.get(axis, (None,))) for axis in "zyx")
    params = Tiff(voxel_size_nm=10, kv=2, region=region)
    tifffile.imwrite(tmp_path / "mapped.tif", stack)
    tifffile.imwrite(tmp_path / "decoded.tif", stack, compression="zlib")
    for name in ("mapped.tif", "decoded.tif"):
        spec = spec_of(name, params, tmp_path)
        volume = read(name, params, base=tmp_path, trusted=True)
        np.testing.assert_array_equal(volume.data[0], stack[box])
        assert spec == volume.spec


def test_a_region_outside_is_refused(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey())
    params = Tiff(voxel_size_nm=10, kv=2, region={"y": (2, 7)})
    with pytest.raises(FibError, match=r"region y: \[2, 7\] exceeds the 6 voxels"):
        probe("s.tif", params, base=tmp_path)


def test_labels_take_no_voltage_and_images_no_materials(tmp_path: Path, grey: Callable) -> None:
    write_volume(Labels(grey() % 2, VOXEL), tmp_path / "labels.tif")
    write_volume(Images(grey(), VOXEL, kv=(2,)), tmp_path / "images.tif")
    with pytest.raises(FibError, match="no accelerating voltage"):
        probe("labels.tif", Tiff(kv=2), base=tmp_path)
    with pytest.raises(FibError, match="no materials"):
        probe("images.tif", Tiff(materials=("epoxy", "Au")), base=tmp_path)
