import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from reading import probe, read

from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError, Images, Labels
from fibcore.context import Context
from fibcore.formats import write_volume

PARAMS = Tiff(voxel_size_nm=10, kv=2)
TWO_PHASES = Tiff.model_validate(
    {"voxel_size_nm": 10, "as": "labels", "materials": ["epoxy", "Au"]}
)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_grey_values_keep_their_type_and_become_native(
    tmp_path: Path, grey: Callable, dtype: str, byteorder: Any, compression: str | None
) -> None:
    stack = grey((5, 6, 7), dtype)
    if dtype == "uint16":
        stack = stack * 300
    tifffile.imwrite(
        tmp_path / "s.tif",
        stack.astype(stack.dtype.newbyteorder(byteorder)),
        byteorder=byteorder,
        compression=compression,
        photometric="minisblack",
    )
    forecast = probe("s.tif", PARAMS, base=tmp_path)
    volume = read("s.tif", PARAMS, base=tmp_path)
    assert volume.data.dtype == np.dtype(dtype)
    assert volume.data.dtype.isnative
    np.testing.assert_array_equal(volume.data[0], stack)
    assert forecast.output == volume.spec
    mapped = isinstance(volume.data, np.memmap)
    assert mapped == (compression is None and (byteorder == "<" or dtype == "uint8"))
    assert (forecast.memory_bytes == 0) == mapped


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("axes", ["ZCYX", "CZYX"])
@pytest.mark.parametrize("container", ["ome", "shaped"])
def test_hyperstacks_give_channels(
    tmp_path: Path, grey: Callable, axes: str, container: str, compression: str | None
) -> None:
    stack = grey((2, 5, 6, 7), "uint16")
    stored = stack if axes == "CZYX" else np.swapaxes(stack, 0, 1)
    name = "s.ome.tif" if container == "ome" else "s.tif"
    tifffile.imwrite(
        tmp_path / name,
        np.ascontiguousarray(stored),
        compression=compression,
        photometric="minisblack",
        metadata={"axes": axes},
    )
    volume = read(name, Tiff(voxel_size_nm=10, kv=(1, 2)), base=tmp_path)
    np.testing.assert_array_equal(volume.data, stack)
    assert isinstance(volume, Images)
    assert volume.kv == (1, 2)


