"""Curtains as the transmission of a bright phase, estimated with its expected grey."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fib_plugins.correctors.destripe.columns import Columns, slope_of
from fib_plugins.correctors.destripe.expected import (
    EDGE,
    bright,
    expected,
    features,
    fit_factors,
    log_signal,
)

PASSES = 4
"""Passes over masks, expected greys and curtains."""
TOGETHER = 5.0
"""Neighbouring pixels share errors: so many count as one."""
APART = 2
"""Distance of knots that share no rows."""
CHANGING = 1.3
"""Variance of curtains over the covariance of knots `APART`: they begin and fade along y."""
LIKELY = 0.1
"""Deviation of curtains on which weights of knots in covariances rest."""
ALIKE = 0.8
"""Correlation of neighbouring columns and of neighbouring knots."""
KEPT = (0.0, 0.9)
"""Least and greatest correlation of curtains in neighbouring slices."""
FAINTEST = 0.03
"""Weaker curtains, in units of the logarithm of the signal, cannot be distinguished from what the
expected grey is wrong by."""
SOLVING_STEPS = 60
EVERY = 7
"""Every so many bright pixels are used to fit the expected grey."""
SLANTS_DEG = tuple(range(-6, 7))


def spacing_of(length_px: float) -> float:
    """Return the distance of knots: curtains begin at a pore, within a few pixels."""
    return length_px / 2


@dataclass(frozen=True)
class Transmission:
    """What is known of the curtains of a channel.

    Attributes:
        black: grey value of no signal.
        mean: mean grey value.
        factors: those of the expected grey; see `expected`.
        scatter: deviation of pixels from it.
        deviation: standard deviation of the logarithm of the curtains' transmission; 0: none.
        kept: correlation of curtains in neighbouring slices.
    """

    black: float
    mean: float
    factors: tuple[float, ...] = ()
    scatter: float = 1.0
    deviation: float = 0.0
    kept: float = 0.0


def curtains_of(
    planes: Sequence[np.ndarray], columns: Columns, known: Transmission
) -> list[np.ndarray]:
    """Return the logarithm of the curtains' transmission of consecutive slices, axes (y, x)."""
    found = [np.zeros(plane.shape, np.float32) for plane in planes]
    for _ in range(PASSES):
        masks = [bright(p, known.black, c) for p, c in zip(planes, found, strict=True)]
        weights, sums = knot_sums(planes, masks, found, columns, known)
        at_knots = solve(weights, sums, known.deviation, known.kept)
        found = [columns.offsets_of(one) for one in at_knots]
    return found


