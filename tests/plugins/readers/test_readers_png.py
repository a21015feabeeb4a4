"""Slices as PNG and JPEG: grey values in, everything else refused."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reading import probe, read

from fib_plugins.readers.pictures.completeness import check_complete
from fib_plugins.readers.pictures.reader import Png
from fibcore import FibError, Labels
from fibcore.formats import read_volume

READER = Png(voxel_size_nm=10, kv=2)


def save(path: Path, plane: Any, **options: Any) -> None:
    image = plane if isinstance(plane, Image.Image) else Image.fromarray(plane)
    image.save(path, **options)


def save_stack(folder: Path, stack: np.ndarray, suffix: str = ".png", **options: Any) -> None:
    for i, plane in enumerate(stack):
        save(folder / f"s_{i + 1}{suffix}", plane, **options)


def refusal(tmp_path: Path, source: str = ".", reader: Png = READER) -> str:
    with pytest.raises(FibError) as error:
        read(source, reader, base=tmp_path)
    return str(error.value)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("suffix", [".png", ".PNG"])
def test_slices_are_read_in_the_order_of_their_numbers(
    tmp_path: Path, grey: Callable, dtype: str, suffix: str
) -> None:
    stack = grey((12, 6, 7), dtype) * (1 if dtype == "uint8" else 300)
    save_stack(tmp_path, stack.astype(dtype), suffix)
    for source in (".", f"s_*{suffix}", "*"):
        volume = read_volume(source, base=tmp_path, voxel_size_nm=10, kv=2)
        np.testing.assert_array_equal(volume.data[0], stack)
        assert volume.data.dtype == dtype
    assert probe(".", READER, base=tmp_path).output == volume.spec


def test_pixels_are_not_decoded_before_a_run(
    tmp_path: Path, grey: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_stack(tmp_path, grey())
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    assert probe(".", READER, base=tmp_path).warnings == ()


def test_a_mask_of_one_bit_is_labels(tmp_path: Path, grey: Callable) -> None:
    masks = grey() % 2 == 0
    for i, mask in enumerate(masks):
        save(tmp_path / f"{i}.png", Image.fromarray(mask))
    assert 'set "as": "labels"' in refusal(tmp_path)
    labels = Png.model_validate({"voxel_size_nm": 10, "as": "labels"})
    volume = read(".", labels, base=tmp_path)
    assert isinstance(volume, Labels)
    np.testing.assert_array_equal(volume.data, masks)


def test_jpegs_are_read_with_a_warning(tmp_path: Path, grey: Callable) -> None:
    save_stack(tmp_path, grey((5, 32, 32)), ".jpg", quality=95)
    volume = read(".", READER, base=tmp_path)
    assert volume.shape == (5, 32, 32)
    (warning,) = probe(".", READER, base=tmp_path).warnings
    assert warning.startswith("5 of the 5 slices: JPEG is lossy")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_colours_palettes_and_transparency_are_refused(
    tmp_path: Path, grey: Callable, mode: str
) -> None:
    for i, plane in enumerate(grey()):
        save(tmp_path / f"{i}.png", Image.fromarray(plane).convert(mode))
    assert "fib reads grey values of 8 or 16 bits: convert it" in refusal(tmp_path)


def test_transparent_grey_and_odd_numbers_of_bits_are_refused(
    tmp_path: Path, grey: Callable
) -> None:
    save_stack(tmp_path, grey(), transparency=3)
    assert "a grey value that means transparent" in refusal(tmp_path)
    for i, plane in enumerate(grey()):
        (tmp_path / f"s_{i + 1}.png").write_bytes(png(plane % 4, bits=2))
    assert "has 2 bits per pixel" in refusal(tmp_path)


def test_animations_and_single_pictures_are_no_stack(tmp_path: Path, grey: Callable) -> None:
    first, *others = (Image.fromarray(plane) for plane in grey())
    for i in range(2):
        save(tmp_path / f"{i}.png", first, save_all=True, append_images=others)
    assert "is an animation" in refusal(tmp_path)
    save(tmp_path / "one.png", grey()[0])
    assert "single 2-D image" in refusal(tmp_path, "one.png")


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_orientation_tag_is_applied(tmp_path: Path, grey: Callable, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stack = grey((4, 6, 9))
    save_stack(tmp_path, stack, exif=exif.tobytes())
    volume = read(".", READER, base=tmp_path)
    turns = {1: 0, 3: 2, 6: -1}[orientation]
    np.testing.assert_array_equal(volume.data[0], np.rot90(stack, turns, axes=(1, 2)))
    assert probe(".", READER, base=tmp_path).output == volume.spec
    assert bool(probe(".", READER, base=tmp_path).warnings) == (orientation != 1)


def test_an_orientation_behind_the_pixels_is_refused(tmp_path: Path, grey: Callable) -> None:
    exif = Image.Exif()
    exif[274] = 6
    content = exif.tobytes().removeprefix(b"Exif\0\0")
    for i, plane in enumerate(grey((4, 6, 9))):
        (tmp_path / f"{i}.png").write_bytes(png(plane, late=chunk(b"eXIf", content)))
    assert "its orientation after its pixels" in refusal(tmp_path)


def test_the_resolution_is_the_pixel_size_unless_it_is_for_printing(
    tmp_path: Path, grey: Callable
) -> None:
    per_inch = 25.4e6 / 5
    save_stack(tmp_path, grey(), dpi=(per_inch, per_inch))
    assert "PNG resolution tags give a pixel of 5 x 5 nm" in refusal(tmp_path, ".", Png(kv=2))
    assert "PNG resolution tags give [?, 5, 5] nm" in probe(".", READER, base=tmp_path).warnings[0]
    save_stack(tmp_path, grey(), dpi=(300, 300))
    assert "do not give a voxel size" in refusal(tmp_path, ".", Png(kv=2))
    assert probe(".", READER, base=tmp_path).warnings == ()


def test_positions_in_names_and_gaps_count_as_for_any_format(
    tmp_path: Path, grey: Callable
) -> None:
    per_inch = 25.4e6 / 5
    for i, plane in enumerate(grey((6, 6, 7))):
        save(tmp_path / f"z={10 * (i + (i > 3))}nm.png", plane, dpi=(per_inch, per_inch))
    forecast = probe(".", Png(kv=2), base=tmp_path)
    assert forecast.output is not None
    assert forecast.output.voxel_size_nm == (10, 5, 5)
    assert any("slices may be missing" in warning for warning in forecast.warnings)


def test_files_that_do_not_belong_are_named_with_a_pattern(tmp_path: Path, grey: Callable) -> None:
    save_stack(tmp_path, grey())
    save(tmp_path / "overview.png", grey()[0])
    message = refusal(tmp_path)
    assert "overview.png" in message
    assert '"s_*.png" matches only the other 5' in message


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    plane: np.ndarray, bits: int = 8, size: tuple[int, int] = (0, 0), late: bytes = b""
) -> bytes:
    """Return a PNG of grey values; `size` is what its header claims, (rows, columns)."""
    rows, columns = size if any(size) else plane.shape
    packed = np.packbits(
        np.unpackbits(plane[..., None].astype(np.uint8), axis=-1)[..., 8 - bits :].reshape(
            len(plane), -1
        ),
        axis=1,
    )
    raw = b"".join(b"\0" + row.tobytes() for row in packed)
    head = struct.pack(">IIBBBBB", columns, rows, bits, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(raw)), late, chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def write_twice(folder: Path, content: bytes, suffix: str = ".png") -> None:
    for i in range(2):
        (folder / f"{i}{suffix}").write_bytes(content)


def test_pictures_that_claim_more_than_they_hold_are_refused_before_they_are_decoded(
    tmp_path: Path, grey: Callable
) -> None:
    write_twice(tmp_path, png(grey()[0], size=(60_000, 60_000)))
    assert "declares more pixels than Pillow decodes" in refusal(tmp_path)
    write_twice(tmp_path, png(grey()[0], size=(10_000, 10_000)))
    assert "declares 10000 x 10000 pixels, which its" in refusal(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_damaged_and_truncated_pictures_are_refused(
    tmp_path: Path, grey: Callable, suffix: str
) -> None:
    save(tmp_path / f"whole{suffix}", grey((1, 64, 64))[0])
    content = (tmp_path / f"whole{suffix}").read_bytes()
    (tmp_path / f"whole{suffix}").unlink()
    write_twice(tmp_path, content[: len(content) // 2], suffix)
    assert "is damaged" in refusal(tmp_path)
    write_twice(tmp_path, b"", suffix)
    assert "not a PNG or JPEG file" in refusal(tmp_path)
    write_twice(tmp_path, b"II*\0" + bytes(100), suffix)
    assert "not a PNG or JPEG file" in refusal(tmp_path)


@pytest.mark.parametrize("bits", [1, 8, 16])
@pytest.mark.parametrize("interlaced", [False, True])
def test_rows_that_are_missing_are_not_read_as_black(
    tmp_path: Path, bits: int, interlaced: bool
) -> None:
    rows, columns = 13, 11
    wide = -(-columns * bits // 8) + 1
    size = rows * wide
    if interlaced:  # 7 passes, by hand: (rows, columns) of each
        passes = [(2, 2), (2, 1), (2, 3), (4, 3), (3, 6), (7, 5), (6, 11)]
        size = sum(high * (1 + -(-across * bits // 8)) for high, across in passes)
    head = struct.pack(">IIBBBBB", columns, rows, bits, 0, 0, 0, interlaced)

    def content(missing: int) -> bytes:
        packed = zlib.compress(bytes(size - missing))
        data = [chunk(b"IDAT", packed[i : i + 7]) for i in range(0, len(packed), 7)]
        return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), *data, chunk(b"IEND", b"")])

    path = tmp_path / "s.png"
    path.write_bytes(content(0))
    check_complete(path)
    path.write_bytes(content(1))
    with pytest.raises(FibError, match=f"has {size - 1} of the {size} bytes of its 13 rows"):
        check_complete(path)


def test_a_png_with_half_of_its_rows_is_refused(tmp_path: Path, grey: Callable) -> None:
    whole = grey((1, 64, 64))[0]
    content = png(whole[:32], size=whole.shape)
    write_twice(tmp_path, content)
    assert "is truncated" in refusal(tmp_path)
    write_twice(tmp_path, png(whole))
    read(".", READER, base=tmp_path)
