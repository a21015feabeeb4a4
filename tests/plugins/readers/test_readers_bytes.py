"""Headers that claim what is not there or cannot be, and pixels that cannot be decoded here."""

import resource
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from reading import probe, read

from fib_plugins.readers.tiff import ifd
from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError

PARAMS = Tiff(voxel_size_nm=10, kv=2)
WIDTH, HEIGHT, BITS, COMPRESSION, OFFSETS, SAMPLES, ROWS, COUNTS = (
    256, 257, 258, 259, 273, 277, 278, 279,
)  # fmt: skip


def write(path: Path, data: np.ndarray, **options: Any) -> None:
    tifffile.imwrite(path, data, **{"photometric": "minisblack", **options})


def refuse(tmp_path: Path, message: str, source: str = "s.tif") -> str:
    with pytest.raises(FibError, match=message) as error:
        probe(source, PARAMS, base=tmp_path)
    return str(error.value)


def overwrite(path: Path, tag: int, value: Any, page: int = 0) -> None:
    """Give a tag of a page another value."""
    with tifffile.TiffFile(path, mode="r+") as tif:
        pages: Any = tif.pages
        pages[page].tags[tag].overwrite(value)


def patch(path: Path, tag: int, value: int, item: int = 0, page: int = 0) -> None:
    """Give one number of a tag another value, where it lies."""
    with tifffile.TiffFile(path) as tif:
        pages: Any = tif.pages
        found = pages[page].tags[tag]
        form = {3: "H", 4: "I"}[int(found.dtype)]
        place = found.valueoffset + item * struct.calcsize(form)
    data = bytearray(path.read_bytes())
    struct.pack_into(f"<{form}", data, place, value)
    path.write_bytes(data)


@pytest.mark.parametrize("tag", [OFFSETS, COUNTS])
@pytest.mark.parametrize("compression", [None, "zlib", "lzma", "packbits_like"])
@pytest.mark.parametrize("page", [0, 2])
def test_a_lost_strip_is_not_read_as_black(
    tmp_path: Path, grey: Callable, tag: int, compression: str | None, page: int
) -> None:
    path = tmp_path / "s.tif"
    kind: Any = "zlib" if compression == "packbits_like" else compression
    write(path, grey((3, 40, 30)), compression=kind, rowsperstrip=8, metadata=None)
    if compression == "packbits_like":
        for i in range(3):
            overwrite(path, COMPRESSION, 32773, i)
    probe("s.tif", PARAMS, base=tmp_path)
    patch(path, tag, 0, item=3, page=page)
    refuse(tmp_path, r"lacks pixels of page \d: 1 of its 5 strips are missing")


@pytest.mark.parametrize("tag", [324, 325])
def test_a_lost_tile_is_not_read_as_black(tmp_path: Path, grey: Callable, tag: int) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 64, 48)), tile=(16, 16), compression="zlib", metadata=None)
    patch(path, tag, 0, item=5)
    refuse(tmp_path, "1 of its 12 tiles are missing")


def test_a_lost_strip_of_one_slice_is_named(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(["s1.tif", "s2.tif", "s3.tif"], shape=(40, 30), compression="zlib", rowsperstrip=8)
    patch(tmp_path / "s2.tif", OFFSETS, 0, item=4)
    refuse(tmp_path, "s2.tif lacks pixels of page 1", ".")


def test_fewer_strips_than_rows_need_are_lost_strips(tmp_path: Path, grey: Callable) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), rowsperstrip=8, compression="zlib", metadata=None)
    overwrite(path, ROWS, 4)
    refuse(tmp_path, "5 of its 10 strips are missing")


def test_a_short_strip_of_plain_pixels_is_not_padded(tmp_path: Path, grey: Callable) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), rowsperstrip=8, metadata=None)
    with tifffile.TiffFile(path) as tif:
        counts = tif.pages.first.databytecounts
    patch(path, COUNTS, counts[1] - 1, item=1)
    refuse(tmp_path, "lacks pixels of page 1")


@pytest.mark.parametrize("tag", [WIDTH, HEIGHT, SAMPLES])
def test_a_size_of_zero_is_refused(tmp_path: Path, grey: Callable, tag: int) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), metadata=None)
    overwrite(path, tag, 0)
    refuse(tmp_path, r"is damaged: page 1 has \d+ rows, \d+ columns and \d values")


