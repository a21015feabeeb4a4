"""Loops over the pixels of a slice, compiled."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled
def binned(plane: np.ndarray, size: int, out: np.ndarray) -> None:
    """Set each pixel of `out` to the mean of `size` x `size` pixels of a slice."""
    scale = np.float32(1.0 / (size * size))
    height, width = out.shape
    for y in range(height):
        line = out[y]
        for x in range(width):
            line[x] = 0.0
        for dy in range(size):
            source = plane[y * size + dy]
            for x in range(width):
                total = np.float32(0.0)
                for dx in range(size):
                    total += np.float32(source[x * size + dx])
                line[x] += total
        for x in range(width):
            line[x] *= scale


@compiled
def sharpness(plane: np.ndarray, step: int) -> float:
    """Return the energy of differences of neighbours along x over that of pixels 8 apart.

    Differences are multiplied by those of the next row, so that noise of single pixels and offsets
    of rows cancel in the mean. Contrast and brightness do not matter. Rows are sampled at `step`.
    """
    height, width = plane.shape
    fine, coarse = 0.0, 0.0
    for y in range(0, height - 1, step):
        above, below = plane[y], plane[y + 1]
        for x in range(width - 8):
            a, b = float(above[x]), float(below[x])
            fine += (float(above[x + 1]) - a) * (float(below[x + 1]) - b)
            coarse += (float(above[x + 8]) - a) * (float(below[x + 8]) - b)
    return fine / coarse if coarse > 0.0 and fine > 0.0 else 0.0


@compiled
def levelled(
    plane: np.ndarray,
    scale: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    multiplicative: bool,
    out: np.ndarray,
) -> None:
    """Set `out` to a slice without its deviation of brightness and contrast, and its shading.

    With I a grey value: J = middle + (I - middle - brightness) / contrast, then
    black + (J - black) / (1 + s), or J - s (bright - dark), with s the shading, the product of
    `rows` (y, term) and `columns` (term, x).

    Args:
        plane: grey values, axes (y, x).
        scale: middle, brightness, contrast, black, bright - dark.
        rows: coefficients of each row.
        columns: values of the terms in each column.
        multiplicative: kind of the shading.
        out: float32, axes (y, x).
    """
    height, width = plane.shape
    middle, brightness, contrast, black, span = scale
    gain = np.float32(1.0 / contrast)
    offset = np.float32(middle - (middle + brightness) / contrast)
    zero, span32 = np.float32(black), np.float32(span)
    terms = columns.shape[0]
    shade = np.empty(width, np.float32)
    for y in range(height):
        source, line = plane[y], out[y]
        for x in range(width):
            shade[x] = 0.0
        for term in range(terms):
            weight = np.float32(rows[y, term])
            if weight != 0.0:
                column = columns[term]
                for x in range(width):
                    shade[x] += weight * column[x]
        if multiplicative:
            for x in range(width):
                value = np.float32(source[x]) * gain + offset
                line[x] = zero + (value - zero) / (np.float32(1.0) + shade[x])
        else:
            for x in range(width):
                line[x] = np.float32(source[x]) * gain + offset - shade[x] * span32


@compiled
def tile_sums(plane: np.ndarray, levels: np.ndarray, counts: np.ndarray, sums: np.ndarray) -> None:
    """Add up how dark and bright pixels differ from the levels of their classes, tile by tile.

    Args:
        plane: grey values, axes (y, x).
        levels: threshold, level of dark and of bright pixels, largest difference that counts.
        counts: number of pixels, axes (class, tile row, tile column).
        sums: sum of differences, in the same axes.
    """
    height, width = plane.shape
    threshold, dark, bright, limit = levels
    tile_rows, tile_columns = counts.shape[1:]
    for y in range(height):
        row = y * tile_rows // height
        for x in range(width):
            column = x * tile_columns // width
            value = plane[y, x]
            kind = 1 if value >= threshold else 0
            difference = value - (bright if kind else dark)
            difference = min(max(difference, -limit), limit)
            counts[kind, row, column] += 1.0
            sums[kind, row, column] += difference


@compiled
def row_steps(plane: np.ndarray, blocks: int, limit: float, rounds: int, out: np.ndarray) -> None:
    """Set `out` to the step from each row to the next, in blocks along the row.

    A step is the centre of the differences of pixels, by Huber's M-estimator: the mean of those
    clipped to `limit` about it.

    Args:
        plane: grey values, axes (y, x).
        blocks: number of blocks.
        limit: in grey values.
        rounds: iterations.
        out: axes (row - 1, block).
    """
    height, width = plane.shape
    bound = np.float32(limit)
    differences = np.empty(width, np.float32)
    for y in range(height - 1):
        above, below = plane[y], plane[y + 1]
        for x in range(width):
            differences[x] = np.float32(below[x]) - np.float32(above[x])
        for block in range(blocks):
            first, last = block * width // blocks, (block + 1) * width // blocks
            centre = np.float32(0.0)
            for x in range(first, last):
                centre += differences[x]
            centre /= np.float32(last - first)
            for _ in range(rounds):
                total = np.float32(0.0)
                for x in range(first, last):
                    total += min(max(differences[x] - centre, -bound), bound)
                centre += total / np.float32(last - first)
            out[y, block] = centre


@compiled
def without_offsets(plane: np.ndarray, offsets: np.ndarray) -> None:
    """Subtract offsets (row, block) from a slice, interpolated along x between the blocks."""
    height, width = plane.shape
    blocks = offsets.shape[1]
    for y in range(height):
        line = plane[y]
        for x in range(width):
            place = (x + 0.5) * blocks / width - 0.5
            left = min(max(int(np.floor(place)), 0), blocks - 1)
            right = min(left + 1, blocks - 1)
            share = min(max(place - left, 0.0), 1.0)
            line[x] -= np.float32((1.0 - share) * offsets[y, left] + share * offsets[y, right])


@compiled
def rounded(plane: np.ndarray, highest: int, out: np.ndarray) -> None:
    """Set `out`, unsigned integers, to the nearest values from 0 to `highest`."""
    height, width = plane.shape
    top = np.float32(highest)
    for y in range(height):
        source, line = plane[y], out[y]
        for x in range(width):
            line[x] = np.rint(min(max(source[x], np.float32(0.0)), top))
