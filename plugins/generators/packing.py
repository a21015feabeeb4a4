"""Packing of particles without overlap.

Non-overlapping particles are found by relaxation in a periodic box, in the spirit of the
force-biased algorithm (Jodrey and Tory, Phys. Rev. A 32 (1985) 2347; Moscinski, Bargiel, Rycerz
and Jacobs, Mol. Simul. 3 (1989) 201; for ellipsoids Bezrukov and Stoyan, Part. Part. Syst.
Charact. 23 (2006) 388): from random centres, every two particles that overlap are moved apart along
the line between their centres until none do. Orientations stay as drawn.

Two ellipsoids touch when both are scaled by sqrt(F), where F = max over 0 < l < 1 of
l (1 - l) r [(1 - l) P1 + l P2]^-1 r, with r between the centres and P the matrices
R diag(semi-axes^2) R^T (Perram and Wertheim, J. Comput. Phys. 58 (1985) 409). For spheres that is
the distance over the sum of the radii.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.generators.ellipsoids import Ellipsoids
from fibcore.context import Context
from fibcore.errors import FibError

WANTED_SCALE = 1.01
"""Particles are moved apart until they would touch if scaled by this factor."""
ENOUGH_SCALE = 1.003
"""Relaxation ends once none overlap if scaled by this factor, which takes finite time."""
DEEPEST_SCALE = 0.3
"""Pairs that overlap more are moved apart as if they overlapped this much."""
GOLDEN = 0.6180339887498949
SWEEPS_PER_REPORT = 20
MOST_SWEEPS = 4000
ATTEMPTS = 3
"""Number of attempts: a few dozen particles may jam early; other initial centres then help."""


def packed(
    bodies: Ellipsoids, box_nm: np.ndarray, rng: np.random.Generator, context: Context
) -> Ellipsoids:
    """Return the particles at places where none overlap, in a periodic box.

    Args:
        bodies: the particles; their centres are not used.
        box_nm: edges (z, y, x), each well above twice the longest axis of any particle.
        rng: random generator of the initial centres.
        context: progress.

    Raises:
        FibError: no such arrangement was found.
    """
    radii = np.sqrt(np.linalg.eigvalsh(bodies.spreads)[:, [0, -1]])
    edge = 2 * WANTED_SCALE * np.median(radii[:, 1])
    cells = np.maximum(1, np.floor(box_nm / edge)).astype(np.int64)
    for _ in range(ATTEMPTS):
        centres = rng.random((len(bodies), 3)) * box_nm
        for sweep in range(0, MOST_SWEEPS, SWEEPS_PER_REPORT):
            context.progress(sweep, None, "packing particles")
            left = _relax(centres, bodies.spreads, radii, box_nm, cells, SWEEPS_PER_REPORT)
            if not left:
                return Ellipsoids(centres, bodies.spreads)
    fraction = bodies.volume_nm3 / box_nm.prod()
    raise FibError(
        f"{len(bodies)} particles with solid fraction {fraction:.3f} could not be packed without "
        f"overlap: {left} pairs still do after {ATTEMPTS} times {MOST_SWEEPS} sweeps. Use a "
        f"smaller `solid_fraction`, axis ratios nearer to 1, a larger `shape`, or "
        f"`mode`: overlapping"
    )


@compiled
def _relax(centres, spreads, radii, box, cells, sweeps):  # type: ignore[no-untyped-def]
    """Move overlapping pairs apart, in place; return how many overlapped in the last sweep.

    Each pair is found from its larger member, which searches only up to its own size: small
    particles need not search the neighbourhood of the largest.
    """
    overlapping = 0
    r, push = np.empty(3), np.empty(3)
    first, number = np.empty(3, np.int64), np.empty(3, np.int64)
    for _ in range(sweeps):
        order, starts = _cell_list(centres, box, cells)
        overlapping = 0
        for i in range(len(centres)):
            for axis in range(3):
                reach = int(np.ceil(2 * WANTED_SCALE * radii[i, 1] * cells[axis] / box[axis]))
                number[axis] = min(2 * reach + 1, cells[axis])
                first[axis] = _cell(centres[i, axis], box[axis], cells[axis]) - reach
            for cell in range(number[0] * number[1] * number[2]):
                z = (first[0] + cell // (number[1] * number[2])) % cells[0]
                y = (first[1] + cell // number[2] % number[1]) % cells[1]
                x = (first[2] + cell % number[2]) % cells[2]
                place = (z * cells[1] + y) * cells[2] + x
                for j in order[starts[place] : starts[place + 1]]:
                    if radii[j, 1] > radii[i, 1] or (radii[j, 1] == radii[i, 1] and j <= i):
                        continue
                    for axis in range(3):
                        d = centres[j, axis] - centres[i, axis]
                        r[axis] = d - box[axis] * np.round(d / box[axis])
                    scale = _separate(r, spreads[i], spreads[j], radii[i], radii[j], push)
                    if scale >= WANTED_SCALE:
                        continue
                    overlapping += scale < ENOUGH_SCALE
                    for axis in range(3):
                        centres[i, axis] = (centres[i, axis] - push[axis] / 2) % box[axis]
                        centres[j, axis] = (centres[j, axis] + push[axis] / 2) % box[axis]
        if overlapping == 0:
            break
    return overlapping


@compiled
def _cell(coordinate, edge, cells):  # type: ignore[no-untyped-def]
    return min(np.int64(coordinate / edge * cells), cells - 1)


@compiled
def _cell_list(centres, box, cells):  # type: ignore[no-untyped-def]
    """Return particles ordered by cell, and where in that order each cell starts."""
    count = len(centres)
    cell_of = np.empty(count, np.int64)
    starts = np.zeros(cells[0] * cells[1] * cells[2] + 1, np.int64)
    for i in range(count):
        cell = 0
        for axis in range(3):
            cell = cell * cells[axis] + _cell(centres[i, axis], box[axis], cells[axis])
        cell_of[i] = cell
        starts[cell + 1] += 1
    starts[:] = np.cumsum(starts)
    fill = starts.copy()
    order = np.empty(count, np.int64)
    for i in range(count):
        order[fill[cell_of[i]]] = i
        fill[cell_of[i]] += 1
    return order, starts


@compiled
def _separate(r, p1, p2, radii1, radii2, push):  # type: ignore[no-untyped-def]
    """Return the scale at which two ellipsoids touch, and in `push` the shift that separates them.

    If spheres around them already show that the scale is above `WANTED_SCALE`, that bound is
    returned and `push` is not changed. `push` is the shift of the second ellipsoid, along the
    common normal, that brings the scale to `WANTED_SCALE` (to first order; exact for spheres).
    """
    distance = max(np.sqrt(r[0] ** 2 + r[1] ** 2 + r[2] ** 2), 1e-3 * radii1[0])
    bound = distance / (radii1[1] + radii2[1])
    if bound >= WANTED_SCALE:
        return bound
    if radii1[0] > 0.999999 * radii1[1] and radii2[0] > 0.999999 * radii2[1]:
        for axis in range(3):
            push[axis] = r[axis] * (WANTED_SCALE / bound - 1)
        return bound
    # The function of l is concave: golden section finds its maximum, which is so flat that an
    # interval of 0.005 leaves a relative error of F near 1e-5.
    low, high = 0.0, 1.0
    a, b = 1 - GOLDEN, GOLDEN
    at_a, at_b = _between(a, r, p1, p2, push), _between(b, r, p1, p2, push)
    for _ in range(11):
        if at_a < at_b:
            low, a, at_a = a, b, at_b
            b = low + GOLDEN * (high - low)
            at_b = _between(b, r, p1, p2, push)
        else:
            high, b, at_b = b, a, at_a
            a = high - GOLDEN * (high - low)
            at_a = _between(a, r, p1, p2, push)
    # push now is the gradient of F / 2 at the maximum, normal to both surfaces where they touch.
    scale = np.sqrt(_between((low + high) / 2, r, p1, p2, push))
    gradient = push[0] ** 2 + push[1] ** 2 + push[2] ** 2
    step = (WANTED_SCALE - max(scale, DEEPEST_SCALE)) * max(scale, DEEPEST_SCALE) / gradient
    for axis in range(3):
        push[axis] *= step
    return scale


@compiled
def _between(part, r, p1, p2, gradient):  # type: ignore[no-untyped-def]
    """Return l (1 - l) r [(1 - l) P1 + l P2]^-1 r by Cramer's rule; half its gradient in r too."""
    a = (1 - part) * p1[0, 0] + part * p2[0, 0]
    b = (1 - part) * p1[0, 1] + part * p2[0, 1]
    c = (1 - part) * p1[0, 2] + part * p2[0, 2]
    d = (1 - part) * p1[1, 1] + part * p2[1, 1]
    e = (1 - part) * p1[1, 2] + part * p2[1, 2]
    f = (1 - part) * p1[2, 2] + part * p2[2, 2]
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    dd, ee, ff = a * f - c * c, b * c - a * e, a * d - b * b
    factor = part * (1 - part) / (a * aa + b * bb + c * cc)
    gradient[0] = factor * (aa * r[0] + bb * r[1] + cc * r[2])
    gradient[1] = factor * (bb * r[0] + dd * r[1] + ee * r[2])
    gradient[2] = factor * (cc * r[0] + ee * r[1] + ff * r[2])
    return gradient[0] * r[0] + gradient[1] * r[1] + gradient[2] * r[2]
