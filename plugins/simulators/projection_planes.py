"""Slices of labels as the weighted projection reads them, continued below the last one."""

from __future__ import annotations

import numpy as np

from fibcore import FibError, Labels
from fibcore.errors import listed


def planes_between(data: np.ndarray, start: int, stop: int, below: str) -> np.ndarray:
    """Return slices start to stop as a new array, continued `below` the last one."""
    count = len(data)
    index = np.arange(start, stop)
    if below == "mirror":
        folded = index % (2 * count)
        index = np.where(folded < count, folded, 2 * count - 1 - folded)
    planes = np.ascontiguousarray(data[np.minimum(index, count - 1)])
    if below == "pore":
        planes[index >= count] = 0
    return planes


def check_phases(planes: np.ndarray, labels: Labels) -> None:
    """Refuse phases without a material.

    Raises:
        FibError: there are some.
    """
    from fib_plugins.simulators.projection_kernels import mark_phases

    present = np.zeros(256, dtype=bool)
    mark_phases(planes, present)
    strange = sorted(set(np.flatnonzero(present).tolist()) - set(labels.phases))
    if strange:
        raise FibError(
            f"the labels hold phase {listed(map(str, strange))}, whose material is not known; "
            f"known are {listed(map(str, sorted(labels.phases)))}. Give every phase a material"
        )


def checked_planes(labels: Labels, start: int, stop: int, below: str) -> np.ndarray:
    """Return `planes_between`, all of whose phases have a material.

    Raises:
        FibError: one has none.
    """
    planes = planes_between(labels.data, start, stop, below)
    check_phases(planes, labels)
    return planes
