"""The voxels that electrons travel through: an endless lattice made of one labelled volume.

Each voxel is one byte: its medium in the lower bits, and above them the number of voxels in every
direction, including edges and corners, before another medium or the edge of the volume. Electrons
therefore cross boxes of one medium, not single voxels. Beyond the edges the volume is repeated or
mirrored; the walls of boxes are planes between voxels, so that the path through the structure is
the same as voxel by voxel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fib_plugins.compiled import compiled

from .collision import energy_share
from .compiled import Real, Whole, inlined
from .medium import Tables

PERIODIC, MIRROR = 0, 1
"""Continuation beyond the sides."""

BELOW_MIRROR, BELOW_REPEAT, BELOW_FILL = 0, 1, 2
"""Continuation below the last slice: the volume mirrored, the last slice, or one medium."""

_TINY = np.float32(1e-20)
"""Replaces a direction's component that is 0, to avoid a division by zero."""

MAX_CROSSINGS = 2_000
"""Most box walls that an electron may cross in one flight: one that flies forever between vacuum
columns is dropped. In matter a flight crosses a few."""

ENDLESS = 1 << 28
"""Half width of the box of the medium below the last slice."""

ARRIVED, ENTERED, ESCAPED, LOST, CROSSED = 0, 1, 2, 3, 4
"""How a walk ends: after its length, in another medium, out of the face, nowhere; or, for a step,
in the next box of the same medium."""


class Lattice(NamedTuple):
    """A volume for the transport loop.

    Voxels are counted in 32 bits along each axis: GPUs have no wider integers in hardware.

    Attributes:
        voxels: uint8, packed by `pack`, one after another in C order (z, y, x).
        shape: how many there are along (z, y, x), each an int32.
        medium_bits: bits of a voxel that hold its medium.
        size_nm: voxel size (z, y, x), float32 or float64.
        per_nm: its inverse.
        lateral: `PERIODIC` or `MIRROR`.
        below: `BELOW_MIRROR`, `BELOW_REPEAT` or `BELOW_FILL`.
        fill: the medium below, for `BELOW_FILL`.
    """

    voxels: np.ndarray
    shape: tuple[np.int32, np.int32, np.int32]
    medium_bits: int
    size_nm: np.ndarray
    per_nm: np.ndarray
    lateral: int
    below: int
    fill: int


def int32s(numbers: Sequence[int]) -> tuple[np.int32, np.int32, np.int32]:
    """Return three integers, such as a voxel (z, y, x), in the type of the transport loop."""
    z, y, x = (np.int32(number) for number in numbers)
    return z, y, x


@compiled
def pack(voxels: np.ndarray, medium_bits: Whole) -> None:
    """Add to each voxel the distance to which its surroundings are of one medium.

    Two sweeps of the chessboard distance transform (A. Rosenfeld, J. L. Pfaltz, Pattern Recognition
    1 (1968) 33): from a voxel's neighbours before it, then from those after it.

    Args:
        voxels: uint8 (z, y, x), medium of each voxel, below ``2 ** medium_bits``; becomes what
            `Lattice` describes.
        medium_bits: 1 to 7.
    """
    nz, ny, nx = voxels.shape
    most = (1 << (8 - medium_bits)) - 1
    for z in range(1, nz - 1):
        for y in range(1, ny - 1):
            for x in range(1, nx - 1):
                free = _free(voxels, medium_bits, z, y, x, 1, most)
                voxels[z, y, x] |= free << medium_bits
    for z in range(nz - 2, 0, -1):
        for y in range(ny - 2, 0, -1):
            for x in range(nx - 2, 0, -1):
                here = np.int64(voxels[z, y, x])
                free = here >> medium_bits
                if free > 0:
                    free = _free(voxels, medium_bits, z, y, x, -1, free)
                    voxels[z, y, x] = (free << medium_bits) | (here & ((1 << medium_bits) - 1))


@inlined
def _free(
    voxels: np.ndarray, medium_bits: Whole, z: Whole, y: Whole, x: Whole, side: Whole, most: Whole
) -> Whole:
    """Return the width of one medium around a voxel, by its 13 neighbours on a side.

    Side 1 is that of the voxels before this one in memory, -1 that of those after it.
    """
    mask = (1 << medium_bits) - 1
    here = voxels[z, y, x] & mask
    for k in range(13):
        dz, dy, dx = k // 9 - 1, k // 3 % 3 - 1, k % 3 - 1
        there = np.int64(voxels[z + side * dz, y + side * dy, x + side * dx])
        most = min(most, (there >> medium_bits) + 1 if there & mask == here else 0)
    return most


