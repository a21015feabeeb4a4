"""Packing of particles without overlap.

Non-overlapping particles are found by relaxation in a periodic box, in the spirit of the
force-biased algorithm (Jodrey and Tory, Phys. Rev. A 32 (1985) 2347; Moscinski, Bargiel, Rycerz
and Jacobs, Mol. Simul. 3 (1989) 201; for ellipsoids Bezrukov and Stoyan, Part. Part. Syst.
Charact. 23 (2006) 388): from random centres, every two particles that overlap are moved apart along
the line between their centres until none do. Orientations stay as drawn. Each sweep looks only at
pairs that are listed as neighbours (Verlet, Phys. Rev. 159 (1967) 98), and moves the smaller one
of a pair more.

Two ellipsoids touch when both are scaled by sqrt(F), where F = max over 0 < l < 1 of
l (1 - l) r [(1 - l) P1 + l P2]^-1 r, with r between the centres and P the matrices
R diag(semi-axes^2) R^T (Perram and Wertheim, J. Comput. Phys. 58 (1985) 409). For spheres that is
the distance over the sum of the radii.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.generators.ellipsoids import Ellipsoids
from fib_plugins.generators.neighbours import neighbours
from fibcore.context import Context
from fibcore.errors import FibError

WANTED_SCALE = 1.01
"""Particles are moved apart until they would touch if scaled by this factor."""
ENOUGH_SCALE = 1.003
"""Relaxation ends once none overlap if scaled by this factor, which takes finite time."""
DEEPEST_SCALE = 0.3
"""Pairs that overlap more are moved apart as if they overlapped this much."""
FURTHER = 1.6
"""Each pair is moved by this factor more than it needs: four times fewer sweeps than with 1; from
about 1.8 on, relaxation no longer ends."""
SKIN = 0.6
"""Neighbours are listed up to this far beyond contact, in median radii: some movement later the
list is still right."""
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
    skin = SKIN * float(np.median(radii[:, 1]))
    for _ in range(ATTEMPTS):
        centres = _near_in_memory(rng.random((len(bodies), 3))) * box_nm
        for sweep in range(0, MOST_SWEEPS, SWEEPS_PER_REPORT):
            context.progress(sweep, None, "packing particles")
            left = _relax(centres, bodies.spreads, radii, box_nm, skin, SWEEPS_PER_REPORT)
            if not left:
                return Ellipsoids(centres, bodies.spreads)
    fraction = bodies.volume_nm3 / box_nm.prod()
    raise FibError(
        f"{len(bodies)} particles with solid fraction {fraction:.3f} could not be packed without "
        f"overlap: {left} pairs still do after {ATTEMPTS} times {MOST_SWEEPS} sweeps. Use a "
        f"smaller `solid_fraction`, axis ratios nearer to 1, a larger `shape`, or "
        f"`mode`: overlapping"
    )


def _near_in_memory(places: np.ndarray) -> np.ndarray:
    """Return places in the unit cube, (count, 3), in an order in which neighbours are close.

    Sizes and orientations are independent of the places: the arrangement stays as random.
    """
    blocks = np.floor(places * max(1.0, (len(places) / 8) ** (1 / 3)))
    return places[np.lexsort(blocks.T[::-1])]


@compiled
def _relax(centres, spreads, radii, box, skin, sweeps):  # type: ignore[no-untyped-def]
    """Move overlapping pairs apart, in place; return how many overlapped in the last sweep.

    The list of pairs that may overlap is made again only when a particle has moved by half of
    `skin`.
    """
    overlapping = 0
    r, push = np.empty(3), np.empty(3)
    spheres = radii[:, 0] > 0.999999 * radii[:, 1]
    pairs = neighbours(centres, radii[:, 1], box, WANTED_SCALE, skin)
    parts = np.full(len(pairs), np.float32(0.5))
    listed = centres.copy()
    for _ in range(sweeps):
        if _moved(centres, listed, box) > skin / 2:
            pairs = neighbours(centres, radii[:, 1], box, WANTED_SCALE, skin)
            parts = np.full(len(pairs), np.float32(0.5))
            listed = centres.copy()
        overlapping = 0
        for k in range(len(pairs)):
            i, j = pairs[k, 0], pairs[k, 1]
            squared = 0.0
            for axis in range(3):
                d = centres[j, axis] - centres[i, axis]
                if d > box[axis] / 2:
                    d -= box[axis]
                elif d < -box[axis] / 2:
                    d += box[axis]
                r[axis] = d
                squared += d * d
            together = radii[i, 1] + radii[j, 1]
            if squared >= (WANTED_SCALE * together) ** 2:
                continue
            if spheres[i] and spheres[j]:
                distance = max(np.sqrt(squared), 1e-3 * radii[i, 0])
                scale = distance / together
                for axis in range(3):
                    push[axis] = r[axis] * (WANTED_SCALE / scale - 1)
            else:
                scale, parts[k] = _separate(r, spreads, i, j, parts[k], push)
                if scale >= WANTED_SCALE:
                    continue
            overlapping += scale < ENOUGH_SCALE
            share = radii[j, 1] / (radii[i, 1] + radii[j, 1])  # the smaller one moves more
            for axis in range(3):
                step = FURTHER * push[axis]
                centres[i, axis] = _wrapped(centres[i, axis] - step * share, box[axis])
                centres[j, axis] = _wrapped(centres[j, axis] + step * (1 - share), box[axis])
        if overlapping == 0:
            break
    return overlapping


@compiled
def _wrapped(coordinate, edge):  # type: ignore[no-untyped-def]
    if 0 <= coordinate < edge:
        return coordinate
    return coordinate % edge


@compiled
def _moved(centres, before, box):  # type: ignore[no-untyped-def]
    """Return the largest distance that a particle moved."""
    largest = 0.0
    for i in range(len(centres)):
        squared = 0.0
        for axis in range(3):
            d = abs(centres[i, axis] - before[i, axis])
            d = min(d, box[axis] - d)
            squared += d * d
        largest = max(largest, squared)
    return np.sqrt(largest)


@compiled
def _separate(r, spreads, i, j, part, push):  # type: ignore[no-untyped-def]
    """Return the scale at which two ellipsoids touch, and in `push` the shift that separates them.

    `push` is the shift of the second ellipsoid, along the common normal, that brings the scale to
    `WANTED_SCALE` (to first order).

    Args:
        r: from the centre of the first to that of the second.
        spreads: of all ellipsoids.
        i: the first.
        j: the second.
        part: place of the maximum when the pair was last looked at, 0 to 1.
        push: the result.

    Returns:
        The scale, or a lower bound of it above `WANTED_SCALE`, and the new place of the maximum.
    """
    # Each value of the function is a lower bound of its maximum.
    before = _between(part, r, spreads, i, j, push)
    if before >= WANTED_SCALE**2:
        return np.sqrt(before), part
    # The function of l is concave: golden section finds its maximum, which is so flat that an
    # interval of 0.005 leaves a relative error of F near 1e-5.
    low, high = 0.0, 1.0
    a, b = 1 - GOLDEN, GOLDEN
    at_a = _between(a, r, spreads, i, j, push)
    at_b = _between(b, r, spreads, i, j, push)
    for _ in range(11):
        if at_a < at_b:
            low, a, at_a = a, b, at_b
            b = low + GOLDEN * (high - low)
            at_b = _between(b, r, spreads, i, j, push)
        else:
            high, b, at_b = b, a, at_a
            a = high - GOLDEN * (high - low)
            at_a = _between(a, r, spreads, i, j, push)
    # push now is the gradient of F / 2 at the maximum, normal to both surfaces where they touch.
    part = (low + high) / 2
    scale = np.sqrt(_between(part, r, spreads, i, j, push))
    gradient = push[0] ** 2 + push[1] ** 2 + push[2] ** 2
    if gradient > 0:
        step = (WANTED_SCALE - max(scale, DEEPEST_SCALE)) * max(scale, DEEPEST_SCALE) / gradient
        for axis in range(3):
            push[axis] *= step
    return scale, part


@compiled
def _between(part, r, spreads, i, j, gradient):  # type: ignore[no-untyped-def]
    """Return l (1 - l) r [(1 - l) P1 + l P2]^-1 r by Cramer's rule; half its gradient in r too."""
    a = (1 - part) * spreads[i, 0, 0] + part * spreads[j, 0, 0]
    b = (1 - part) * spreads[i, 0, 1] + part * spreads[j, 0, 1]
    c = (1 - part) * spreads[i, 0, 2] + part * spreads[j, 0, 2]
    d = (1 - part) * spreads[i, 1, 1] + part * spreads[j, 1, 1]
    e = (1 - part) * spreads[i, 1, 2] + part * spreads[j, 1, 2]
    f = (1 - part) * spreads[i, 2, 2] + part * spreads[j, 2, 2]
    aa, bb, cc = d * f - e * e, c * e - b * f, b * e - c * d
    dd, ee, ff = a * f - c * c, b * c - a * e, a * d - b * b
    factor = part * (1 - part) / (a * aa + b * bb + c * cc)
    gradient[0] = factor * (aa * r[0] + bb * r[1] + cc * r[2])
    gradient[1] = factor * (bb * r[0] + dd * r[1] + ee * r[2])
    gradient[2] = factor * (cc * r[0] + ee * r[1] + ff * r[2])
    return gradient[0] * r[0] + gradient[1] * r[1] + gradient[2] * r[2]
