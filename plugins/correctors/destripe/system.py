"""The linear system whose solution are the offsets of columns."""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled


@compiled(fastmath=True)
def _product(s, across, between, prior, along, hold, result):  # type: ignore[no-untyped-def]
    slices, knots, columns = s.shape
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


@compiled
def improve(s, across, slopes, between, changes, prior, along, hold, iterations):  # type: ignore[no-untyped-def]
    """Minimise a quadratic form over the offsets s by conjugate gradients, from where they are.

    across (D_x s - slope)^2 + between (D_z s - change)^2 + prior s^2 + along (D_y s)^2
    + hold (D_z s)^2, with sums of weighted slopes in place of the slopes. The preconditioner is
    the diagonal (Saad, Iterative Methods for Sparse Linear Systems, algorithm 9.1).

    Args:
        s: offsets, axes (slice, knot, column), float32; changed.
        across: weights of slopes along x, of the same shape.
        slopes: sums of slopes times weights.
        between: weights of differences to the next slice, axes (slice, knot, column).
        changes: sums of differences times weights.
        prior: weight of squared offsets.
        along: weight of squared differences between knots.
        hold: weight of squared differences of offsets of neighbouring slices.
        iterations: number of steps.
    """
    slices, knots, columns = s.shape
    diagonal = np.full(s.shape, prior, np.float32)
    residual = np.empty(s.shape, np.float32)
    _product(s, across, between, prior, along, hold, residual)
    for z in range(slices):
        for b in range(knots):
            near = (b > 0) + (b < knots - 1)
            for u in range(columns):
                residual[z, b, u] = -residual[z, b, u]
                diagonal[z, b, u] += near * along
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
    values, rest, inverse = s.ravel(), residual.ravel(), 1.0 / diagonal.ravel()
    way = inverse * rest
    before = np.float64(0.0)
    for i in range(values.size):
        before += np.float64(way[i]) * rest[i]
    first = before
    product = np.empty(s.shape, np.float32)
    for _ in range(iterations):
        if before <= 1e-10 * first or before <= 0.0:
            break
        _product(way.reshape(s.shape), across, between, prior, along, hold, product)
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
