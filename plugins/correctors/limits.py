"""Limits of a region along one axis."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fibcore import FibError


def limits_of(
    region: Mapping[Any, tuple[int | None, int | None]], axis: str, size: int
) -> tuple[int, int]:
    """Return the first voxel of a region along an axis, and the one after its last.

    Args:
        region: axis -> [start, stop]; negative numbers count from the end, None is the end itself;
            axes that are left out are whole.
        axis: ``z``, ``y`` or ``x``.
        size: number of voxels along it.

    Raises:
        FibError: the region exceeds the volume, or is empty.
    """
    given = region.get(axis, (None, None))
    start, stop = given
    start = 0 if start is None else start + size * (start < 0)
    stop = size if stop is None else stop + size * (stop < 0)
    if not 0 <= start < stop <= size:
        raise FibError(
            f"region {axis}: {json.dumps(given)} does not lie within the {size} voxels along "
            f"{axis}, or leaves none of them; give [start, stop] in voxels, negative numbers from "
            f"the end, null for the end itself"
        )
    return start, stop
