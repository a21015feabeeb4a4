"""The way of secondary electrons from the walls of pores through vacuum."""

from __future__ import annotations

import math

import numpy as np

from .compiled import Real, Whole, inlined
from .lattice import ENDLESS, Lattice, inverse_of, look_up
from .medium import Tables

MOST_BOXES = 20_000
"""Most boxes of vacuum on a way: one that leads along the face without end is dropped."""

NARROW = 2
"""Half width of a box up to which single voxels are faster: they need no divisions."""


@inlined
def comes_out(
    place: tuple, direction: tuple, voxel: tuple, pixel: tuple, lattice: Lattice, tables: Tables
) -> bool:
    """Return whether the straight way from a wall through vacuum ends beyond the face.

    The voxels on the way are found by the lengths at which it meets the planes between voxels (J.
    Amanatides, A. Woo, Eurographics 1987, 3); in wide boxes of vacuum, a box at a time. Unlike
    `lattice.step`, it needs no places, and the voxels are known before the last one is looked up.

    Args:
        place: (z, y, x) on the wall, nm.
        direction: (z, y, x) of the way; z is negative.
        voxel: voxel of vacuum before the wall.
        pixel: voxel of the pixel.
        lattice: the voxels.
        tables: see `Tables`.
    """
    real = tables.angles.dtype.type
    zero = real(0)
    medium, half = look_up(lattice, pixel, voxel[0], voxel[1], voxel[2])
    if tables.depth_max[medium] > zero:
        return False
    iz, iy, ix = voxel
    south, east = direction[1] > zero, direction[2] > zero
    side_y, side_x = np.int32(1 if south else -1), np.int32(1 if east else -1)
    # length of the way to the next plane along each axis, and between two of them
    inverse = inverse_of(direction)
    size_z, size_y, size_x = lattice.size_nm[0], lattice.size_nm[1], lattice.size_nm[2]
    plane_y = real(np.int32(iy + 1 if south else iy)) * size_y
    plane_x = real(np.int32(ix + 1 if east else ix)) * size_x
    to_z = max((real(iz) * size_z - place[0]) * inverse[0], zero)
    to_y = max((plane_y - place[1]) * inverse[1], zero)
    to_x = max((plane_x - place[2]) * inverse[2], zero)
    per_z, per_y, per_x = (
        size_z * abs(inverse[0]),
        size_y * abs(inverse[1]),
        size_x * abs(inverse[2]),
    )
    for _ in range(MOST_BOXES):
        if half <= NARROW:
            if to_z <= to_y and to_z <= to_x:
                iz -= np.int32(1)
                to_z += per_z
            elif to_y <= to_x:
                iy += side_y
                to_y += per_y
            else:
                ix += side_x
                to_x += per_x
        else:
            above = np.int32(0 if half == ENDLESS else min(half, iz))
            end_z, end_y, end_x = (
                to_z + real(above) * per_z,
                to_y + real(half) * per_y,
                to_x + real(half) * per_x,
            )
            end = min(end_z, min(end_y, end_x))
            out_z = end >= end_z
            out_y = (end >= end_y) & (not out_z)
            out_x = not (out_z | out_y)
            over_z = _planes(end, to_z, per_z, above, out_z)
            over_y = _planes(end, to_y, per_y, half, out_y)
            over_x = _planes(end, to_x, per_x, half, out_x)
            iz, to_z = np.int32(iz - over_z), to_z + real(over_z) * per_z
            iy, to_y = np.int32(iy + side_y * over_y), to_y + real(over_y) * per_y
            ix, to_x = np.int32(ix + side_x * over_x), to_x + real(over_x) * per_x
        if iz < 0:
            return True
        into, half = look_up(lattice, pixel, iz, iy, ix)
        if into != medium:
            return False
    return False


@inlined
def _planes(end: Real, first: Real, between: Real, half: Whole, leaves: bool) -> np.int32:
    """Return how many planes between voxels a way crosses along an axis until it leaves a box.

    Args:
        end: length of the way.
        first: length to the first plane.
        between: length between two planes.
        half: planes within the box.
        leaves: whether it leaves the box along this axis.
    """
    zero = end - end
    crossed = np.int32(max((end - first) / between + np.float32(1), zero))
    return np.int32(half + 1) if leaves else min(crossed, np.int32(half))


@inlined
def share_upwards(normal: tuple) -> Real:
    """Return the share of the directions of Lambert's cosine law that lead towards the face."""
    return np.float32(0.5) - np.float32(0.5) * normal[0]


@inlined
def upwards_from(normal: tuple, bits: np.uint64, tables: Tables) -> tuple:
    """Return a direction (z, y, x) drawn like those of `away_from` that lead towards the face."""
    real = tables.angles.dtype.type
    chance = (real(bits >> np.uint64(40)) + real(0.5)) * real(2.0**-24)
    return _tilted(normal, chance * (real(1) - normal[0]) - real(1), bits, tables)


@inlined
def away_from(normal: tuple, bits: np.uint64, tables: Tables) -> tuple:
    """Return a direction (z, y, x) drawn from Lambert's cosine law about a normal.

    The sum of the normal and of a direction drawn from all has it.
    """
    real = tables.angles.dtype.type
    chance = (real(bits >> np.uint64(40)) + real(0.5)) * real(2.0**-24)
    return _tilted(normal, real(1) - chance - chance, bits, tables)


@inlined
def _tilted(normal: tuple, along: Real, bits: np.uint64, tables: Tables) -> tuple:
    """Return the direction of the sum of a normal and of a direction, of which z is given."""
    real = tables.angles.dtype.type
    one = real(1)
    around = real((bits >> np.uint64(16)) & np.uint64(0xFFFFFF)) * real(math.pi * 2.0**-23)
    radius = real(math.sqrt(max(one - along * along, real(0))))
    z = normal[0] + along
    y = normal[1] + radius * real(math.cos(around))
    x = normal[2] + radius * real(math.sin(around))
    per_length = one / real(math.sqrt(z * z + y * y + x * x))
    return z * per_length, y * per_length, x * per_length