@inlined
def _inside(index: np.int32, count: np.int32, mirrored: bool) -> np.int32:
    """Return the voxel of the volume at an index of the endless lattice."""
    period = np.uint32(2 * count if mirrored else count)
    behind = index < 0
    rest = np.int32(np.uint32(-1 - index if behind else index) % period)
    inside = np.int32(period - 1 - rest if behind else rest)
    return inside if inside < count else np.int32(2 * count - 1 - inside)


@inlined
def inside_and_flip(index: np.int32, count: np.int32, mirrored: bool) -> tuple:
    """Return the voxel at an index of the endless lattice, and -1 if it is a mirror image, or 1."""
    behind = index < 0
    whole = np.uint32(-1 - index if behind else index) // np.uint32(count)
    image = mirrored and (whole % np.uint32(2) == np.uint32(0)) == behind
    return _inside(index, count, mirrored), np.int32(-1 if image else 1)


@inlined
def look_up(lattice: Lattice, pixel: tuple, iz: np.int32, iy: np.int32, ix: np.int32) -> tuple:
    """Return the medium around a voxel, and the half width of its known box.

    The voxel is one of the endless lattice, relative to the pixel's.
    """
    nz, ny, nx = lattice.shape
    z, y, x = np.int32(iz + pixel[0]), np.int32(iy + pixel[1]), np.int32(ix + pixel[2])
    if z >= nz:
        if lattice.below == BELOW_FILL:
            return np.int32(lattice.fill), np.int32(ENDLESS)
        z = np.int32(nz - 1) if lattice.below == BELOW_REPEAT else _inside(z, nz, True)
    if y < 0 or y >= ny:
        y = _inside(y, ny, lattice.lateral == MIRROR)
    if x < 0 or x >= nx:
        x = _inside(x, nx, lattice.lateral == MIRROR)
    row = np.uint32(z * ny + y)
    voxel = np.int32(lattice.voxels[np.uint64(row) * np.uint32(nx) + np.uint32(x)])
    medium = np.int32(voxel & ((1 << lattice.medium_bits) - 1))
    return medium, np.int32(voxel >> lattice.medium_bits)


@inlined
def walls_of(box: tuple, lattice: Lattice, tables: Tables) -> tuple:
    """Return the walls of a box: top, end (z), front, back (y), west, east (x).

    In nm relative to the pixel's corner on the face, which is a wall.

    Args:
        box: (z, y, x) of a voxel relative to the pixel's, and the half width of the box around it.
        lattice: the voxels.
        tables: see `Tables`.
    """
    real = tables.angles.dtype.type
    iz, iy, ix, half = box
    hz, hy, hx = lattice.size_nm[0], lattice.size_nm[1], lattice.size_nm[2]
    above = 0 if half == ENDLESS else half  # that box begins at the bottom of the volume
    return (
        max(real(np.int32(iz - above)) * hz, real(0)),
        real(np.int32(iz + half + 1)) * hz,
        real(np.int32(iy - half)) * hy,
        real(np.int32(iy + half + 1)) * hy,
        real(np.int32(ix - half)) * hx,
        real(np.int32(ix + half + 1)) * hx,
    )


@inlined
def walk(
    lattice: Lattice,
    tables: Tables,
    pixel: tuple,
    place: tuple,
    direction: tuple,
    box: tuple,
    medium: np.int32,
    length: Real,
    range_after: Real,
) -> tuple:
    """Move in a straight line, out of a box and through others of one medium.

    Lengths in nm are relative to the pixel's corner on the face, voxel numbers to its voxel.

    Args:
        lattice: the voxels.
        tables: see `Tables`.
        pixel: (z, y, x) voxel of the pixel in the volume, each an int32.
        place: (z, y, x) of the electron.
        direction: (z, y, x) of its flight.
        box: (z, y, x) of a voxel, and the half width of the box around it that the electron is in,
            each an int32.
        medium: number of the medium that it is in.
        length: length of the flight in that medium.
        range_after: its range at the end of the flight.

    Returns:
        How the walk ends, place, box there, the medium it leads to, and the energy there
        (see `collision.energy_share`; 0 unless it enters or escapes). A walk that enters a medium
        ends on the wall to it.
    """
    zero = tables.angles.dtype.type(0)
    inverse = inverse_of(direction)
    for _ in range(MAX_CROSSINGS):
        end, place, box, into, length = step(
            lattice, tables, pixel, place, direction, inverse, box, medium, length
        )
        if end == ARRIVED:
            return ARRIVED, place, box, medium, zero
        if end != CROSSED:
            energy = energy_share(range_after + length, medium, tables)
            return end, place, box, into, energy
    return LOST, place, box, medium, zero


