"""What is odd about slices: found where it is, and not found where nothing is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from reading import read

from fib_plugins.readers.stacks.watch import Watch
from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError

PARAMS = Tiff(voxel_size_nm=10, kv=2)


def porous(
    shape: tuple[int, int, int] = (40, 90, 80), drift: float = 0.5, seed: int = 0
) -> np.ndarray:
    """Return images of a porous solid with noise, drift and saturated pores, in 8 bits."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal([n // 5 + 2 for n in shape])
    fine = np.kron(coarse, np.ones((5, 5, 5)))[: shape[0], : shape[1], : shape[2]]
    for axis in range(3):
        fine = fine + np.roll(fine, 1, axis) + np.roll(fine, -1, axis)
    images = np.where(fine > 0, 140.0, 20.0) + 15 * rng.standard_normal(shape)
    images += drift * np.arange(shape[0])[:, None, None]
    return np.clip(images, 0, 255).astype(np.uint8)


def remarks(data: np.ndarray, start: tuple[int, int, int] = (0, 0, 0)) -> str:
    watch = Watch((data.shape[1], data.shape[2]), start)
    for plane in data:
        watch.see(plane)
    return " | ".join(watch.remarks())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("drift", [0.0, 0.5, -2.0])
def test_porous_stacks_with_drift_are_nothing_odd(drift: float, seed: int) -> None:
    stack = porous(drift=drift, seed=seed)
    for data in (stack, stack.astype(np.uint16) * 200, stack / np.float32(255)):
        assert remarks(data) == ""
    assert remarks(stack[:5]) == ""
    assert remarks(np.concatenate([stack, np.minimum(stack, 215) + 40])) == ""  # after a break


def test_a_real_stack_is_nothing_odd() -> None:
    data = Path(__file__).parents[3] / "../shared/data/fib25_medulla"
    if not data.is_dir():
        pytest.skip("../shared/data is not there")
    volume = read(next(data.glob("*.tif")), Tiff(kv=1, voxel_size_nm=10))
    assert remarks(volume.data[0]) == ""


def test_slices_that_repeat_are_located() -> None:
    stack = porous()
    stack[11:14] = stack[10]
    found = remarks(stack, (100, 0, 0))
    assert "slices 110 to 113 are the same image" in found
    assert "3 slices repeat the one before" in found
    stack[30] = stack[29]
    assert "and 1 more group is" in remarks(stack)
    stack[12, 89, 79] ^= 1  # one pixel of one copy
    assert "slices 10 to 11 are" in remarks(stack)


@pytest.mark.parametrize("z", [0, 20, 39])
@pytest.mark.parametrize("change", ["dark", "bright", "noise", "blank"])
def test_a_slice_that_is_far_off_is_located(z: int, change: str) -> None:
    stack = porous()
    rng = np.random.default_rng(5)
    stack[z] = {
        "dark": stack[z] // 3,
        "bright": np.minimum(stack[z].astype(int) + 90, 255),
        "noise": rng.choice([0, 255], stack[z].shape),
        "blank": 0,
    }[change]
    found = remarks(stack)
    said = {"noise": "in contrast", "blank": "of one grey value only"}.get(change, "in grey level")
    assert f"slice {z} is" in found
    assert said in found


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(-9999, "float32"), (0, "uint8"), (255, "uint8"), (65535, "uint16"), (0, "float32")],
)
def test_a_border_of_one_value_is_located_and_cut_off_by_the_advice(
    value: float, dtype: str
) -> None:
    stack = porous().astype(dtype) + np.asarray(0 if dtype == "uint8" else 10, dtype)
    stack[:, :3] = value
    stack[:, :, -5:] = value
    found = remarks(stack, (0, 100, 200))
    assert f"slices have a border of the single value {value:g}, up to 5 pixels wide" in found
    assert '{"y": [103, 190], "x": [200, 275]}' in found


def test_a_border_that_grows_as_slices_are_shifted_is_located() -> None:
    stack = porous()
    for z in range(40):
        stack[z, : z // 5] = 0
    assert '{"y": [7, 90], "x": [0, 80]}' in remarks(stack)


def test_a_value_far_from_all_others_is_noticed_where_it_makes_no_border() -> None:
    stack = porous().astype(np.float32)
    stack[:, 40:50, 30:35] = -9999
    assert "have the value -9999 (up to 0.69 % of them)" in remarks(stack)


def test_what_is_odd_is_a_warning_of_the_reading(
    tmp_path: Path, write_slices: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    stack = porous()
    stack[11] = stack[10]
    stack[20] //= 4
    for compression in (None, "zlib"):
        caplog.clear()
        tifffile.imwrite(tmp_path / "s.tif", stack, compression=compression)
        read("s.tif", PARAMS, base=tmp_path)
        assert "s.tif: slices 10 to 11 are the same image" in caplog.text
        assert "slice 20 is far from" in caplog.text
        caplog.clear()
        part = PARAMS.model_copy(update={"region": {"z": (5, 19)}})
        read("s.tif", part, base=tmp_path)
        assert "slices 10 to 11 are" in caplog.text
        assert "slice 20" not in caplog.text


def test_a_border_of_nan_is_named_as_one(tmp_path: Path) -> None:
    stack = porous().astype(np.float32)
    stack[:, :2] = np.nan
    tifffile.imwrite(tmp_path / "s.tif", stack)
    with pytest.raises(FibError, match=r"are NaN or infinite, .* many of them in a border"):
        read("s.tif", PARAMS, base=tmp_path)
