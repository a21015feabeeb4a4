"""Labels as other programs count them."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reading
import tifffile
from reading import probe

from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError, Labels


def params(*, phases: int = 2, **given: Any) -> Tiff:
    materials = ["epoxy", "Au", "C", "Si"][:phases]
    return Tiff.model_validate(
        {"voxel_size_nm": 10, "as": "labels", "materials": materials, **given}
    )


def read(base: Path, given: Tiff) -> np.ndarray:
    volume = reading.read("s.tif", given, base=base)
    assert isinstance(volume, Labels)
    assert volume.data.dtype == np.uint8
    return volume.data


def write(base: Path, data: np.ndarray, **options: Any) -> None:
    tifffile.imwrite(base / "s.tif", data, **{"photometric": "minisblack", **options})


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("high", "dtype"),
    [
        (255, "uint8"), (255, "uint16"), (65535, "uint16"), (65535, "int32"), (32767, "int16"),
        (2**32 - 1, "uint32"), (255, "float32"), (65535, "float32"), (1, "float32"), (1, "int8"),
    ],
)  # fmt: skip
def test_a_mask_may_mark_solid_with_the_highest_number(
    tmp_path: Path, grey: Callable, high: int, dtype: str, compression: Any
) -> None:
    phases = grey() % 2
    write(tmp_path, (phases * np.float64(high)).astype(dtype), compression=compression)
    np.testing.assert_array_equal(read(tmp_path, params()), phases)


def test_a_mask_of_two_highest_numbers_is_refused(tmp_path: Path, grey: Callable) -> None:
    data = (grey() % 2).astype(np.uint16) * 65535
    data[0] = (data[0] > 0) * 255
    write(tmp_path, data)
    with pytest.raises(FibError, match="labels are phases"):
        read(tmp_path, params())


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("phases", [2, 3])
def test_labels_from_1_on_get_the_advice_to_subtract_1(
    tmp_path: Path, grey: Callable, phases: int, compression: Any
) -> None:
    data = grey() % phases
    write(tmp_path, data + 1, compression=compression)
    with pytest.raises(FibError, match=r"begin at 1.*subtract 1 with phase_of_value") as error:
        read(tmp_path, params(phases=phases))
    assert '{"1": 0, "2": 1' in str(error.value)
    advised = {value: value - 1 for value in range(1, phases + 1)}
    given = params(phases=phases, phase_of_value=advised)
    np.testing.assert_array_equal(read(tmp_path, given), data)


def test_labels_without_a_pore_are_warned_of_where_they_could_be_meant(
    tmp_path: Path, grey: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, grey() % 2 + 1)
    read(tmp_path, params(phases=3))
    assert "no voxel is phase 0 (epoxy)" in caplog.text
    assert "subtract 1" in caplog.text


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "int32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_numbers_become_the_phases_that_the_user_names(
    tmp_path: Path, grey: Callable, dtype: str, compression: Any
) -> None:
    values = np.array([7, 0, 100, 50], dtype)
    index = grey() % 4
    write(tmp_path, values[index], compression=compression)
    given = params(phases=3, phase_of_value={"0": 0, "50": 1, "100": 2, "7": 1})
    np.testing.assert_array_equal(read(tmp_path, given), np.array([1, 0, 2, 1])[index])


def test_negative_and_large_numbers_may_be_named(tmp_path: Path, grey: Callable) -> None:
    phases = grey() % 2
    write(tmp_path, np.where(phases, -1, 70_000).astype(np.int32))
    given = params(phase_of_value={"-1": 1, "70000": 0})
    np.testing.assert_array_equal(read(tmp_path, given), phases)


def test_numbers_that_are_not_named_are_refused(tmp_path: Path, grey: Callable) -> None:
    for dtype in ("uint8", "float32"):
        data = (grey() % 3).astype(dtype)
        write(tmp_path, data)
        with pytest.raises(FibError, match=r"slice 0 has values .* in phase_of_value: 2; add"):
            read(tmp_path, params(phase_of_value={"0": 0, "1": 1}))


def test_phases_without_a_material_are_refused_before_anything_is_read(
    tmp_path: Path, grey: Callable
) -> None:
    write(tmp_path, grey() % 2)
    with pytest.raises(FibError, match="makes phase 2, but there are 2 materials"):
        probe("s.tif", params(phase_of_value={"0": 0, "1": 2}), base=tmp_path)
    images = Tiff.model_validate({"voxel_size_nm": 1, "kv": 2, "phase_of_value": {"0": 1}})
    with pytest.raises(FibError, match="images, which have no phases"):
        probe("s.tif", images, base=tmp_path)


def test_values_that_may_be_phases_are_written_out_as_the_parameter(
    tmp_path: Path, grey: Callable
) -> None:
    write(tmp_path, np.array([0, 128, 255], np.uint8)[grey() % 3])
    with pytest.raises(FibError) as error:
        read(tmp_path, params(phases=3))
    assert 'phase_of_value: {"0": 0, "128": 1, "255": 2}' in str(error.value)


@pytest.mark.parametrize(("dtype", "high"), [("bool", 1), ("uint8", 255)])
def test_masks_with_white_as_zero_are_warned_of_and_can_be_turned_round(
    tmp_path: Path, grey: Callable, dtype: str, high: int
) -> None:
    phases = grey((5, 6, 16)) % 2
    stored = (phases * high).astype(dtype)
    write(tmp_path, stored, photometric="miniswhite")
    (warning,) = probe("s.tif", params(), base=tmp_path).warnings
    assert "white as zero" in warning
    assert "phase 0, the pore" in warning
    advised = {"0": 1, str(high): 0}
    assert str(high) in warning
    np.testing.assert_array_equal(read(tmp_path, params()), phases)
    given = params(phase_of_value=advised)
    assert not probe("s.tif", given, base=tmp_path).warnings
    np.testing.assert_array_equal(read(tmp_path, given), 1 - phases)


def test_a_mask_of_65535_is_noted(
    tmp_path: Path, grey: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, (grey() % 2).astype(np.uint16) * np.uint16(65535))
    with caplog.at_level(logging.INFO, "fib"):
        read(tmp_path, params())
    assert "a mask of 0 and 65535, read as phases 0 and 1" in caplog.text


@pytest.mark.parametrize(
    ("dtype", "values", "advice"),
    [
        ("uint16", (0, 4095), {"0": 0, "4095": 1}),
        ("int32", (0, 256, 70000), {"0": 0, "256": 1, "70000": 2}),
        ("uint8", (2, 3), {"2": 0, "3": 1}),
    ],
)
def test_the_advice_on_numbers_that_are_no_phases_can_be_followed(
    tmp_path: Path, dtype: str, values: tuple[int, ...], advice: dict[str, int]
) -> None:
    data = np.random.default_rng(1).choice(values, (4, 6, 5)).astype(dtype)
    write(tmp_path, data)
    with pytest.raises(FibError) as error:
        read(tmp_path, params(phases=len(values)))
    assert f"phase_of_value: {json.dumps(advice)}" in str(error.value)
    assert "ilastik" not in str(error.value)
    phases = read(tmp_path, params(phases=len(values), phase_of_value=advice))
    np.testing.assert_array_equal(phases, np.searchsorted(values, data))


def test_the_advice_on_a_mask_with_white_as_zero_is_of_its_type(tmp_path: Path) -> None:
    mask = np.random.default_rng(1).choice([0, 65535], (4, 6, 5)).astype("uint16")
    write(tmp_path, mask, photometric="miniswhite")
    warnings = probe("s.tif", params(), base=tmp_path).warnings
    assert any('{"0": 1, "65535": 0}' in warning for warning in warnings)


def partial(grey: Callable) -> np.ndarray:
    data = grey() % 2
    data[1:] = 255
    return data


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_255_beside_phases_marks_voxels_without_a_label(
    tmp_path: Path, grey: Callable, compression: Any, caplog: pytest.LogCaptureFixture
) -> None:
    data = partial(grey)
    write(tmp_path, data, compression=compression)
    with caplog.at_level(logging.INFO):
        np.testing.assert_array_equal(read(tmp_path, params()), data)
    assert "voxels of 255 are read as voxels without a label" in caplog.text


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_another_number_may_mark_voxels_without_a_label(
    tmp_path: Path, grey: Callable, compression: Any
) -> None:
    """Programs such as ilastik and Labkit write 0 where there is no label."""
    data = partial(grey)
    written = np.where(data == 255, 0, data + 1).astype(np.uint8)
    write(tmp_path, written, compression=compression)
    given = params(phase_of_value={"0": 255, "1": 0, "2": 1})
    np.testing.assert_array_equal(read(tmp_path, given), data)
    only_pore = np.where(written == 2, 0, written)
    write(tmp_path, only_pore, compression=compression)
    expected = np.where(only_pore == 0, 255, 0)
    np.testing.assert_array_equal(read(tmp_path, given), expected)


def test_two_marks_for_no_label_and_unknown_phases_are_refused(
    tmp_path: Path, grey: Callable
) -> None:
    data = partial(grey).astype(np.uint16)
    data[2] = (grey()[2] % 2).astype(np.uint16) * 65535
    write(tmp_path, data)
    with pytest.raises(FibError, match="labels are phases"):
        read(tmp_path, params())
    write(tmp_path, np.array([0, 2, 255], np.uint8)[grey() % 3])
    with pytest.raises(FibError, match="labels are phases"):
        read(tmp_path, params())
