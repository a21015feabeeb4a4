from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from reading import probe, read

from fib_plugins.readers.tiff import write
from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError, Images
from fibcore.formats import write_volume

PARAMS = Tiff(voxel_size_nm=10, kv=2)


def refuse(tmp_path: Path, message: str, source: str = "s.tif", params: Tiff = PARAMS) -> None:
    with pytest.raises(FibError, match=message):
        probe(source, params, base=tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "s.tif").touch()
    refuse(tmp_path, r"s.tif is empty \(0 bytes\)")


@pytest.mark.parametrize("content", [b"I", b"\x89PNG\r\n\x1a\n" + bytes(50), b"II\x2b", b"hello"])
def test_no_tiff(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "s.tif").write_bytes(content)
    refuse(tmp_path, "is not a TIFF file.*convert it")


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("form", ["fib", "ome", "plain", "zlib", "shaped", "big"])
def test_a_truncated_file(
    tmp_path: Path, grey: Callable, monkeypatch: pytest.MonkeyPatch, form: str, kept: float
) -> None:
    stack, path = grey((12, 40, 30), "uint16"), tmp_path / "s.tif"
    if form in ("fib", "ome"):
        monkeypatch.setattr(write, "IMAGEJ_MAX_BYTES", 0 if form == "ome" else 10**9)
        write_volume(Images(stack, (10.0, 10.0, 10.0), kv=(2,)), path)
    else:
        forms: dict[str, dict[str, Any]] = {
            "plain": {"metadata": None},
            "zlib": {"metadata": None, "compression": "zlib"},
            "shaped": {},
            "big": {"bigtiff": True, "byteorder": ">"},
        }
        tifffile.imwrite(path, stack, photometric="minisblack", **forms[form])
    probe("s.tif", PARAMS, base=tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    refuse(tmp_path, "truncated|lacks pixels|planes that it declares")


def test_a_truncated_imagej_file_without_further_page_headers(
    tmp_path: Path, grey: Callable
) -> None:
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, grey((12, 40, 30)), imagej=True, truncate=True, metadata={"axes": "ZYX"})
    assert read("s.tif", PARAMS, base=tmp_path).shape == (12, 40, 30)
    path.write_bytes(path.read_bytes()[:-1])
    refuse(tmp_path, "truncated: it declares 12 images")


def test_a_truncated_slice_is_named(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.tif", "s3.tif"], shape=(40, 30))
    content = (tmp_path / "s2.tif").read_bytes()
    (tmp_path / "s2.tif").write_bytes(content[:-100])
    refuse(tmp_path, "s2.tif is truncated", "*.tif")


def test_damage_within_compressed_pixels_shows_while_reading(
    tmp_path: Path, grey: Callable
) -> None:
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, grey((3, 40, 30)), compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        start = tif.pages[1].dataoffsets[0]
    content = bytearray(path.read_bytes())
    content[start : start + 40] = bytes(40)
    path.write_bytes(content)
    probe("s.tif", PARAMS, base=tmp_path)
    with pytest.raises(FibError, match="is damaged"):
        read("s.tif", PARAMS, base=tmp_path)


def test_damaged_headers_are_one_error(tmp_path: Path, grey: Callable) -> None:
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, grey((3, 40, 30)), photometric="minisblack", metadata=None)
    good = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(good)
        at = random.integers(8, 200, 4)
        for i in at:
            content[i] = random.integers(0, 256)
        path.write_bytes(content)
        with suppress(FibError):  # whatever else it raises fails the test
            read("s.tif", PARAMS, base=tmp_path)


@pytest.mark.parametrize("planarconfig", ["contig", "separate"])
def test_colour(tmp_path: Path, grey: Callable, planarconfig: str) -> None:
    shape = (5, 6, 7, 3) if planarconfig == "contig" else (4, 3, 6, 5)
    tifffile.imwrite(tmp_path / "s.tif", grey(shape), photometric="rgb", planarconfig=planarconfig)
    refuse(tmp_path, "is a colour image.*convert it")


def test_a_colour_palette_for_images(tmp_path: Path, grey: Callable) -> None:
    colours = np.random.default_rng(0).integers(0, 65535, (3, 256)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "s.tif", grey(), colormap=colours, photometric="palette")
    refuse(tmp_path, "colours of a palette")


def test_white_as_zero_for_images(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey(), photometric="miniswhite")
    refuse(tmp_path, "white as zero.*Invert LUT")