@pytest.mark.parametrize("compression", [None, "zlib", "lzma"])
@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**32 - 1, 2**20])
def test_sizes_that_the_bytes_cannot_hold_are_refused(
    tmp_path: Path, grey: Callable, compression: Any, size: int
) -> None:
    path = tmp_path / "s.tif"
    for tags in ((WIDTH,), (HEIGHT,), (WIDTH, HEIGHT)):
        write(
            path, grey((3, 40, 30), "uint16"), compression=compression, bigtiff=True, metadata=None
        )
        for page in range(3):
            for tag in tags:
                overwrite(path, tag, size, page)
            overwrite(path, ROWS, 2**32 - 1, page)
        refuse(tmp_path, "lacks pixels of page 1")


def test_pages_that_share_their_pixels_claim_more_than_there_is(
    tmp_path: Path, grey: Callable
) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((20, 40, 30)), metadata=None)
    with tifffile.TiffFile(path) as tif:
        offset = tif.pages.first.dataoffsets[0]
        end = tif.pages[10].offset
    data = path.read_bytes()
    for page in range(20):
        patch(path, OFFSETS, offset, page=page)
    assert len(data) > end
    refuse_or_read = pytest.raises(FibError, match="cannot hold")
    headers = path.read_bytes()
    small = bytearray(headers[: offset + 1200])  # pixels of the first page, then headers alone
    with tifffile.TiffFile(path) as tif:
        pages: Any = tif.pages
        places = [page.offset for page in pages]
    following = 8
    for number, place in enumerate(places):
        entries = struct.unpack_from("<H", headers, place)[0]
        block = bytearray(headers[place : place + 2 + 12 * entries])
        struct.pack_into("<I", small, 4 if number == 0 else following, len(small))
        small += block
        following = len(small)
        small += bytes(4)
    path.write_bytes(small)
    with refuse_or_read:
        probe("s.tif", PARAMS, base=tmp_path)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_headers_in_a_circle_are_refused(tmp_path: Path, grey: Callable, target: int) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), metadata=None)
    with tifffile.TiffFile(path) as tif:
        pages: Any = tif.pages
        places = [page.offset for page in pages]
    data = bytearray(path.read_bytes())
    entries = struct.unpack_from("<H", data, places[2])[0]
    struct.pack_into("<I", data, places[2] + 2 + 12 * entries, places[target])
    path.write_bytes(data)
    refuse(tmp_path, "page headers are circular after page 3")


def test_counts_of_tags_that_cannot_be_are_refused(
    tmp_path: Path, grey: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), metadata=None)
    good = path.read_bytes()
    place = struct.unpack_from("<I", good, 4)[0]
    data = bytearray(good)
    struct.pack_into("<H", data, place, 60_000)
    path.write_bytes(data)
    refuse(tmp_path, "page 1 declares 60000 tags")
    data = bytearray(good)
    entries = struct.unpack_from("<H", data, place)[0]
    tags = [struct.unpack_from("<H", data, place + 2 + 12 * i)[0] for i in range(entries)]
    struct.pack_into("<I", data, place + 2 + 12 * tags.index(OFFSETS) + 4, 2**31)
    path.write_bytes(data)
    refuse(tmp_path, "truncated")
    path.write_bytes(good)
    monkeypatch.setattr(ifd, "MOST_PAGES", 2)
    refuse(tmp_path, "more than 2 pages")


@pytest.mark.parametrize("kind", [2, 5, 11, 12, 13 + 20])
def test_sizes_that_are_no_whole_numbers_are_refused(
    tmp_path: Path, grey: Callable, kind: int
) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), metadata=None)
    data = bytearray(path.read_bytes())
    place = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, place)[0]
    for i in range(entries):
        if struct.unpack_from("<H", data, place + 2 + 12 * i)[0] == WIDTH:
            struct.pack_into("<H", data, place + 4 + 12 * i, kind)
    path.write_bytes(data)
    refuse(tmp_path, "tag 256 of page 1 holds no whole number")


