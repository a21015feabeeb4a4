"""The open surfaces of a structure: for each voxel of a solid the nearest voxel of vacuum.

Each voxel has a code of 16 bits. Its upper bits number an offset (z, y, x) to the nearest voxel of
vacuum, by the distance of centres; number 0 means that there is none near enough. If voxels are
coarse, the lowest 6 bits mark neighbours that are vacuum (before and behind along z, y, x): a wall
that is one voxel thick has two surfaces. Offsets of fine voxels need these bits themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from fibcore.threads import one_blas_thread

SIDE_BITS = 6
MOST_CODES = (1 << 16) - 1
OF_VACUUM = MOST_CODES
"""The code of vacuum itself."""

BLOCK = (32, 256, 256)
"""Voxels at a time, (z, y, x)."""


class OpenSurfaces(NamedTuple):
    """The surfaces of vacuum in a lattice.

    Attributes:
        codes: uint16, one for each voxel of the lattice in its order; empty if there is no vacuum.
        offsets: int16, three numbers (z, y, x) for each number of an offset.
        side_bits: bits of a code that mark neighbours, 6 or 0.
    """

    codes: np.ndarray
    offsets: np.ndarray
    side_bits: int


def no_surfaces() -> OpenSurfaces:
    """Return the surfaces of a lattice without vacuum."""
    return OpenSurfaces(np.zeros(0, np.uint16), np.zeros(3, np.int16), 0)


@one_blas_thread
def find_surfaces(
    vacuum: Callable[[int], np.ndarray],
    shape: tuple[int, int, int],
    voxel_size_nm: tuple[float, float, float],
    reach_nm: float,
    *,
    lateral: str,
    below: str | bool,
    empty: Callable[[tuple[int, ...], Any], np.ndarray] = np.empty,
) -> OpenSurfaces:
    """Return the surfaces of vacuum in a structure.

    Args:
        vacuum: returns which voxels of a slice are vacuum, bool (y, x).
        shape: number of voxels, (z, y, x).
        voxel_size_nm: their size, (z, y, x).
        reach_nm: distance beyond which a surface is of no interest.
        lateral: ``periodic`` or ``mirror``, continuation beyond the sides.
        below: ``mirror`` or ``repeat``, or whether what lies below is vacuum.
        empty: makes the array of the codes from its shape and type; it may be a file.
    """
    nz, ny, nx = shape
    size = np.array(voxel_size_nm)
    offsets, numbers, reach = _numbered(size, reach_nm)
    side_bits = SIDE_BITS if len(offsets) << SIDE_BITS <= MOST_CODES else 0
    codes = np.asarray(empty(shape, np.uint16))
    for start in range(0, nz, BLOCK[0]):
        stop = min(start + BLOCK[0], nz)
        slab = np.stack(
            [
                _padded(_slice(vacuum, z, shape, below), reach, lateral)
                for z in range(start - reach, stop + reach)
            ]
        )
        for y, x in product(range(0, ny, BLOCK[1]), range(0, nx, BLOCK[2])):
            rows, columns = (slice(y, y + BLOCK[1]), slice(x, x + BLOCK[2]))
            block = slab[:, y : y + BLOCK[1] + 2 * reach, x : x + BLOCK[2] + 2 * reach]
            codes[start:stop, rows, columns] = _codes(
                block, size, reach_nm, reach, numbers, side_bits
            )
    return OpenSurfaces(codes.ravel(), offsets.ravel(), side_bits)


def _codes(
    vacuum: np.ndarray,
    size: np.ndarray,
    reach_nm: float,
    reach: int,
    numbers: np.ndarray,
    side_bits: int,
) -> np.ndarray:
    """Return the codes of a block of voxels, which is given with so many around it on all sides."""
    from scipy.ndimage import distance_transform_edt

    inner = tuple(slice(reach, n - reach) for n in vacuum.shape)
    if not vacuum.any():
        return np.zeros(tuple(n - 2 * reach for n in vacuum.shape), np.uint16)
    distances, nearest = distance_transform_edt(~vacuum, sampling=size, return_indices=True)
    steps = []
    for axis in range(3):
        edge = np.arange(inner[axis].start, inner[axis].stop, dtype=np.int32)
        place = edge.reshape([-1 if a == axis else 1 for a in range(3)])
        steps.append(np.clip(nearest[axis][inner] - place, -reach, reach) + reach)
    found = numbers[tuple(steps)]
    found[distances[inner] > reach_nm + np.linalg.norm(size)] = 0
    codes = found.astype(np.uint16) << np.uint16(side_bits)
    for bit in range(side_bits):
        moved = np.roll(vacuum, 1 if bit % 2 == 0 else -1, axis=bit // 2)[inner]
        codes |= moved.astype(np.uint16) << np.uint16(bit)
    codes[vacuum[inner]] = OF_VACUUM
    return codes


def _numbered(size: np.ndarray, reach_nm: float) -> tuple[np.ndarray, np.ndarray, int]:
    """Return offsets by distance, the number of each by its steps, and the largest step.

    Number 0 is none. The reach ends where there are too many offsets to number.
    """
    while True:
        furthest = reach_nm + float(np.linalg.norm(size))
        reach = max(1, int(np.ceil(furthest / size.min())))
        if (2 * reach + 1) ** 3 <= 1 << 24:
            steps = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), -1)
            distance = np.linalg.norm(steps * size, axis=-1)
            near = (distance <= furthest) & (distance > 0)
            if near.sum() < MOST_CODES - 1:
                break
        reach_nm *= 0.8
    order = np.argsort(distance[near], kind="stable")
    offsets = np.concatenate([np.zeros((1, 3), np.int16), steps[near][order].astype(np.int16)])
    numbers = np.zeros(distance.shape, np.int32)
    numbers[tuple((offsets[1:] + reach).T)] = np.arange(1, len(offsets))
    return offsets, numbers, reach


def _slice(
    vacuum: Callable[[int], np.ndarray], z: int, shape: tuple[int, int, int], below: str | bool
) -> np.ndarray:
    """Return a slice of the structure and of what lies above and below it."""
    nz = shape[0]
    if z < 0:  # above the first face, where the face itself is nearer
        return np.zeros(shape[1:], bool)
    if z < nz:
        return vacuum(z)
    if not isinstance(below, str):
        return np.full(shape[1:], below)
    if below == "repeat":
        return vacuum(nz - 1)
    z %= 2 * nz
    return vacuum(z if z < nz else 2 * nz - 1 - z)


def _padded(plane: np.ndarray, reach: int, lateral: str) -> np.ndarray:
    mode: Any = "wrap" if lateral == "periodic" else "symmetric"
    return np.pad(plane, reach, mode=mode)
