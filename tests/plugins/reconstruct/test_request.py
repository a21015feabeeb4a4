"""What a user may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from fib_plugins.reconstruct.request import Request, changed, numbers, seconds
from fibcore.errors import UsageError


def test_times_have_units_and_are_minutes_without() -> None:
    assert [seconds(text) for text in ("20m", "1.5h", "90s", "5", "5 min")] == [
        1200, 5400, 90, 300, 300,
    ]  # fmt: skip
    with pytest.raises(UsageError, match="20m"):
        seconds("soon")


def test_lists_of_numbers_have_the_allowed_lengths() -> None:
    assert numbers("--voxel-size-nm", "10, 3.26,3.26", float, (1, 3)) == (10, 3.26, 3.26)
    assert numbers("--kv", None, float) == ()
    with pytest.raises(UsageError, match="1 or 3 numbers"):
        numbers("--voxel-size-nm", "10,5", float, (1, 3))
    with pytest.raises(UsageError, match="whole numbers"):
        numbers("--label-slices", "1.5", int)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"solid": "Gld"}, "--solid Gld: no material 'Gld'"),
        ({"pore": "Au"}, "are the same material"),
        ({"solid": "vacuum"}, "a solid has atoms"),
        ({"stacks": ()}, "no stack"),
        ({"stacks": ("a", "a")}, "given twice"),
        ({"voxel_size_nm": (5.0,), "slice_thickness_nm": 5.0}, "leave out --slice-thickness-nm"),
        ({"label_slices": (1,)}, "give --labels FILE"),
        ({"solid_fraction": 40.0}, "--solid-fraction 40: give a number from 0.01 to 0.99"),
        ({"kv": (2000.0,)}, "--kv 2000"),
        ({"budget_s": 10.0}, "at least 1 minute"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Request(**{"stacks": ("a.tif",), "solid": "Au", **given})


def test_options_that_differ_are_named_with_both_values() -> None:
    one = Request(("a.tif",), "Au").options()
    other = Request(("a.tif",), "Au", kv=(2.0,), budget_s=600).options()
    assert changed(one, one) == []
    assert changed(one, other) == ["kv [] -> [2.0]", "budget-s 2700.0 -> 600"]
