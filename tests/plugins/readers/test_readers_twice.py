"""Facts that a file tells in two places, and what is taken where they disagree."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile
from reading import probe

from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError, Images
from fibcore.formats import write_volume

KV = Tiff(kv=2)
FEI = "[Beam]\nHV={hv}\nBeam=EBeam\n[Scan]\nPixelWidth=5e-09\nPixelHeight=5e-09\n{more}"
SCANNED = "[Image]\nResolutionX={x}\nResolutionY={y}\n"
ZEISS = "0\nAP_IMAGE_PIXEL_SIZE\nImage Pixel Size = {nm} nm\nAP_ACTUALKV\nEHT = 1.50 kV\n{more}"


def vendor(code: int, text: str) -> tuple[int, int, int, bytes, bool]:
    data = text.replace("\n", "\r\n").encode("cp1252") + b"\0"
    return (code, 2, len(data), data, True)


def opened(base: Path, source: str = "s.tif", params: Tiff = KV) -> tuple[Any, str]:
    """Return the voxel size that is taken, and all warnings."""
    forecast = probe(source, params, base=base)
    assert forecast.output is not None
    return forecast.output.voxel_size_nm, " | ".join(forecast.warnings)


def test_ome_and_imagej_and_resolution_tags_that_disagree(tmp_path: Path, grey: Callable) -> None:
    text = (
        "ImageJ=1.53\nimages=5\nslices=5\nunit=nm\nspacing=10.0\n",
        '<OME><Image><Pixels DimensionOrder="XYZCT" SizeX="7" SizeY="6" SizeZ="5" SizeC="1" '
        'SizeT="1" PhysicalSizeX="0.008" PhysicalSizeY="0.005" PhysicalSizeZ="0.01">'
        '<TiffData IFD="0" PlaneCount="5"/></Pixels></Image></OME>',
    )
    tifffile.imwrite(
        tmp_path / "s.tif", grey(), resolution=(0.2, 0.2), metadata=None,
        extratags=[(270, 2, len(t) + 1, t.encode() + b"\0", True) for t in reversed(text)],
    )  # fmt: skip
    size, warnings = opened(tmp_path)
    assert size == pytest.approx((10, 5, 5))
    assert "[10, 5, 5] nm (z, y, x) of the ImageJ tags is used" in warnings
    assert "the OME-XML tags give [10, 5, 8] nm (differs along x)" in warnings


def test_vendor_and_resolution_tags_that_disagree(tmp_path: Path, write_slices: Callable) -> None:
    tag = vendor(34682, FEI.format(hv=2000, more=""))
    options = {"resolution": (1e6, 1e6), "resolutionunit": "centimeter", "extratags": [tag]}
    write_slices(["z=10nm.tif", "z=20nm.tif", "z=30nm.tif"], **options)
    size, warnings = opened(tmp_path, ".")
    assert size == pytest.approx((10, 5, 5))
    assert "of the Thermo Fisher/FEI tags and names of the slices is used" in warnings
    assert "the TIFF resolution tags give [?, 10, 10] nm" in warnings


def test_names_of_slices_and_fibs_own_metadata_that_disagree(
    tmp_path: Path, grey: Callable
) -> None:
    for i in range(4):
        one = Images(grey((1, 6, 5)), (20.0, 5.0, 5.0), kv=(2,))
        write_volume(one, tmp_path / f"s{i}_z={30 * i}nm.tif")
    size, warnings = opened(tmp_path, ".", Tiff())
    assert size == (20, 5, 5)
    assert "of the fib tags is used; the names of the slices give [30, ?, ?] nm" in warnings


def test_slices_whose_own_metadata_disagree_are_not_alike(tmp_path: Path, grey: Callable) -> None:
    for i, (nm, kv) in enumerate([(5.0, 2), (5.0, 2), (6.0, 2)]):
        write_volume(Images(grey((1, 6, 5)), (20.0, 5.0, nm), kv=(kv,)), tmp_path / f"s{i}.tif")
    with pytest.raises(FibError, match=r"not alike: x is 5 nm in s0.tif and 6 nm in s2.tif"):
        probe(".", Tiff(), base=tmp_path)
    write_volume(Images(grey((1, 6, 5)), (20.0, 5.0, 5.0), kv=(3,)), tmp_path / "s2.tif")
    with pytest.raises(FibError, match=r"voltage is 2 kV in s0.tif and 3 kV in s2.tif"):
        probe(".", Tiff(), base=tmp_path)


def test_names_and_tags_that_disagree_on_the_voltage(
    tmp_path: Path, write_slices: Callable
) -> None:
    tag = vendor(34682, FEI.format(hv=2000, more=""))
    write_slices(["s1_5kV.tif", "s2_5kV.tif"], extratags=[tag])
    _, warnings = opened(tmp_path, ".", Tiff(voxel_size_nm=(10, 5, 5)))
    assert "the names contain 5 kV (s1_5kV.tif), but 2 kV is used" in warnings
    _, warnings = opened(tmp_path, ".", Tiff(voxel_size_nm=(10, 5, 5), kv=5))
    assert "the names contain" not in warnings


def test_two_vendors_that_disagree_on_the_voltage(tmp_path: Path, write_slices: Callable) -> None:
    both = [
        vendor(34682, FEI.format(hv=2000, more="")),
        vendor(34118, ZEISS.format(nm=5, more="")),
    ]
    write_slices(["s1.tif", "s2.tif"], extratags=both)
    _, warnings = opened(tmp_path, ".", Tiff(voxel_size_nm=(10, 5, 5)))
    assert "the 2 kV of the Thermo Fisher/FEI tags are used; the Zeiss tags give 1.5 kV" in warnings


def test_an_image_that_was_scaled_since_it_was_scanned(
    tmp_path: Path, write_slices: Callable
) -> None:
    scanned = SCANNED.format(x=10, y=12)
    write_slices(["s1.tif", "s2.tif"], extratags=[vendor(34682, FEI.format(hv=2e3, more=scanned))])
    _, warnings = opened(tmp_path, ".", Tiff(voxel_size_nm=(10, 5, 5)))
    assert "2 of the 2 slices: the Thermo Fisher/FEI tags are of an image of 12 x 10" in warnings
    assert "the file has 6 x 5" in warnings
    stored = "DP_IMAGE_STORE\nStore resolution = 1024 * 768\n"
    write_slices(["s1.tif", "s2.tif"], extratags=[vendor(34118, ZEISS.format(nm=5, more=stored))])
    _, warnings = opened(tmp_path, ".", Tiff(voxel_size_nm=(10, 5, 5)))
    assert "the Zeiss tags are of an image of 768 x 1024 pixels" in warnings


def test_ome_sizes_that_are_not_those_of_the_pages(tmp_path: Path, grey: Callable) -> None:
    text = (
        '<OME><Image><Pixels DimensionOrder="XYZCT" SizeX="{}" SizeY="12" SizeZ="5" SizeC="{}" '
        'SizeT="1" PhysicalSizeX="0.005" PhysicalSizeY="0.005" PhysicalSizeZ="0.01">'
        '<TiffData IFD="0" PlaneCount="5"/></Pixels></Image></OME>'
    )
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, grey(), description=text.format(14, 1), metadata=None)
    size, warnings = opened(tmp_path)
    assert size == pytest.approx((10, 5, 5))
    assert "planes of 12 x 14 pixels, its pages are 6 x 7: the pages are used" in warnings


def test_imagej_counts_that_are_not_those_of_the_pages(tmp_path: Path, grey: Callable) -> None:
    text = "ImageJ=1.53\nimages=3\nslices=3\nunit=nm\n"
    tifffile.imwrite(
        tmp_path / "s.tif", grey(), description=text, metadata=None, compression="zlib"
    )
    with pytest.raises(FibError, match="has 5 pages, but its ImageJ text counts 3 planes"):
        probe("s.tif", KV, base=tmp_path)


def test_labels_of_planes_that_are_not_in_order(tmp_path: Path, grey: Callable) -> None:
    names = [f"slice_{i}.tif" for i in (1, 10, 11, 2, 3)]
    options = {"axes": "ZYX", "unit": "nm", "spacing": 10.0, "Labels": names}
    tifffile.imwrite(
        tmp_path / "s.tif", grey(), imagej=True, resolution=(0.2, 0.2), metadata=options
    )
    _, warnings = opened(tmp_path)
    assert "plane 2 is slice_10.tif, by the names it would be slice_2.tif" in warnings


def test_labels_of_planes_that_carry_positions(tmp_path: Path, grey: Callable) -> None:
    options = {"axes": "ZYX", "unit": "nm", "spacing": 10.0}
    options["Labels"] = [f"z={0.02 * i:.2f}um" for i in range(5)]
    tifffile.imwrite(
        tmp_path / "s.tif", grey(), imagej=True, resolution=(0.2, 0.2), metadata=options
    )
    size, warnings = opened(tmp_path)
    assert size == pytest.approx((10, 5, 5))
    assert "the names of the slices give [20, ?, ?] nm" in warnings


def test_what_agrees_needs_no_warning(tmp_path: Path, write_slices: Callable) -> None:
    tag = vendor(34682, FEI.format(hv=2000, more=SCANNED.format(x=5, y=6)))
    options = {"resolution": (2e6, 2e6), "resolutionunit": "centimeter", "extratags": [tag]}
    write_slices([f"s{i}_2kV_z={10 * i}nm.tif" for i in range(4)], **options)
    size, warnings = opened(tmp_path, ".", Tiff())
    assert size == pytest.approx((10, 5, 5))
    assert warnings == ""


@pytest.mark.parametrize(
    ("nm", "odd"),
    [(0.01, True), (1e6, True), ((10, 5, 5000), True), ((10, 5, 5), False), (500, False)],
)
def test_a_voxel_size_that_is_none_of_a_sem_is_warned_of(
    tmp_path: Path, grey: Callable, nm: Any, odd: bool
) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey(), metadata=None)
    _, warnings = opened(tmp_path, params=Tiff(kv=2, voxel_size_nm=nm))
    assert ("are unusual for a SEM" in warnings) == odd
    tifffile.imwrite(
        tmp_path / "t.tif", grey(), imagej=True, resolution=(100.0, 100.0),
        metadata={"axes": "ZYX", "unit": "nm", "spacing": 0.01},
    )  # fmt: skip
    size, warnings = opened(tmp_path, "t.tif")
    assert size == pytest.approx((0.01, 0.01, 0.01))
    assert "voxels of [0.01, 0.01, 0.01] nm" in warnings


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        (b"\\u00b5m", 1e3),
        ("µm".encode(), 1e3),
        ("µm".encode("latin-1"), 1e3),
        ("µm".encode().decode("latin-1").encode(), 1e3),
        (b"micrometers", 1e3),
        ("Å".encode(), 0.1),
        ("Å".encode("latin-1"), 0.1),
        ("Å".encode("mac_roman"), 0.1),
        ("Å".encode().decode("latin-1").encode(), 0.1),
        (b"nanometres", 1),
        (b"inches", 2.54e7),
    ],
)
def test_units_in_any_spelling_and_encoding_are_read_from_files(
    tmp_path: Path, grey: Callable, unit: bytes, nm: float
) -> None:
    text = b"ImageJ=1.53\nimages=5\nslices=5\nunit=" + unit + b"\nspacing=%g\n\0" % (10 / nm)
    tifffile.imwrite(
        tmp_path / "s.tif", grey(), metadata=None, resolution=(nm / 5, nm / 5),
        extratags=[(270, 2, len(text), text, True)],
    )  # fmt: skip
    size, warnings = opened(tmp_path)
    assert size == pytest.approx((10, 5, 5), rel=1e-3)
    assert warnings == ""


def test_a_unit_that_is_not_known_is_named(tmp_path: Path, grey: Callable) -> None:
    metadata = {"axes": "ZYX", "unit": "furlong", "spacing": 2}
    tifffile.imwrite(tmp_path / "s.tif", grey(), imagej=True, resolution=(1, 1), metadata=metadata)
    with pytest.raises(FibError, match=r"do not give a voxel size.*'furlong'.*unknown"):
        probe("s.tif", KV, base=tmp_path)
    _, warnings = opened(tmp_path, params=Tiff(kv=2, voxel_size_nm=5))
    assert "'furlong' of the ImageJ tags is unknown" in warnings


def test_pages_whose_tags_disagree_are_refused_unless_the_user_sets_the_value(
    tmp_path: Path, grey: Callable
) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        for i, plane in enumerate(grey()):
            tag = vendor(34682, FEI.format(hv=5000 if i == 3 else 2000, more=""))
            tif.write(plane, contiguous=False, metadata=None, extratags=[tag])
    sized = Tiff(voxel_size_nm=(10, 5, 5))
    with pytest.raises(FibError, match=r"2 kV in the first page of s\.tif and 5 kV in page 4"):
        probe("s.tif", sized, base=tmp_path)
    probe("s.tif", sized.model_copy(update={"kv": 2.0}), base=tmp_path)


def test_slices_of_various_programs_are_compared_by_what_counts_in_each(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices([f"s{i}.tif" for i in range(4)], metadata=None)
    tag = vendor(34682, FEI.format(hv=2000, more=""))
    for name, options in (
        ("s0.tif", {"extratags": [tag]}),
        ("s2.tif", {"resolution": (1e6, 1e6), "resolutionunit": "centimeter"}),
    ):
        data = tifffile.imread(tmp_path / name)
        tifffile.imwrite(tmp_path / name, data, metadata=None, **options)
    with pytest.raises(FibError, match=r"y is 5 nm in s0\.tif and 10 nm in s2\.tif \(Thermo"):
        probe(".", KV, base=tmp_path)
    assert opened(tmp_path, ".", Tiff(voxel_size_nm=5, kv=2))[0] == (5, 5, 5)