@inlined
def step(
    lattice: Lattice,
    tables: Tables,
    pixel: tuple,
    place: tuple,
    direction: tuple,
    inverse: tuple,
    box: tuple,
    medium: np.int32,
    length: Real,
) -> tuple:
    """Move in a straight line to the end of the flight, or into the next box: a step of `walk`.

    Args:
        lattice: see `walk`, like the next five.
        tables: see `Tables`.
        pixel: (z, y, x) voxel of the pixel in the volume.
        place: (z, y, x) of the electron.
        direction: (z, y, x) of its flight.
        inverse: see `inverse_of`.
        box: (z, y, x) of a voxel, and the half width of the box around it that the electron is in.
        medium: number of the medium that it is in.
        length: remaining length of the flight, in nm.

    Returns:
        `ARRIVED`, `CROSSED`, `ENTERED` or `ESCAPED`; place, box there, the medium there, and the
        remaining length.
    """
    real = tables.angles.dtype.type
    zero = real(0)
    z, y, x = place
    uz, uy, ux = direction
    iz, iy, ix, half = box
    hz, hy, hx = lattice.size_nm[0], lattice.size_nm[1], lattice.size_nm[2]
    per_z, per_y, per_x = inverse
    down, south, east = per_z > zero, per_y > zero, per_x > zero
    above = 0 if half == ENDLESS else half
    # the first voxel behind the wall ahead, and the wall, along each axis
    next_z = np.int32(iz + half + 1 if down else iz - 1 - above)
    next_y = np.int32(iy + half + 1 if south else iy - half - 1)
    next_x = np.int32(ix + half + 1 if east else ix - half - 1)
    wall_z = max(real(np.int32(next_z if down else next_z + 1)) * hz, zero)
    wall_y = real(np.int32(next_y if south else next_y + 1)) * hy
    wall_x = real(np.int32(next_x if east else next_x + 1)) * hx
    to_z, to_y, to_x = (wall_z - z) * per_z, (wall_y - y) * per_y, (wall_x - x) * per_x
    way = max(min(to_z, min(to_y, to_x)), zero)
    if length <= way:
        place = (z + uz * length, y + uy * length, x + ux * length)
        return ARRIVED, place, box, medium, zero
    length -= way
    out_z = way >= to_z
    out_y = (way >= to_y) & (not out_z)
    out_x = not (out_z | out_y)
    z = wall_z if out_z else z + uz * way
    y = wall_y if out_y else y + uy * way
    x = wall_x if out_x else x + ux * way
    if out_z & (not down) & (wall_z <= zero):
        return ESCAPED, (zero, y, x), box, medium, length
    within_z = max(within(z * lattice.per_nm[0], iz, half), np.int32(0))
    within_y = within(y * lattice.per_nm[1], iy, half)
    within_x = within(x * lattice.per_nm[2], ix, half)
    iz = next_z if out_z else within_z
    iy = next_y if out_y else within_y
    ix = next_x if out_x else within_x
    into, half = look_up(lattice, pixel, iz, iy, ix)
    end = CROSSED if into == medium else ENTERED
    return end, (z, y, x), (iz, iy, ix, half), into, length


@inlined
def inverse_of(direction: tuple) -> tuple:
    """Return 1 / component of a direction along each axis, or a large number where that is 0."""
    return _inverse(direction[0]), _inverse(direction[1]), _inverse(direction[2])


@inlined
def _inverse(along: Real) -> Real:
    """Return 1 / along, or a large number where that is 0."""
    one = along - along + np.float32(1)
    return one / (along if along != along - along else one * _TINY)


@inlined
def to_walls(place: Real, along: Real, near: Real, far: Real) -> Real:
    """Return the length of a ray until it meets the wall ahead, of two walls, in nm.

    Args:
        place: coordinate of its start.
        along: component of its direction.
        near: coordinate of the wall before it, nm.
        far: of the wall behind it, nm.
    """
    zero = place - place
    ahead = (far if along >= zero else near) - place
    return ahead / (along if along != zero else _TINY + zero)


@inlined
def within(at: Real, index: np.int32, half: np.int32) -> np.int32:
    """Return the voxel number of a place, kept within the box it must be in despite rounding."""
    whole = np.int32(at)
    whole = np.int32(whole - (at < whole))  # floor, without the call of a library
    return min(max(whole, np.int32(index - half)), np.int32(index + half))
