"""Labels of a user, checked and spread over the whole stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from fib_plugins.reconstruct.labels import check_against, labelled_slices, write_labels
from fib_plugins.reconstruct.request import Request
from fib_plugins.reconstruct.stack import open_stack
from fibcore.errors import UsageError

from .conftest import grey, solid

Write = Callable[..., str]


def labelled(
    written: Write, numbers: np.ndarray, slices: tuple[int, ...] = ()
) -> dict[int, object]:
    name = written(grey(solid()))
    tifffile.imwrite(Path(name).with_name("drawn.tif"), numbers)
    request = Request((name,), "Au", labels="drawn.tif", label_slices=slices)
    return dict(labelled_slices(request, open_stack(request)))


def drawn(*slices: int) -> np.ndarray:
    return solid()[list(slices)].astype(np.uint8)


def test_some_slices_become_labels_of_the_stack_with_the_rest_unknown(
    written: Write, tmp_path: Path
) -> None:
    name = written(grey(solid()))
    tifffile.imwrite(tmp_path / "drawn.tif", drawn(3, 7))
    request = Request((name,), "Au", labels="drawn.tif", label_slices=(3, 7))
    stack = open_stack(request)
    found = labelled_slices(request, stack)
    write_labels(found, stack, request, tmp_path / "labels.tif")
    whole = tifffile.imread(tmp_path / "labels.tif")
    assert np.flatnonzero((whole != 255).any(axis=(1, 2))).tolist() == [3, 7]
    np.testing.assert_array_equal(whole[[3, 7]], drawn(3, 7))


def test_the_whole_stack_may_be_labelled_in_parts(written: Write) -> None:
    numbers = np.full(solid().shape, 255, np.uint8)
    numbers[5, :40] = solid()[5, :40]
    assert list(labelled(written, numbers)) == [5]


@pytest.mark.parametrize(
    ("numbers", "slices", "message"),
    [
        (drawn(3, 7)[:, :50], (3, 7), "slices of 50 x 96"),
        (drawn(3, 7), (3,), "--label-slices names 1"),
        (drawn(3, 7), (), "counted from 0"),
        (drawn(3, 7), (3, 12), "slices 0 to 11"),
        (drawn(3, 7) + 1, (3, 7), "labels are 0 .pore., 1 .solid. and 255"),
        (drawn(3, 7), (3, 3), "contradict each other at"),
        (drawn(3, 7) * 0, (3, 7), "0 voxels as phase 1"),
        (drawn(3, 7) * 255, (3, 7), "0 voxels as phase 1"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(
    written: Write, numbers: np.ndarray, slices: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        labelled(written, numbers, slices)


def test_labels_that_contradict_the_images_are_refused() -> None:
    phase = solid()
    images, labels = list(grey(phase)[:2]), list(phase[:2].astype(np.uint8))
    check_against(images, labels, True, "drawn.tif")
    with pytest.raises(UsageError, match="exchange the numbers"):
        check_against(images, [1 - plane for plane in labels], True, "drawn.tif")
    with pytest.raises(UsageError, match="contradict the images"):
        check_against(images, list(solid(9)[:2].astype(np.uint8)), True, "drawn.tif")