def knot_sums(
    planes: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    curtains: Sequence[np.ndarray],
    columns: Columns,
    known: Transmission,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights, and weighted log signals without what is expected, at the knots.

    Axes (slice, knot, column), float32. Weights are inverse variances, less where a pixel is far
    from what is expected (Geman and McClure, Bulletin of the International Statistical Institute
    52 (1987) 5). The mean of each knot is subtracted.
    """
    weights, sums = np.zeros((2, len(planes), columns.knots, columns.columns), np.float32)
    for z, plane in enumerate(planes):
        own, rest = _weighted(plane, masks, z, curtains[z], known)
        _add(own, columns, weights[z])
        _add(own * rest, columns, sums[z])
    total = np.maximum(weights.sum(axis=2, keepdims=True), 1e-12)
    sums -= sums.sum(axis=2, keepdims=True) / total * weights
    return weights / np.float32(TOGETHER), sums / np.float32(TOGETHER)


def _weighted(
    plane: np.ndarray,
    masks: Sequence[np.ndarray],
    z: int,
    curtains: np.ndarray,
    known: Transmission,
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights of the pixels of a slice, and log signals without what is expected."""
    rest = log_signal(plane, known.black, known.mean) - expected(masks, z, known.factors)
    far = (rest - curtains) / np.float32(EDGE * known.scatter)
    weight = masks[z] / (1.0 + far * far) ** 2 / np.float32(known.scatter**2)
    return weight.astype(np.float32), rest


def _add(values: np.ndarray, columns: Columns, sums: np.ndarray) -> None:
    """Add the values of pixels to the knots above and below them."""
    for y, (knot, share, start) in enumerate(
        zip(columns.above, columns.shares, columns.starts, strict=True)
    ):
        line = slice(start, start + columns.width)
        sums[knot, line] += (1 - share) * values[y]
        sums[knot + 1, line] += share * values[y]


def solve(weights: np.ndarray, sums: np.ndarray, deviation: float, kept: float) -> np.ndarray:
    """Return the most probable offsets at knots, axes (slice, knot, column), float32.

    Offsets are a Gaussian process whose correlation falls exponentially along each axis, the
    product of three; its inverse covariance couples neighbours only. Solved is
    (W + C^-1) s = W r by conjugate gradients (Saad, Iterative Methods for Sparse Linear Systems,
    algorithm 9.1), with the diagonal as preconditioner.

    Args:
        weights: inverse variances W.
        sums: W times what is measured, r.
        deviation: standard deviation of the offsets.
        kept: their correlation between neighbouring slices.
    """
    alike = (kept, ALIKE, ALIKE)
    diagonal = np.full(weights.shape, 1.0 / deviation**2, np.float32)
    for share in alike:
        diagonal *= np.float32((1 + share**2) / (1 - share**2))
    inverse = 1.0 / (weights + diagonal)
    s, rest = np.zeros_like(sums), sums.copy()
    way = inverse * rest
    before = first = float(np.vdot(rest, way))
    for _ in range(SOLVING_STEPS):
        if before <= 1e-8 * first or before <= 0:
            break
        product = weights * way + _precision(way, alike) / np.float32(deviation**2)
        length = np.float32(before / float(np.vdot(way, product)))
        s += length * way
        rest -= length * product
        scaled = inverse * rest
        now = float(np.vdot(rest, scaled))
        way = scaled + np.float32(now / before) * way
        before = now
    return s


def _precision(s: np.ndarray, alike: Sequence[float]) -> np.ndarray:
    """Return the inverse correlation matrix of first-order autoregressive axes, times s."""
    for axis, share in enumerate(alike):
        if share == 0 or s.shape[axis] == 1:
            continue
        here = np.moveaxis(s, axis, 0)
        result = np.float32(1 + share**2) * here
        result[0], result[-1] = here[0], here[-1]
        result[:-1] -= np.float32(share) * here[1:]
        result[1:] -= np.float32(share) * here[:-1]
        s = np.moveaxis(result / np.float32(1 - share**2), 0, axis)
    return s


def find_transmission(
    runs: Sequence[Sequence[np.ndarray]],
    black: float,
    spacing_px: float,
    slant_deg: float | None,
    voxel_size_nm: tuple[float, float, float],
    given: tuple[float | None, float | None],
) -> tuple[Transmission, float]:
    """Return what is known of the curtains of a channel, and their slant in degrees.

    Args:
        runs: sampled runs of consecutive slices, none constant.
        black: grey value of no signal.
        spacing_px: distance of knots along y.
        slant_deg: None is found, up to 6 degrees.
        voxel_size_nm: (z, y, x).
        given: standard deviation of the logarithm of the transmission, and correlation of curtains
            in neighbouring slices; None are found.
    """
    mean = float(np.mean([plane.mean(dtype=float) for run in runs for plane in run]))
    known = Transmission(black, mean)
    rows, width = runs[0][0].shape
    curtains = [[np.zeros(plane.shape, np.float32) for plane in run] for run in runs]
    slant = slant_deg or 0.0
    for step in range(PASSES):
        masks = [[bright(p, black, c) for p, c in zip(*both, strict=True)]
                 for both in zip(runs, curtains, strict=True)]  # fmt: skip
        known = _with_factors(known, runs, masks, curtains)
        if slant_deg is None and step in (0, PASSES - 1):
            slant = _slant(runs, masks, curtains, spacing_px, known, voxel_size_nm)
        columns = Columns(rows, width, spacing_px, slope_of(slant, voxel_size_nm))
        given_all = list(zip(runs, masks, curtains, strict=True))
        sums = [knot_sums(*each, columns, known) for each in given_all]
        here = covariance(sums, 0)
        deviation, kept = given
        if deviation is None:
            deviation = float(np.sqrt(max(CHANGING * here, 0.0)))
        if kept is None:
            kept = covariance(sums, 1) / here if here > 0 else 0.0
        known = replace(known, deviation=deviation, kept=float(np.clip(kept, *KEPT)))
        if deviation < 1e-3:
            break
        curtains = [
            [columns.offsets_of(one) for one in solve(*each, deviation, known.kept)]
            for each in sums
        ]
    if given[0] is None and known.deviation < FAINTEST:
        known = replace(known, deviation=0.0)
    return known, slant


def _with_factors(
    known: Transmission,
    runs: Sequence[Sequence[np.ndarray]],
    masks: Sequence[Sequence[np.ndarray]],
    curtains: Sequence[Sequence[np.ndarray]],
) -> Transmission:
    """Return what is known, with the expected grey fitted to the bright phase."""
    rows, values = [], []
    for run, own, offsets in zip(runs, masks, curtains, strict=True):
        for z, plane in enumerate(run):
            places = np.flatnonzero(own[z])[z % EVERY :: EVERY]
            log = log_signal(plane, known.black, known.mean) - offsets[z]
            values.append(log.ravel()[places])
            rows.append(np.stack([f.ravel()[places] for f in features(own, z)], axis=1))
    factors, scatter = fit_factors(np.concatenate(rows), np.concatenate(values))
    return replace(known, factors=tuple(factors.tolist()), scatter=scatter)


def _slant(
    runs: Sequence[Sequence[np.ndarray]],
    masks: Sequence[Sequence[np.ndarray]],
    curtains: Sequence[Sequence[np.ndarray]],
    spacing_px: float,
    known: Transmission,
    voxel_size_nm: tuple[float, float, float],
) -> float:
    """Return the slant at which knots share most, degrees."""
    rows, width = runs[0][0].shape
    pixels = [
        [_weighted(plane, own, z, offsets[z], known) for z, plane in enumerate(run)]
        for run, own, offsets in zip(runs, masks, curtains, strict=True)
    ]
    seen = []
    for slant in SLANTS_DEG:
        columns = Columns(rows, width, spacing_px, slope_of(slant, voxel_size_nm))
        sums = []
        for run in pixels:
            both = np.zeros((2, len(run), columns.knots, columns.columns), np.float32)
            for z, (weight, rest) in enumerate(run):
                _add(weight, columns, both[0, z])
                _add(weight * rest, columns, both[1, z])
            mean = both[1].sum(axis=2, keepdims=True) / (both[0].sum(axis=2, keepdims=True) + 1e-12)
            sums.append((both[0] / TOGETHER, (both[1] - mean * both[0]) / TOGETHER))
        seen.append(covariance(sums, 0))
    best = int(np.argmax(seen))
    at = float(SLANTS_DEG[best])
    if 0 < best < len(seen) - 1:
        before, top, after = seen[best - 1 : best + 2]
        at += 0.5 * (before - after) / min(before - 2 * top + after, -1e-12)
    return at


def covariance(sums: Sequence[tuple[np.ndarray, np.ndarray]], lag: int) -> float:
    """Return the covariance of what is measured at knots `APART`, in slices `lag` apart.

    Knots that share no rows have different structure, and the same curtains.

    Args:
        sums: weights and weighted values of each run.
        lag: distance in slices, less than the slices of a run; 0 if there are no more.
    """
    total = norm = 0.0
    for weights, weighted in sums:
        share = weights / (weights + np.float32(1.0 / LIKELY**2))
        value = share * weighted / np.maximum(weights, 1e-6)
        stop = len(weights) - lag
        total += float(np.vdot(value[:stop, APART:], value[lag:, :-APART]))
        norm += float(np.vdot(share[:stop, APART:], share[lag:, :-APART]))
    return total / max(norm, 1e-12)
