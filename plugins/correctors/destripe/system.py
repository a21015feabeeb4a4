"""The linear system whose solution are the offsets of columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from fib_plugins.compiled import compiled


@compiled(fastmath=True)
def _product(s: Any, across: Any, between: Any, bends: Any, held: Any, result: Any) -> None:
    """Fill in the product of the matrix of `improve` with offsets s."""
    slices, knots, columns = s.shape
    prior, along, hold = held
    half = np.float32(0.5)
    for z in range(slices):
        for b in range(knots):
            for u in range(columns):
                result[z, b, u] = prior * s[z, b, u]
            for u in range(columns - 1):
                flow = across[z, b, u] * (s[z, b, u + 1] - s[z, b, u])
                result[z, b, u + 1] += flow
                result[z, b, u] -= flow
            if b > 0:
                for u in range(columns):
                    flow = along * (s[z, b, u] - s[z, b - 1, u])
                    result[z, b, u] += flow
                    result[z, b - 1, u] -= flow
            if z > 0:
                for u in range(columns):
                    flow = (between[z - 1, b, u] + hold) * (s[z, b, u] - s[z - 1, b, u])
                    result[z, b, u] += flow
                    result[z - 1, b, u] -= flow
            if z > 1:
                for u in range(columns):
                    mean = half * (s[z, b, u] + s[z - 2, b, u])
                    flow = bends[z - 1, b, u] * (s[z - 1, b, u] - mean)
                    result[z - 1, b, u] += flow
                    result[z, b, u] -= half * flow
                    result[z - 2, b, u] -= half * flow


@compiled
def _start(given: Any, held: Any, residual: Any, diagonal: Any) -> None:
    """Turn a product into the residual of the system, and fill in the matrix's diagonal."""
    across, slopes, between, changes, bends, bent = given
    prior, along, hold = held
    slices, knots, columns = residual.shape
    half, quarter = np.float32(0.5), np.float32(0.25)
    for z in range(slices):
        for b in range(knots):
            near = (b > 0) + (b < knots - 1)
            for u in range(columns):
                residual[z, b, u] = bent[z, b, u] - residual[z, b, u]
                diagonal[z, b, u] = prior + near * along + bends[z, b, u]
            for u in range(columns - 1):
                residual[z, b, u + 1] += slopes[z, b, u]
                residual[z, b, u] -= slopes[z, b, u]
                diagonal[z, b, u + 1] += across[z, b, u]
                diagonal[z, b, u] += across[z, b, u]
            if z > 0:
                for u in range(columns):
                    residual[z, b, u] += changes[z - 1, b, u]
                    residual[z - 1, b, u] -= changes[z - 1, b, u]
                    weight = between[z - 1, b, u] + hold
                    diagonal[z, b, u] += weight
                    diagonal[z - 1, b, u] += weight
    for z in range(1, slices - 1):
        for b in range(knots):
            for u in range(columns):
                for other in (z - 1, z + 1):
                    residual[other, b, u] -= half * bent[z, b, u]
                    diagonal[other, b, u] += quarter * bends[z, b, u]


@compiled(fastmath=True)
def improve(s: Any, given: Any, held: Any, iterations: int) -> None:
    """Minimise a quadratic form over the offsets s by conjugate gradients, from where they are.

    across (D_x s - slope)^2 + between (D_z s - change)^2 + bends (s - mean of both neighbours -
    bend)^2 + prior s^2 + along (D_y s)^2 + hold (D_z s)^2, with sums of weighted slopes in place of
    the slopes. The preconditioner is the diagonal (Saad, Iterative Methods for Sparse Linear
    Systems, algorithm 9.1).

    Args:
        s: offsets, axes (slice, knot, column), float32; changed.
        given: six arrays of that shape: weights and sums of slopes along x (to the next column), of
            differences (to the next slice), and of bends, 0 in the first and last slice.
        held: float32 weights prior, along and hold.
        iterations: number of steps.
    """
    across, between, bends = given[0], given[2], given[4]
    residual, diagonal = np.empty(s.shape, np.float32), np.empty(s.shape, np.float32)
    _product(s, across, between, bends, held, residual)
    _start(given, held, residual, diagonal)
    values, rest, inverse = s.ravel(), residual.ravel(), np.float32(1.0) / diagonal.ravel()
    way = inverse * rest
    before = np.float64(0.0)
    for i in range(values.size):
        before += np.float64(way[i]) * rest[i]
    first = before
    product = np.empty(s.shape, np.float32)
    for _ in range(iterations):
        if before <= 1e-10 * first or before <= 0.0:
            break
        _product(way.reshape(s.shape), across, between, bends, held, product)
        flat = product.ravel()
        curvature = np.float64(0.0)
        for i in range(values.size):
            curvature += np.float64(way[i]) * flat[i]
        length = np.float32(before / curvature)
        now = np.float64(0.0)
        for i in range(values.size):
            values[i] += length * way[i]
            rest[i] -= length * flat[i]
            now += np.float64(rest[i]) * rest[i] * inverse[i]
        turn = np.float32(now / before)
        before = now
        for i in range(values.size):
            way[i] = inverse[i] * rest[i] + turn * way[i]
