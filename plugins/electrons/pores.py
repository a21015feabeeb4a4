"""Secondary electrons at the walls of pores: how many an electron emits there, and where."""

from __future__ import annotations

import math

import numpy as np

from .collision import decay
from .compiled import Real, inlined
from .lattice import BELOW_FILL, BELOW_REPEAT, MIRROR, Lattice, inside_and_flip
from .medium import BEYOND_ALL_NM
from .open_surfaces import OF_VACUUM
from .secondary import Secondary, escaping


@inlined
def into_pores(emitted: tuple, pixel: tuple, lattice: Lattice, secondary: Secondary) -> tuple:
    """Return the expected number that an electron has emitted into pores, and where.

    Args:
        emitted: see `secondary.nothing_emitted`; with a chosen flight.
        pixel: voxel of the pixel.
        lattice: the voxels.
        secondary: see `Secondary`.

    Returns:
        The number; the place (z, y, x) in nm, the normal there, the voxel of vacuum before it.
    """
    real = secondary.pairs_by_depth.dtype.type
    _, _, weights, chosen = emitted
    start, end, voxel_1, voxel_2, medium, made, weight, _ = chosen
    d1, place_1, normal_1, vacuum_1 = _nearest(start, voxel_1, pixel, lattice, secondary)
    d2, place_2, normal_2, vacuum_2 = _nearest(end, voxel_2, pixel, lattice, secondary)
    per_nm = secondary.escape_per_nm[medium]
    fade_1, fade_2 = real(decay(d1 * per_nm)), real(decay(d2 * per_nm))
    number = escaping(made, (d2 - d1) * per_nm, fade_1, fade_2)
    if weight > real(0):
        number *= weights / weight
    if d1 <= d2:
        return number, place_1, normal_1, vacuum_1
    return number, place_2, normal_2, vacuum_2


@inlined
def _nearest(
    place: tuple, voxel: tuple, pixel: tuple, lattice: Lattice, secondary: Secondary
) -> tuple:
    """Return the nearest wall of a pore.

    Args:
        place: (z, y, x) in nm, in a solid or on its wall.
        voxel: (z, y, x) of its voxel; one of vacuum if it has just entered it.
        pixel: voxel of the pixel.
        lattice: the voxels.
        secondary: see `Secondary`.

    Returns:
        Its distance in nm, `BEYOND_ALL_NM` if there is none near enough; the nearest place on it;
        its normal; and the voxel of vacuum behind it.
    """
    zero = place[0] - place[0]
    one = zero + np.float32(1)
    hz, hy, hx = lattice.size_nm[0], lattice.size_nm[1], lattice.size_nm[2]
    distance, nearest, normal, behind = (
        one * np.float32(BEYOND_ALL_NM),
        place,
        (one, zero, zero),
        voxel,
    )
    code, flip_z, flip_y, flip_x = _look_up_code(lattice, secondary, pixel, voxel)
    if code < 0:  # on a wall of this voxel of vacuum
        oz = place[0] * lattice.per_nm[0] - np.float32(voxel[0]) - np.float32(0.5)
        oy = place[1] * lattice.per_nm[1] - np.float32(voxel[1]) - np.float32(0.5)
        ox = place[2] * lattice.per_nm[2] - np.float32(voxel[2]) - np.float32(0.5)
        if abs(oz) >= abs(oy) and abs(oz) >= abs(ox):
            normal = (-one if oz > zero else one, zero, zero)
        elif abs(oy) >= abs(ox):
            normal = (zero, -one if oy > zero else one, zero)
        else:
            normal = (zero, zero, -one if ox > zero else one)
        return zero, nearest, normal, behind
    if code == 0:
        return distance, nearest, normal, behind
    number = code >> secondary.side_bits
    if number > 0:
        sz = np.int32(secondary.offsets[3 * number]) * flip_z
        sy = np.int32(secondary.offsets[3 * number + 1]) * flip_y
        sx = np.int32(secondary.offsets[3 * number + 2]) * flip_x
        tz, ty, tx = np.int32(voxel[0] + sz), np.int32(voxel[1] + sy), np.int32(voxel[2] + sx)
        there = _clipped(place, (tz, ty, tx), lattice)
        if tz >= 0:
            distance, nearest, behind = _distance(place, there), there, (tz, ty, tx)
            nz, ny, nx = hz * np.float32(sz), hy * np.float32(sy), hx * np.float32(sx)
            per_length = one / (one * math.sqrt(nz * nz + ny * ny + nx * nx))
            normal = (nz * per_length, ny * per_length, nx * per_length)
    for side in range(secondary.side_bits):
        if (code >> side) & 1:
            sign = np.int32(-1 if side % 2 == 0 else 1)
            sz = np.int32(sign * flip_z if side < 2 else 0)
            sy = np.int32(sign * flip_y if side == 2 or side == 3 else 0)
            sx = np.int32(sign * flip_x if side > 3 else 0)
            tz, ty, tx = np.int32(voxel[0] + sz), np.int32(voxel[1] + sy), np.int32(voxel[2] + sx)
            there = _clipped(place, (tz, ty, tx), lattice)
            away = _distance(place, there)
            if tz >= 0 and away < distance:
                distance, nearest, behind = away, there, (tz, ty, tx)
                normal = (one * np.float32(sz), one * np.float32(sy), one * np.float32(sx))
    return distance, nearest, normal, behind


