"""A periodic field on a grid, interpolated to voxels of any size by its Fourier series."""

from __future__ import annotations

import numpy as np

from fib_plugins.generators.slabs import Slab
from fibcore.threads import one_blas_thread

Triple = tuple[float, float, float]


@one_blas_thread
def fourier_matrix(cells: int, period: float, places: np.ndarray) -> np.ndarray:
    """Return the matrix (places, cells) of trigonometric interpolation.

    Args:
        cells: number of equally spaced values; value i is that at i * period / cells.
        period: length after which the field repeats.
        places: where it is wanted, in the unit of `period`.
    """
    waves = np.arange(1, (cells + 1) // 2)
    angles = 2 * np.pi * (places[:, None] / period - np.arange(cells) / cells)
    # sum_k cos(k angle) by the Chebyshev recurrence would lose accuracy; places and cells are few.
    matrix = np.ones((len(places), cells))
    base = np.exp(1j * angles)
    power = np.ones_like(base)
    for _ in waves:
        power *= base
        matrix += 2 * power.real
    if cells % 2 == 0:
        matrix += np.cos(cells / 2 * angles)
    return (matrix / cells).astype(np.float32)


class PeriodicField:
    """A periodic field; gives slabs of voxels on request, the same bytes each time.

    Args:
        values: float32 (z, y, x), value (i, j, k) at (i, j, k) times the spacing.
        period: edges (z, y, x) of the period.
        shape: voxels (z, y, x).
        voxel_size: (z, y, x), in the unit of `period`; voxel centres are at (i + 1/2) times it.
    """

    def __init__(
        self, values: np.ndarray, period: Triple, shape: tuple[int, int, int], voxel_size: Triple
    ) -> None:
        self._values = values
        self._matrices = [
            fourier_matrix(cells, length, (np.arange(voxels) + 0.5) * size)
            for cells, length, voxels, size in zip(
                values.shape, period, shape, voxel_size, strict=True
            )
        ]

    def slab(self, slab: Slab) -> np.ndarray:
        """Return the slices from the first of `slab` up to its last as float32 (z, y, x)."""
        z, y, x = self._matrices
        field = np.empty((slab[1] - slab[0], len(y), len(x)), np.float32)
        flat = self._values.reshape(len(self._values), -1)
        to_x = np.ascontiguousarray(x.T)
        for voxels, row in zip(field, z[slab[0] : slab[1]], strict=True):
            plane = (row @ flat).reshape(self._values.shape[1:])
            voxels[:] = (y @ plane) @ to_x
        return field