def ome(**sizes: object) -> str:
    values = {"SizeX": 30, "SizeY": 40, "SizeZ": 3, "SizeC": 1, "SizeT": 1, **sizes}
    inner = values.pop("inner", "")
    text = " ".join(f'{name}="{value}"' for name, value in values.items())
    return (
        f'<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" {text}>'
        f"{inner}</Pixels></Image></OME>"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize(
    "text",
    [
        ome(SizeZ=10**9),
        ome(SizeZ=10**5, SizeC=10**5),
        ome(inner='<TiffData IFD="0" PlaneCount="1000000000"/>'),
        ome(inner='<TiffData IFD="1000000000"/>'),
        ome(SizeZ="9" * 4000),
        ome(SizeX=10**9, SizeY=10**9),
        ome(SizeZ=-1),
        ome(SizeZ="three"),
        ome().replace("<Image", '<a:ModuloAlongZ xmlns:a="x" Start="0" End="1e12"/><Image'),
        ome().replace("<OME", '<!DOCTYPE z [<!ENTITY a "aaaaaaaaaa">]><OME'),
        "ImageJ=1.53\nimages=1000000000\nslices=1000000000\n",
        "ImageJ=1.53\nimages=3\nslices=-3\n",
        '{"shape": [1000000000, 40, 30]}',
        '{"shape": ' + "[" * 100_000 + "}",
    ],
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_text_that_announces_a_billion_planes_takes_no_memory(
    tmp_path: Path, grey: Callable, text: str, compression: Any
) -> None:
    write(
        tmp_path / "s.tif", grey((3, 40, 30)), description=text, compression=compression,
        metadata=None, photometric="minisblack",
    )  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FibError):
        probe("s.tif", PARAMS, base=tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_other_files_that_a_text_names_are_not_opened(
    tmp_path: Path, grey: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret.tif"
    write(secret, grey((3, 40, 30)), metadata=None)
    block = '<TiffData PlaneCount="3"><UUID FileName="{}">urn:uuid:{}</UUID></TiffData>'
    text = ome(SizeZ=6, inner=block.format("s.tif", 1) + block.format("secret.tif", 2))
    write(tmp_path / "s.tif", grey((3, 40, 30)), description=text, metadata=None)
    opened: list[str] = []
    original = tifffile.TiffFile.__init__

    def spy(self: Any, file: Any, *args: Any, **options: Any) -> None:
        opened.append(str(file))
        original(self, file, *args, **options)

    monkeypatch.setattr(tifffile.TiffFile, "__init__", spy)
    refuse(tmp_path, "one file of an OME-TIFF set of several")
    assert opened == [str(tmp_path / "s.tif")]


@pytest.mark.parametrize(
    ("compression", "number", "name"),
    [
        ("zlib", 50000, "ZSTD"),
        ("zlib", 5, "LZW"),
        ("zlib", 7, "JPEG"),
        ("zlib", 6, "OJPEG"),
        ("zlib", 34925, ""),
    ],
)
def test_a_compression_is_accepted_by_what_can_be_decoded_here(
    tmp_path: Path, grey: Callable, compression: Any, number: int, name: str
) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), compression=compression, metadata=None)
    for page in range(3):
        overwrite(path, COMPRESSION, number, page)
    if name and not decodes(number):
        message = refuse(
            tmp_path, rf"is compressed with {name}, which needs the package imagecodecs"
        )
        assert "pip install 'fibtomo[codecs]'" in message
        assert "damaged" not in message
    else:  # it can be decoded, but these pixels are no LZMA
        probe("s.tif", PARAMS, base=tmp_path)
        with pytest.raises(FibError, match="is damaged"):
            read("s.tif", PARAMS, base=tmp_path)


def decodes(number: int) -> bool:
    try:
        tifffile.TIFF.DECOMPRESSORS[number](b"")
    except (KeyError, ImportError):
        return False
    except Exception:
        return True
    return True


def test_a_compression_of_one_page_alone_is_seen(tmp_path: Path, grey: Callable) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), compression="zlib", metadata=None)
    overwrite(path, COMPRESSION, 34676, 2)
    refuse(tmp_path, "is compressed with SGILOG")
    overwrite(path, COMPRESSION, 9999, 2)
    refuse(tmp_path, "method 9999, which is unknown; it may be damaged")


@pytest.mark.skipif(hasattr(tifffile.tifffile.imagecodecs, "lzw_decode"), reason="can decode it")
def test_a_predictor_that_cannot_be_undone_here_is_named(tmp_path: Path, grey: Callable) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30), "uint16"), compression="zlib", predictor=2, metadata=None)
    for page in range(3):
        overwrite(path, 317, 3, page)
    message = refuse(tmp_path, "is compressed with DEFLATE, as differences of floats")
    assert "fibtomo[codecs]" in message
    assert "damaged" not in message


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_the_predictor_of_integers_is_undone(
    tmp_path: Path, grey: Callable, dtype: str, byteorder: Any
) -> None:
    stack = grey((3, 40, 30), dtype)
    write(
        tmp_path / "s.tif", stack.astype(stack.dtype.newbyteorder(byteorder)), compression="zlib",
        predictor=True, byteorder=byteorder, photometric="minisblack",
    )  # fmt: skip
    np.testing.assert_array_equal(read("s.tif", PARAMS, base=tmp_path).data[0], stack)


