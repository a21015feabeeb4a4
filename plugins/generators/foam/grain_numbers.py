"""The number of the grain at each voxel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fib_plugins.generators.slabs import Slab, in_threads, slabs_of
from fibcore.context import Context

if TYPE_CHECKING:
    from fib_plugins.cells.distances import FaceDistance


def numbered(faces: FaceDistance, labels: np.ndarray, count: int, context: Context) -> np.ndarray:
    """Return the number of the cell at each solid voxel, from 1, axes (1, z, y, x); 0 elsewhere.

    Args:
        faces: gives the cell of each voxel.
        labels: uint8 (z, y, x).
        count: number of cells.
        context: threads and progress.
    """
    z, y, x = labels.shape
    numbers = context.empty("grain_numbers", (1, z, y, x), number_dtype(count))

    def number(slab: Slab) -> None:
        cells = faces.slab(*slab, (y, x))[1]
        numbers[0, slab[0] : slab[1]] = np.where(labels[slab[0] : slab[1]] > 0, cells + 1, 0)

    slabs = slabs_of((z, y, x))
    for _ in context.track(in_threads(number, slabs, context), "numbering grains", len(slabs)):
        pass
    return numbers


def number_dtype(count: int) -> str:
    """Return the element type of a volume with numbers up to this one."""
    return "uint16" if count < 2**16 else "float32"