def test_imagej_hyperstacks_give_channels(tmp_path: Path, grey: Callable) -> None:
    stack = grey((5, 2, 6, 7), "uint16")
    tifffile.imwrite(tmp_path / "s.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    volume = read("s.tif", Tiff(voxel_size_nm=10, kv=(1, 2)), base=tmp_path)
    np.testing.assert_array_equal(volume.data, np.swapaxes(stack, 0, 1))


def test_stacks_written_page_by_page_are_stacks(tmp_path: Path, grey: Callable) -> None:
    stack = grey()
    choices: tuple[Any, ...] = ({}, None)
    for metadata in choices:
        with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
            for plane in stack:
                tif.write(plane, metadata=metadata)
        np.testing.assert_array_equal(read("s.tif", PARAMS, base=tmp_path).data[0], stack)


def test_previews_beside_the_stack_are_ignored(tmp_path: Path, grey: Callable) -> None:
    stack = grey()
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        for plane in stack:
            tif.write(plane, metadata=None)
        tif.write(grey((3, 2)), metadata=None, subfiletype=1)
    np.testing.assert_array_equal(read("s.tif", PARAMS, base=tmp_path).data[0], stack)


def test_a_palette_of_greys_is_grey(tmp_path: Path, grey: Callable) -> None:
    stack = grey()
    ramp = np.tile(np.arange(256, dtype=np.uint16) * 257, (3, 1))
    tifffile.imwrite(tmp_path / "s.tif", stack, colormap=ramp, photometric="palette")
    np.testing.assert_array_equal(read("s.tif", PARAMS, base=tmp_path).data[0], stack)


def test_double_precision_becomes_single_with_a_note(
    tmp_path: Path, grey: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    stack = grey((5, 6, 7), "float64") + 1e-3
    tifffile.imwrite(tmp_path / "s.tif", stack)
    volume = read("s.tif", PARAMS, base=tmp_path)
    np.testing.assert_array_equal(volume.data[0], stack.astype(np.float32))
    assert "float64 and read as float32" in caplog.text


def test_signed_integers_are_taken_where_they_are_not_negative(
    tmp_path: Path, grey: Callable
) -> None:
    stack = grey((5, 6, 7), "int16") * 100
    tifffile.imwrite(tmp_path / "s.tif", stack)
    volume = read("s.tif", PARAMS, base=tmp_path)
    assert volume.data.dtype == np.uint16
    np.testing.assert_array_equal(volume.data[0], stack)
    stack[2, 3, 4] = -7
    tifffile.imwrite(tmp_path / "s.tif", stack)
    with pytest.raises(FibError, match="slice 2 has negative values, down to -7"):
        read("s.tif", PARAMS, base=tmp_path)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_nan_and_infinity_are_counted_and_located(
    tmp_path: Path, grey: Callable, compression: str | None
) -> None:
    stack = grey((6, 6, 7), "float32")
    stack[3, 0, :2] = np.nan
    stack[4, 5, 4] = np.inf
    tifffile.imwrite(tmp_path / "s.tif", stack, compression=compression)
    with pytest.raises(FibError, match="3 of 252 voxels are NaN or infinite, the first in slice 3"):
        read("s.tif", PARAMS, base=tmp_path)
    params = PARAMS.model_copy(update={"region": {"z": (2, 6)}})
    with pytest.raises(FibError, match=r"3 of 168 voxels .* in slice 3"):
        read("s.tif", params, base=tmp_path)
    params = PARAMS.model_copy(update={"region": {"z": (0, 3)}})
    assert read("s.tif", params, base=tmp_path).shape == (3, 6, 7)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_constant_channel_is_refused(tmp_path: Path, grey: Callable, dtype: str) -> None:
    data = grey((2, 5, 6, 7), dtype)
    data[1] = 7
    write_volume(Images(data, (10.0, 10.0, 10.0), kv=(1, 2)), tmp_path / "s.tif")
    with pytest.raises(FibError, match="every voxel of channel 1 has the value 7"):
        read("s.tif", base=tmp_path)
    np.testing.assert_array_equal(read("s.tif", base=tmp_path, trusted=True).data, data)
    data[1, 3, 5, 4] = 8
    write_volume(Images(data, (10.0, 10.0, 10.0), kv=(1, 2)), tmp_path / "s.tif")
    np.testing.assert_array_equal(read("s.tif", base=tmp_path).data, data)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "float32", ">u2"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_labels_of_any_type_become_phases(
    tmp_path: Path, grey: Callable, dtype: str, compression: str | None
) -> None:
    phases = (grey() % 2).astype(dtype)
    byteorder: Any = ">" if dtype.startswith(">") else "<"
    tifffile.imwrite(tmp_path / "s.tif", phases, compression=compression, byteorder=byteorder)
    volume = read("s.tif", TWO_PHASES, base=tmp_path)
    assert isinstance(volume, Labels)
    np.testing.assert_array_equal(volume.data, phases.astype(np.uint8))
    assert [material.name for material in volume.phases.values()] == ["epoxy", "Au"]


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_mask_of_0_and_255_becomes_two_phases_with_a_note(
    tmp_path: Path, grey: Callable, caplog: pytest.LogCaptureFixture, compression: str | None
) -> None:
    phases = (grey() % 2).astype(np.uint8)
    tifffile.imwrite(tmp_path / "s.tif", phases * np.uint8(255), compression=compression)
    with caplog.at_level(logging.INFO, "fib"):
        volume = read("s.tif", TWO_PHASES, base=tmp_path)
    np.testing.assert_array_equal(volume.data, phases)
    assert "a mask of 0 and 255" in caplog.text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0, 1, 2], "phases 0 to 1 .*3 values: 0, 1, 2"),
        ([0, 128, 255], "3 values: 0, 128, 255"),
        ([0, 1, 254], "3 values: 0, 1, 254"),  # 255 is a voxel without label
    ],
)
def test_values_that_are_no_phases_are_listed(
    tmp_path: Path, values: list[int], message: str
) -> None:
    data = np.random.default_rng(0).choice(np.array(values, np.uint8), (5, 6, 7))
    tifffile.imwrite(tmp_path / "s.tif", data)
    with pytest.raises(FibError, match=message):
        read("s.tif", TWO_PHASES, base=tmp_path)


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        (-1, "int16", "slice 2 has .* values: -1, 0, 1"),
        (300, "uint16", "slice 2 has .* values: 0, 1, 300"),
        (0.5, "float32", "slice 2 has .* values: 0, 0.5, 1"),
        (np.nan, "float32", "slice 2 has .* values: 0, 1, nan"),
    ],
)
def test_labels_outside_8_bits_are_located(
    tmp_path: Path, grey: Callable, value: float, dtype: str, message: str
) -> None:
    data = (grey() % 2).astype(dtype)
    data[2, 0, 0] = value
    tifffile.imwrite(tmp_path / "s.tif", data)
    with pytest.raises(FibError, match=message):
        read("s.tif", TWO_PHASES, base=tmp_path)


def test_labels_may_be_shown_in_colours(tmp_path: Path, grey: Callable) -> None:
    colours = np.random.default_rng(0).integers(0, 65535, (3, 256)).astype(np.uint16)
    phases = grey() % 2
    tifffile.imwrite(tmp_path / "s.tif", phases, colormap=colours, photometric="palette")
    np.testing.assert_array_equal(read("s.tif", TWO_PHASES, base=tmp_path).data, phases)


def test_labels_without_materials_are_epoxy_and_gold_with_a_warning(
    tmp_path: Path, grey: Callable
) -> None:
    tifffile.imwrite(tmp_path / "s.tif", grey() % 2)
    params = Tiff.model_validate({"voxel_size_nm": 10, "as": "labels"})
    forecast = probe("s.tif", params, base=tmp_path)
    assert forecast.output is not None
    assert forecast.output.phases == {0: "epoxy", 1: "Au"}
    assert "epoxy is used for 0, gold for 1" in forecast.warnings[0]


def test_large_decoded_stacks_lie_in_scratch_not_in_memory(
    tmp_path: Path, grey: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 10)
    stack = grey()
    tifffile.imwrite(tmp_path / "s.tif", stack, compression="zlib")
    context = Context(scratch=tmp_path / "scratch")
    volume = read("s.tif", PARAMS, base=tmp_path, context=context)
    assert isinstance(volume.data, np.memmap) or isinstance(volume.data.base, np.memmap)
    np.testing.assert_array_equal(volume.data[0], stack)


def test_progress_is_reported(tmp_path: Path, write_slices: Callable) -> None:
    write_slices([f"s{i}.tif" for i in range(5)])
    reports: list[tuple[str, float, float | None]] = []
    context = Context(report=lambda what, done, total: reports.append((what, done, total)))
    read(".", PARAMS, base=tmp_path, context=context)
    assert ("reading slices", 5, 5) in reports