def test_a_single_image(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s.tif"])
    refuse(tmp_path, "is a single 2-D image of 6 x 5 pixels; a stack of slices is needed")
    refuse(tmp_path, "is a single 2-D image", "*.tif")


def test_a_time_series(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey((7, 6, 5)), imagej=True, metadata={"axes": "TYX"})
    refuse(tmp_path, "has 7 time points of 1 slice.*slices 7, frames 1")


def test_channels_without_slices(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey((7, 6, 5)), imagej=True, metadata={"axes": "CYX"})
    refuse(tmp_path, "has 7 channels of 1 slice.*slices 7")


def test_ambiguous_axes(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey((2, 7, 6, 8)), photometric="minisblack")
    refuse(tmp_path, "do not define depth and channels")


def test_slices_of_different_size_or_type(
    tmp_path: Path, write_slices: Callable, grey: Callable
) -> None:
    write_slices(["s1.tif", "s2.tif", "s3.tif"])
    tifffile.imwrite(tmp_path / "s10.tif", grey((6, 6)))
    refuse(tmp_path, "s1.tif is 6 x 5 uint8, s10.tif is 6 x 6 uint8", "*.tif")
    tifffile.imwrite(tmp_path / "s10.tif", grey((6, 5), "uint16"))
    refuse(tmp_path, "s1.tif is 6 x 5 uint8, s10.tif is 6 x 5 uint16", ".")


@pytest.mark.parametrize("odd", [0, 1, 5, 11])
def test_pages_of_different_size_or_type(tmp_path: Path, grey: Callable, odd: int) -> None:
    for other in (grey((5, 5)), grey((6, 5), "uint16")):
        with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
            for i in range(12):
                plane = other if i == odd else grey((6, 5))
                tif.write(plane, metadata=None, photometric="minisblack")
        refuse(tmp_path, f"different size or type: the first is .* page {odd + 1 if odd else 2} is")


def test_a_multi_page_file_among_slices(
    tmp_path: Path, write_slices: Callable, grey: Callable
) -> None:
    write_slices(["s1.tif", "s2.tif"])
    tifffile.imwrite(tmp_path / "s3.tif", grey((5, 6, 7)))
    refuse(tmp_path, "s3.tif has 5 pages, but in a folder or glob each file is one slice", "*.tif")


def test_a_compression_that_cannot_be_decoded(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey(), compression="zlib")
    with tifffile.TiffFile(tmp_path / "s.tif", mode="r+") as tif:
        pages: Any = tif.pages
        for page in pages:
            page.tags["Compression"].overwrite(tifffile.COMPRESSION.SGILOG)
    refuse(tmp_path, r"is compressed with SGILOG.*(pip install .fibtomo\[codecs\]|cannot decode)")


@pytest.mark.parametrize("dtype", ["int8", "uint32", "int32", "complex64", "uint64"])
def test_types_that_are_not_grey_values(tmp_path: Path, grey: Callable, dtype: str) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey().astype(dtype))
    refuse(tmp_path, f"is {dtype}; images are uint8, uint16, float32: convert it")


def test_a_mask_is_not_grey_values(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey() > 100)
    refuse(tmp_path, '1-bit mask.*"as": "labels"')


def test_pixels_of_an_odd_number_of_bits(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey((5, 6, 7), "uint16"), metadata=None)
    with tifffile.TiffFile(tmp_path / "s.tif", mode="r+") as tif:
        pages: Any = tif.pages
        for page in pages:
            page.tags["BitsPerSample"].overwrite(12)
    refuse(tmp_path, "packs 12 bits per pixel")


def test_all_planes_on_one_volumetric_page(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif", grey((32, 32, 32)), volumetric=True, tile=(16, 16, 16), metadata=None
    )
    refuse(tmp_path, "stores its planes in an unusual way")


def ome(size_z: int, inner: str = "") -> str:
    return (
        f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="7" '
        f'SizeY="6" SizeZ="{size_z}" SizeC="1" SizeT="1">{inner}</Pixels></Image></OME>'
    )


def test_an_ome_file_without_all_planes_that_it_announces(tmp_path: Path, grey: Callable) -> None:
    text = ome(7, '<TiffData IFD="0" PlaneCount="5"/>')
    tifffile.imwrite(tmp_path / "s.tif", grey(), description=text, metadata=None)
    refuse(tmp_path, "only 5 of the 7 planes")


def test_one_file_of_an_ome_set(tmp_path: Path, grey: Callable) -> None:
    parts = [
        f'<TiffData IFD="0" PlaneCount="5" FirstZ="{5 * i}"><UUID FileName="s{i}.tif">urn:uuid:'
        f"0000000{i}-0000-0000-0000-000000000000</UUID></TiffData>"
        for i in (0, 1)
    ]
    for i in (0, 1):
        path = tmp_path / f"s{i}.tif"
        tifffile.imwrite(path, grey(), description=ome(10, "".join(parts)), metadata=None)
    refuse(tmp_path, "is one file of an OME-TIFF set of several", "s0.tif")


def test_labels_of_several_channels(tmp_path: Path, grey: Callable) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey((5, 2, 6, 7)), imagej=True, metadata={"axes": "ZCYX"})
    params = Tiff.model_validate({"as": "labels", "voxel_size_nm": 1})
    refuse(tmp_path, "has 2 channels; labels have one", params=params)


def test_tifffile_prints_nothing_beside_the_error(
    tmp_path: Path, grey: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, grey((12, 40, 30)), imagej=True, truncate=True, metadata={"axes": "ZYX"})
    path.write_bytes(path.read_bytes()[:-1])
    refuse(tmp_path, "truncated")
    assert not caplog.records
