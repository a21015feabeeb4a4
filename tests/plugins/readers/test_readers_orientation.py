from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from reading import probe, read

from fib_plugins.readers.tiff.reader import Tiff
from fibcore import FibError

PARAMS = Tiff(voxel_size_nm=10, kv=2)


def tagged(orientation: int) -> Any:
    return [(274, 3, 1, orientation, False)]


def upright(stack: np.ndarray, orientation: int) -> np.ndarray:
    """Return planes as Pillow turns them."""
    planes = []
    for plane in stack:
        image = Image.fromarray(plane)
        image.getexif()[274] = orientation
        planes.append(np.asarray(ImageOps.exif_transpose(image)))
    return np.stack(planes)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_are_turned_by_the_tag(
    tmp_path: Path, grey: Callable, orientation: int, compression: Any
) -> None:
    stack = grey((5, 6, 7))
    tifffile.imwrite(
        tmp_path / "s.tif", stack, compression=compression, metadata=None,
        extratags=tagged(orientation),
    )  # fmt: skip
    forecast = probe("s.tif", PARAMS, base=tmp_path)
    volume = read("s.tif", PARAMS, base=tmp_path)
    np.testing.assert_array_equal(volume.data[0], upright(stack, orientation))
    assert volume.spec == forecast.output
    assert any(f"orientation tag is {orientation}" in text for text in forecast.warnings) == (
        orientation > 1
    )


@pytest.mark.parametrize("orientation", [2, 6])
def test_slices_and_regions_are_turned_by_the_tag(
    tmp_path: Path, write_slices: Callable, orientation: int
) -> None:
    stack = write_slices(["s1.tif", "s2.tif"], extratags=tagged(orientation))
    whole = upright(stack, orientation)
    np.testing.assert_array_equal(read(".", PARAMS, base=tmp_path).data[0], whole)
    params = PARAMS.model_copy(update={"region": {"y": (1, 3), "x": (0, 4)}})
    part = read(".", params, base=tmp_path, trusted=True)
    np.testing.assert_array_equal(part.data[0], whole[:, 1:3, 0:4])


def test_pixels_that_are_not_square_are_turned_with_the_plane(
    tmp_path: Path, grey: Callable
) -> None:
    tifffile.imwrite(
        tmp_path / "s.tif", grey((5, 6, 7)), metadata=None, extratags=tagged(8),
        resolution=(2e6, 1e6), resolutionunit="centimeter",
    )  # fmt: skip
    with pytest.raises(FibError, match="a pixel of 5 x 10 nm"):
        probe("s.tif", Tiff(kv=2), base=tmp_path)


def test_pages_or_slices_of_different_orientation_are_refused(
    tmp_path: Path, grey: Callable, write_slices: Callable
) -> None:
    with tifffile.TiffWriter(tmp_path / "s.tif") as tif:
        for orientation in (1, 1, 3):
            tif.write(grey((6, 7)), metadata=None, extratags=tagged(orientation))
    with pytest.raises(FibError, match="different colours or orientation"):
        probe("s.tif", PARAMS, base=tmp_path)
    write_slices(["d/s1.tif", "d/s2.tif"])
    tifffile.imwrite(tmp_path / "d/s3.tif", grey((6, 5)), extratags=tagged(3))
    with pytest.raises(FibError, match=r"s3.tif is 6 x 5 uint8, turned by 180 degrees"):
        probe("d", PARAMS, base=tmp_path)


def test_an_orientation_that_means_nothing_is_remarked(tmp_path: Path, grey: Callable) -> None:
    stack = grey((5, 6, 7))
    tifffile.imwrite(tmp_path / "s.tif", stack, metadata=None, extratags=tagged(9))
    assert "9 is invalid" in probe("s.tif", PARAMS, base=tmp_path).warnings[0]
    np.testing.assert_array_equal(read("s.tif", PARAMS, base=tmp_path).data[0], stack)
