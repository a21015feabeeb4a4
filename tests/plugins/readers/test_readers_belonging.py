"""Files beside the slices, and what a pattern may match."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from reading import content_hash, find_tiffs, probe, read

from fib_plugins.readers.slices import walk as walking
from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError

PARAMS = Tiff(voxel_size_nm=10, kv=2)
SLICES = [f"stack/slice_{i:03d}.tif" for i in range(1, 6)]


def refusal(source: str, base: Path) -> str:
    with pytest.raises(FibError) as error:
        find_tiffs(source, base)
    with pytest.raises(FibError):  # what is hashed is what is read
        content_hash(source, base)
    return str(error.value)


def advised(message: str) -> str:
    """Return the glob that a message writes out."""
    return message.split(" matches the other ")[0].rpartition('"')[0].rpartition('"')[2]


@pytest.mark.parametrize("source", ["stack", "stack/*", "stack/*.tif*", "**/*.tif*"])
@pytest.mark.parametrize(
    "foreign",
    [
        "slice_002 (1).tif",
        "slice_002 - Copy.tif",
        "slice_002 - Copy (2).tif",
        "Copy of slice_002.tif",
        "slice_002.tiff",
        "slice_2.tif",
        "overview.tif",
        "overview_001.tif",
        "MAX_slice.tif",
        "slice_001_mask.tif",
        "slice.tif",
        "x_slice_009.tif",
    ],
)
def test_what_does_not_belong_is_named_and_left_out_by_a_pattern(
    tmp_path: Path, write_slices: Callable, source: str, foreign: str
) -> None:
    stack = write_slices(SLICES)
    (tmp_path / "stack" / foreign).write_bytes((tmp_path / SLICES[1]).read_bytes())
    message = refusal(source, tmp_path)
    assert foreign in message
    glob = advised(message)
    assert [path.name for path in find_tiffs(glob, tmp_path).files] == [n[6:] for n in SLICES]
    np.testing.assert_array_equal(read(glob, PARAMS, base=tmp_path).data[0], stack)


def test_numbers_of_various_length_are_kept_by_the_pattern(
    tmp_path: Path, write_slices: Callable
) -> None:
    names = [f"s{i}.tif" for i in (1, 2, 9, 10, 11)]
    write_slices([*names, "s2 (1).tif"])
    glob = advised(refusal(".", tmp_path))
    assert [path.name for path in find_tiffs(glob, tmp_path).files] == names


def test_brackets_in_names_do_not_spoil_the_pattern(tmp_path: Path, write_slices: Callable) -> None:
    names = [f"a[1]/s[{i}].tif" for i in (1, 2, 3)]
    write_slices([*names, "a[1]/all.tif"])
    glob = advised(refusal("a[1]", tmp_path))
    assert [path.name for path in find_tiffs(glob, tmp_path).files] == [
        "s[1].tif",
        "s[2].tif",
        "s[3].tif",
    ]


def test_two_series_are_refused_and_one_of_them_advised(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices([f"{kind}_{i:02d}.tif" for kind in ("raw", "mask") for i in range(4)])
    message = refusal(".", tmp_path)
    assert "2 patterns" in message
    assert len(find_tiffs(advised(message), tmp_path).files) == 4


def test_tiles_and_channels_are_refused_and_one_of_them_advised(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices([f"s{z:02d}_ch{c}.tif" for z in range(4) for c in (1, 2)])
    message = refusal(".", tmp_path)
    assert "4 x 2 files" in message
    assert [path.name for path in find_tiffs(advised(message), tmp_path).files] == [
        f"s{z:02d}_ch1.tif" for z in range(4)
    ]


def test_slices_without_numbers_are_taken_in_the_order_of_the_alphabet_with_a_warning(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices(["beta.tif", "alpha.tif", "gamma.tif"])
    (warning,) = probe(".", PARAMS, base=tmp_path).warnings
    assert "the names of the 3 files do not number them" in warning
    assert "alpha.tif, beta.tif, gamma.tif" in warning


def test_a_number_in_front_orders_names_that_end_in_anything(
    tmp_path: Path, write_slices: Callable
) -> None:
    names = ["s1_3-Jan_ab.tif", "s2_3-Jan_c7.tif", "s9_4-Feb_zz.tif", "s10_4-Feb_x.tif"]
    write_slices(names)
    assert [path.name for path in find_tiffs(".", tmp_path).files] == names


def test_an_overview_of_another_size_is_named_and_left_out_by_a_pattern(
    tmp_path: Path, write_slices: Callable, grey: Callable
) -> None:
    write_slices([f"s{i:02d}.tif" for i in range(1, 6)])
    tifffile.imwrite(tmp_path / "s00.tif", grey((60, 50)))
    with pytest.raises(
        FibError, match=r"s01.tif is 6 x 5 uint8, s00.tif is 60 x 50 uint8"
    ) as error:
        probe(".", PARAMS, base=tmp_path)
    assert "1 of 6 differ" in str(error.value)


def test_links_that_lead_nowhere_are_refused_by_name(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices(SLICES[:3])
    for name in SLICES[3:]:
        (tmp_path / name).symlink_to("../.git/annex/objects/XX/SHA256E-s1--00.tif")
    for source in ("stack", "stack/*.tif", "**/*.tif"):
        message = refusal(source, tmp_path)
        assert "2 of 5 files" in message
        assert "slice_004.tif -> ../.git/annex" in message
        assert "git annex get" in message
    assert "is a broken link" in refusal(SLICES[4], tmp_path)


@pytest.mark.parametrize(
    ("content", "command"),
    [
        ("/annex/objects/SHA256E-s123--abc.tif\n", "git annex get"),
        ("../../.git/annex/objects/Xv/3j/SHA256E-s1--a.tif/SHA256E-s1--a.tif", "git annex get"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", "git lfs pull"),
    ],
)
def test_placeholders_of_contents_are_refused_by_name(
    tmp_path: Path, write_slices: Callable, content: str, command: str
) -> None:
    write_slices(SLICES)
    for name in SLICES[1:3]:
        (tmp_path / name).write_text(content)
    message = refusal("stack", tmp_path)
    assert "2 of 5 files have not been fetched" in message
    assert "slice_002.tif, slice_003.tif" in message
    assert command in message
    assert command in refusal(SLICES[1], tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes pipes")
def test_one_file_under_two_names_is_warned_of(tmp_path: Path, write_slices: Callable) -> None:
    write_slices([f"s{i}.tif" for i in range(5)])
    assert not probe(".", PARAMS, base=tmp_path).warnings
    (tmp_path / "s5.tif").symlink_to("s1.tif")
    os.link(tmp_path / "s2.tif", tmp_path / "s6.tif")
    (warning,) = probe(".", PARAMS, base=tmp_path).warnings
    assert "s1.tif and s5.tif, s2.tif and s6.tif are one file with several names" in warning


def test_pipes_devices_and_folders_are_no_slices(tmp_path: Path, write_slices: Callable) -> None:
    assert "is not a file but a device" in refusal("/dev/zero", tmp_path)
    os.mkfifo(tmp_path / "pipe.tif")
    assert "is not a file but a pipe" in refusal("pipe.tif", tmp_path)
    write_slices(SLICES)
    (tmp_path / "stack" / "slice_006.tif").mkdir()
    assert "is not a file but a folder" in refusal("stack", tmp_path)
    assert "is not a file but a folder" in refusal("stack/*.tif", tmp_path)


@pytest.mark.parametrize("pattern", ["/**", "/**/*.tif", "**"])
def test_a_pattern_that_matches_all_the_world_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr(walking, "MOST_NAMES", 200)
    for i in range(300):
        (tmp_path / f"f{i}").touch()
    with pytest.raises(FibError, match=r"exceeds 200 names|cannot be listed"):
        find_tiffs(pattern, tmp_path)


def test_links_in_circles_are_walked_once(tmp_path: Path, write_slices: Callable) -> None:
    write_slices(SLICES)
    (tmp_path / "stack" / "back").symlink_to(tmp_path)
    assert len(find_tiffs("**/*.tif", tmp_path).files) == 5


def test_brackets_in_names_of_folders_are_taken_as_they_are(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices(["data[1]/s1.tif", "data[1]/s2.tif", "data1/s8.tif", "data1/s9.tif"])
    for source in ("data[1]", "data[1]/*.tif", "data[1]/s[12].tif", "data[[]1]/*.tif"):
        assert [path.name for path in find_tiffs(source, tmp_path).files] == ["s1.tif", "s2.tif"]
    assert len(find_tiffs("data[0-9]/*.tif", tmp_path).files) == 2
    write_slices(["run [a] 1.tif", "run [a] 2.tif"])
    assert len(find_tiffs("run [a] *.tif", tmp_path).files) == 2


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
def test_composed_and_decomposed_names_are_the_same(
    tmp_path: Path, write_slices: Callable, on_disk: str, asked: str
) -> None:
    write_slices([unicodedata.normalize(on_disk, f"Möbius/schön_{i}.tif") for i in (1, 2)])  # type: ignore[arg-type]
    for source in ("Möbius", "Möbius/*.tif", "Möbius/schön_*.tif", "*/schön_?.tif"):
        assert len(find_tiffs(unicodedata.normalize(asked, source), tmp_path).files) == 2  # type: ignore[arg-type]
    single = unicodedata.normalize(asked, "Möbius/schön_1.tif")  # type: ignore[arg-type]
    assert len(find_tiffs(single, tmp_path).files) == 1


def test_a_zero_byte_and_endless_names_are_refused(tmp_path: Path) -> None:
    assert "zero byte" in refusal("a\0b.tif", tmp_path)
    for source in ("x" * 5000, "../" * 5000 + "x.tif", "*/" * 3000 + "*.tif", "a" * 300 + "/*.tif"):
        assert refusal(source, tmp_path)


def test_positions_in_names_give_the_slice_thickness(
    tmp_path: Path, write_slices: Callable
) -> None:
    write_slices(
        [f"slice_{i:05d}_z={0.03 * i:.4f}um.tif" for i in range(5)],
        resolution=(2e6, 2e6),
        resolutionunit="centimeter",
    )
    order = find_tiffs(".", tmp_path)
    assert order.thickness_nm == 30
    forecast = probe(".", Tiff(kv=2), base=tmp_path)
    assert forecast.output is not None
    assert forecast.output.voxel_size_nm == pytest.approx((30, 5, 5))
    assert forecast.warnings == ()
    given = Tiff(kv=2, voxel_size_nm=(20, 5, 5))
    (warning,) = probe(".", given, base=tmp_path).warnings
    assert "[20, 5, 5] nm is set and used; the names of the slices give [30, ?, ?] nm" in warning