def test_pages_shown_differently_are_not_alike(tmp_path: Path, grey: Callable) -> None:
    path = tmp_path / "s.tif"
    write(path, grey((3, 40, 30)), metadata=None)
    overwrite(path, 262, 0, 1)
    refuse(tmp_path, "pages of different colours or orientation: .* page 2 is photometric 0")


@pytest.mark.parametrize("slices", [3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_three_or_four_slices_are_no_colours_because_tifffile_marks_them_so(
    tmp_path: Path, grey: Callable, slices: int, dtype: str, compression: Any
) -> None:
    stack = grey((slices, 40, 30), dtype)
    tifffile.imwrite(
        tmp_path / "s.tif", stack, compression=compression, photometric="rgb",
        planarconfig="separate",
    )  # fmt: skip
    forecast = probe("s.tif", PARAMS, base=tmp_path)
    assert f"it is read as {slices} slices" in forecast.warnings[0]
    volume = read("s.tif", PARAMS, base=tmp_path)
    np.testing.assert_array_equal(volume.data[0], stack)
    assert volume.spec == forecast.output


def test_a_colour_image_in_planes_of_another_program_is_refused_with_both_ways_out(
    tmp_path: Path, grey: Callable
) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif", grey((3, 40, 30)), photometric="rgb", planarconfig="separate",
        metadata=None,
    )  # fmt: skip
    refuse(tmp_path, "is a colour image.*convert it.*if its 3 planes are slices")


def test_a_preview_before_the_slice_is_not_taken_for_it(
    tmp_path: Path, grey: Callable, write_slices: Callable
) -> None:
    stack = write_slices(["s1.tif", "s2.tif"], shape=(40, 30))
    for i in (0, 1):
        with tifffile.TiffWriter(tmp_path / f"s{i + 1}.tif") as tif:
            tif.write(grey((4, 3)), subfiletype=1, metadata=None)
            tif.write(stack[i], metadata=None)
    np.testing.assert_array_equal(read(".", PARAMS, base=tmp_path).data[0], stack)


def test_strips_that_lie_over_each_other_are_refused(tmp_path: Path, grey: Callable) -> None:
    path = tmp_path / "s.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane in grey((4, 40, 30)):
            tif.write(plane, photometric="minisblack", contiguous=False, metadata=None)
    with tifffile.TiffFile(path) as tif:
        pages: Any = tif.pages
        first, second = (page.dataoffsets[0] for page in pages[:2])
    patch(path, OFFSETS, second + 100, page=2)
    refuse(tmp_path, "damaged: pixels of different places.*overlap")
    patch(path, OFFSETS, first, page=2)  # one strip for two pages, as some programs save space
    np.testing.assert_array_equal(*read(path, PARAMS).data[0, [0, 2]])
    patch(path, OFFSETS, 4, page=2)
    refuse(tmp_path, "lacks pixels of page 3")


@pytest.mark.parametrize("compression", ["zlib", "lzma"])
def test_pixels_that_grow_beyond_their_page_are_refused(
    tmp_path: Path, grey: Callable, compression: str
) -> None:
    path = tmp_path / "s.tif"
    write(
        path, np.zeros((1, 12_000, 12_000), np.uint8), compression=compression, rowsperstrip=12_000
    )
    with tifffile.TiffFile(path) as tif:
        bomb: Any = tif.pages[0]
        tif.filehandle.seek(bomb.dataoffsets[0])
        strip = tif.filehandle.read(bomb.databytecounts[0])
    write(path, grey((3, 40, 30)), compression=compression, metadata=None)
    place = path.stat().st_size
    path.write_bytes(path.read_bytes() + strip)
    overwrite(path, OFFSETS, place, page=1)
    overwrite(path, COUNTS, len(strip), page=1)
    with pytest.raises(FibError, match=r"strip of page 2 has more than 67 MB"):
        read(path, PARAMS)


def test_palettes_that_differ_from_page_to_page_are_refused(tmp_path: Path, grey: Callable) -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
    for other, refused in ((ramp, False), (ramp[:, ::-1], True)):
        with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
            for i, plane in enumerate(grey()):
                colours = other if i == 3 else ramp
                tif.write(plane, photometric="palette", colormap=colours, contiguous=False)
        if refused:
            refuse(tmp_path, "page 4 has another colour palette")
        else:
            probe(tmp_path / "s.tif", PARAMS)


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_numbers_beyond_float32_are_not_called_infinite_in_the_file(
    tmp_path: Path, grey: Callable, size: float
) -> None:
    write(tmp_path / "s.tif", grey(dtype="float64") * size)
    with pytest.raises(FibError, match=r"which float32 .* cannot hold: scale the images"):
        read(tmp_path / "s.tif", PARAMS)
