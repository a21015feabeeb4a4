"""Loops over voxels of structures with open pores, compiled by Numba.

A ray from the ground of a pore leaves it if it meets no solid on its way to the face. Rays of one
direction are shifted by the same whole number of pixels from slice to slice, so that the number of
slices that a ray passes follows from that of the ray in the slice above.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled

MOST_SLICES = 254
"""Deepest ground that is seen, in slices below the face."""


@compiled
def pass_slice(
    plane: np.ndarray,
    above: np.ndarray,
    own: np.ndarray,
    shifts: np.ndarray,
    rows: tuple[int, int],
) -> None:
    """Set how many slices rays pass upwards that start in a slice.

    Args:
        plane: uint8 phases of the slice, (y, x); it repeats along y and x.
        above: uint8 result for the slice above, (direction, y, x).
        own: uint8 result, likewise: 0 in solid, else 1 and more.
        shifts: pixels that rays of each direction move within this slice, (direction, 2): y, x.
        rows: first row, and the one after the last, that are set.
    """
    height, width = plane.shape
    for d in range(shifts.shape[0]):
        down, right = shifts[d]
        steps = max(abs(down), abs(right))
        for y in range(*rows):
            for x in range(width):
                passed = 0
                if plane[y, x] == 0:
                    passed = 1 + min(above[d, (y + down) % height, (x + right) % width], 254)
                    for step in range(1, steps + 1):
                        beside = (y + _part(down, step, steps)) % height
                        if plane[beside, (x + _part(right, step, steps)) % width] != 0:
                            passed = 0
                            break
                own[d, y, x] = passed


@compiled
def _part(whole: int, step: int, steps: int) -> int:
    """Return the nearest whole number to ``whole * step / steps``."""
    return (2 * whole * step + steps) // (2 * steps)


@compiled
def light(
    planes: np.ndarray,
    above: np.ndarray,
    open_slices: np.ndarray,
    parts: np.ndarray,
    spent: np.ndarray,
    oblique: np.ndarray,
    walls: np.ndarray,
    image: np.ndarray,
    z: int,
    rows: tuple[int, int],
) -> None:
    """Set the yield of the surface in a slice, and of the pore above it at all faces that see it.

    Args:
        planes: uint8 phases of the slice and of those below it that count, (slice, y, x).
        above: slices that rays pass upwards from the slice above, (direction, y, x).
        open_slices: int32 number of open slices directly above, (y, x); it is updated.
        parts: float32 yield of each phase from below so many steps of matter,
            (channel, phase, step).
        spent: float32 steps of matter in a slice of each phase, (channel, phase).
        oblique: float32 yield for electrons from all directions, by 256 times the yield for those
            along the beam, (257,).
        walls: float32 share of electrons that leave through a wall that is 0, 1, ... pixels away,
            (channel, phase, 2, pixel): along y and x.
        image: float32 result, (channel, z, y, x).
        z: number of the slice; below the image only pores above it are set.
        rows: first row, and the one after the last.
    """
    count, width = above.shape[0], planes.shape[2]
    inside = z < image.shape[1]
    passing = np.zeros(256, np.int64)
    for y in range(*rows):
        for x in range(width):
            if planes[0, y, x] == 0:
                open_slices[y, x] += 1
                if inside:
                    image[:, z, y, x] = 0.0
                continue
            depth = min(open_slices[y, x], MOST_SLICES)
            open_slices[y, x] = 0
            if not inside and depth <= z - image.shape[1]:
                continue
            if depth > 0:
                passing[: depth + 1] = 0
                for d in range(count):
                    passing[min(above[d, y, x], depth)] += 1
            for channel in range(image.shape[0]):
                face = _of_column(planes, y, x, parts[channel], spent[channel])
                through = _through_walls(planes[0], y, x, walls[channel, planes[0, y, x]])
                again = oblique[int(256.0 * face)]
                surface = face + (again - face) * through
                if inside:
                    image[channel, z, y, x] = surface
                leaving = count
                for k in range(1, depth + 1):
                    leaving -= passing[k - 1]
                    if z - k < image.shape[1]:
                        sky = leaving / count
                        shade = sky / (1.0 - again * (1.0 - sky))
                        image[channel, z - k, y, x] = surface * shade


@compiled
def _of_column(
    planes: np.ndarray, y: int, x: int, parts: np.ndarray, spent: np.ndarray
) -> np.float32:
    """Return the yield of what lies below a surface, layer by layer."""
    found, depth, last = np.float32(0.0), np.float32(0.0), parts.shape[1] - 1
    for k in range(planes.shape[0]):
        phase = planes[k, y, x]
        if phase != 0:
            deeper = depth + spent[phase]
            found += _at(parts[phase], depth) - _at(parts[phase], deeper)
            depth = deeper
            if depth >= last:
                break
    return found


@compiled
def _at(curve: np.ndarray, place: np.float32) -> np.float32:
    """Return a curve between its points; its last one beyond them."""
    number = int(place)
    if number >= curve.size - 1:
        return curve[-1]
    return curve[number] + (place - number) * (curve[number + 1] - curve[number])


@compiled
def _through_walls(plane: np.ndarray, y: int, x: int, walls: np.ndarray) -> np.float32:
    """Return the share of electrons that leave through walls towards open pores beside a pixel."""
    kept = np.float32(1.0)
    height, width = plane.shape
    for axis in range(2):
        for sign in (-1, 1):
            for n in range(walls.shape[1]):
                step = sign * (n + 1)
                row = (y + step) % height if axis == 0 else y
                column = (x + step) % width if axis == 1 else x
                if plane[row, column] == 0:
                    kept *= np.float32(1.0) - walls[axis, n]
                    break
    return np.float32(1.0) - kept