@inlined
def _clipped(place: tuple, voxel: tuple, lattice: Lattice) -> tuple:
    """Return the place in a voxel that is nearest to another."""
    zero = place[0] - place[0]
    one = zero + np.float32(1)
    hz, hy, hx = lattice.size_nm[0], lattice.size_nm[1], lattice.size_nm[2]
    z, y, x = (
        zero + np.float32(voxel[0]),
        zero + np.float32(voxel[1]),
        zero + np.float32(voxel[2]),
    )
    return (
        min(max(place[0], z * hz), (z + one) * hz),
        min(max(place[1], y * hy), (y + one) * hy),
        min(max(place[2], x * hx), (x + one) * hx),
    )


@inlined
def _distance(one: tuple, other: tuple) -> Real:
    """Return the distance of two places."""
    z, y, x = other[0] - one[0], other[1] - one[1], other[2] - one[2]
    return (z - z + np.float32(1)) * math.sqrt(z * z + y * y + x * x)


@inlined
def _look_up_code(lattice: Lattice, secondary: Secondary, pixel: tuple, voxel: tuple) -> tuple:
    """Return the code of a voxel, -1 for vacuum, and the sign of its offsets along z, y, x."""
    nz, ny, nx = lattice.shape
    up = np.int32(1)
    z, y, x = np.int32(voxel[0] + pixel[0]), np.int32(voxel[1] + pixel[1]), np.int32(
        voxel[2] + pixel[2]
    )  # fmt: skip
    flip_z, flip_y, flip_x = up, up, up
    if z >= nz:
        if lattice.below == BELOW_FILL:
            vacuum = secondary.seen_nm[lattice.fill] <= 0
            return np.int32(-1 if vacuum else 0), up, up, up
        if lattice.below == BELOW_REPEAT:
            z = np.int32(nz - 1)
        else:
            z, flip_z = inside_and_flip(z, nz, True)
    mirrored = lattice.lateral == MIRROR
    if y < 0 or y >= ny:
        y, flip_y = inside_and_flip(y, ny, mirrored)
    if x < 0 or x >= nx:
        x, flip_x = inside_and_flip(x, nx, mirrored)
    row = np.uint32(z * ny + y)
    at = np.uint64(row) * np.uint32(nx) + np.uint32(x)
    code = np.int32(secondary.codes[at])
    if code == OF_VACUUM:
        code = np.int32(-1)
    return code, flip_z, flip_y, flip_x
