"""Boxes of voxels: a region given by hand, the field that all slices share after shifts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from fib_plugins.correctors.limits import limits_of
from fibcore import FibError, Table

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""First voxel and the one after the last, along (z, y, x)."""

AXES = ("z", "y", "x")
WHOLE_PIXEL = 1e-6
"""Shifts that differ less than this from whole pixels fill no further row."""


def box_of_region(
    region: Mapping[Any, tuple[int | None, int | None]], shape: tuple[int, int, int]
) -> Box:
    """Return the box of a region: axis -> [start, stop], negative from the end, None: to the end.

    Raises:
        FibError: it exceeds the volume, or is empty.
    """
    z, y, x = (limits_of(region, axis, size) for axis, size in zip(AXES, shape, strict=True))
    return (z, y, x)


def box_of_shifts(shifts: Table, shape: tuple[int, int, int]) -> Box:
    """Return the box that every slice still shows after it was shifted.

    Args:
        shifts: has the columns shift_y_px and shift_x_px, pixels by which each slice was moved
            towards larger y and x: the rows and columns that came in at its edges were filled.
        shape: (z, y, x) of the stack.

    Raises:
        FibError: columns are missing, or rows, or shifts are larger than the field.
    """
    box = [(0, shape[0])]
    for axis, size in zip("yx", shape[1:], strict=True):
        name = f"shift_{axis}_px"
        if name not in shifts.names:
            raise FibError(
                f"the table of shifts has the columns {', '.join(shifts.names)}; shift_y_px and "
                f"shift_x_px are needed: give the corrections of a corrector that shifts slices"
            )
        moved = np.asarray(shifts[name], np.float64)
        if len(moved) != shape[0]:
            raise FibError(
                f"the table has shifts of {len(moved)} slices, the stack has {shape[0]}: give the "
                f"table of the step that made this stack"
            )
        if not np.isfinite(moved).all():
            raise FibError(
                f"{name} holds values that are not finite; replace them by 0, for slices that were "
                f"not shifted"
            )
        first = max(0, math.ceil(float(moved.max()) - WHOLE_PIXEL))
        last = size - max(0, math.ceil(-float(moved.min()) - WHOLE_PIXEL))
        if first >= last:
            raise FibError(
                f"slices were shifted by {moved.min():.1f} to {moved.max():.1f} pixels along "
                f"{axis}, the field has {size}: no part of it is in all slices. Cut the stack into "
                f"parts along z, with region, or check the shifts"
            )
        box.append((first, last))
    return (box[0], box[1], box[2])


def intersection(boxes: Iterable[Box]) -> Box:
    """Return the box that is in all boxes.

    Raises:
        FibError: nothing is left.
    """
    parts = [
        (max(start for start, _ in along), min(stop for _, stop in along))
        for along in zip(*boxes, strict=True)
    ]
    for axis, (start, stop) in zip(AXES, parts, strict=True):
        if start >= stop:
            raise FibError(
                f"nothing is left along {axis} after all cuts: they leave voxels from {start} on, "
                f"and those before {stop}; give the field by hand with region, and find []"
            )
    return (parts[0], parts[1], parts[2])


def as_region(box: Box, shape: tuple[int, int, int]) -> str:
    """Return the region of a box as JSON, without axes that are not cut."""
    cut = {
        axis: list(part)
        for axis, part, size in zip(AXES, box, shape, strict=True)
        if tuple(part) != (0, size)
    }
    return json.dumps(cut)


def leading(flags: np.ndarray) -> int:
    """Return the length of the run at the start of `flags` that differs most from the rest.

    A flag that is set counts 1, another -1: the run with the largest sum. Single flags that are not
    set within the run do not end it.
    """
    total = np.concatenate([[0], np.cumsum(np.where(flags, 1, -1))])
    return int(np.argmax(total))


def covers(box: Box, shape: tuple[int, ...]) -> float:
    """Return the share of the field, y times x, that a box keeps."""
    kept = [stop - start for start, stop in box[1:]]
    return float(np.prod(kept) / np.prod(shape[1:]))


def ascending(box: Iterable[Iterable[int]]) -> bool:
    """Return whether each part of a box has a start at or above 0 and a stop above it."""
    return all(a < b for part in box for a, b in pairwise((-1, *part)))
