"""Physics at and between collisions: free flight, loss of energy, deflection.

Instead of its energy, an electron carries the number of mean free paths that are left until it
stops in its current medium. A flight takes an exponentially distributed number of them, and tables
(see `medium`) give the range, and thus the length of the flight and the energy after it. Energy
loss along the path and the change of the mean free path with energy are exact: there is no step
rule.

All functions are free of branches, so that compilers turn them into vector instructions, and work
in float32 and float64, the type of `tables`.
"""

from __future__ import annotations

import math

import numpy as np

from .compiled import Real, Whole, inlined
from .medium import INTERVALS, NODES, QUANTILES, ROWS, Tables

_HALF_STEP = math.pi / 4096.0
"""Half the angle between two of the 4096 azimuths."""

_SINE = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(6, -1, -1))
_COSINE = tuple((-1) ** k / math.factorial(2 * k) for k in range(7, -1, -1))
"""Power series of sin(x) / x and cos(x) in x squared; errors up to a right angle are 1e-9."""

_LOGARITHM = tuple(
    np.float32(c)
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)


_LOG_2 = np.float32(math.log(2.0))
"""Precomputed: as an expression, GPUs would evaluate it in double precision in every flight."""


@inlined
def logarithm(x: np.float32) -> np.float32:
    """Return ln x of a positive float32, with a relative error below 3e-7.

    It separates the exponent and sums the minimax series of ln(1 + f), |f| < 0.42, of the Cephes
    library (S. Moshier, logf). Unlike a library call it can be vectorised.
    """
    bits = np.float32(x).view(np.int32)
    exponent = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    f = np.int32(bits - (exponent << np.int32(23))).view(np.float32) - np.float32(1)
    series = np.float32(0)
    for c in _LOGARITHM:
        series = series * f + c
    square = f * f
    fraction = f + (series * f * square - np.float32(0.5) * square)
    return fraction + np.float32(exponent) * _LOG_2


_EXPONENTIAL = tuple(
    np.float32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)
_PER_LOG_2 = np.float32(1.0 / math.log(2.0))
_LOG_2_HIGH, _LOG_2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)


@inlined
def decay(x: Real) -> np.float32:
    """Return exp(-x) of a number that is not negative, with a relative error below 2e-7 up to 86.

    Beyond it is constant. It separates the power of two and sums the minimax series of the Cephes
    library (S. Moshier, expf). Unlike a library call it can be vectorised.
    """
    y = -min(np.float32(x), np.float32(86))
    whole = np.int32(y * _PER_LOG_2 - np.float32(0.5))
    f = y - np.float32(whole) * _LOG_2_HIGH - np.float32(whole) * _LOG_2_LOW
    series = np.float32(0)
    for c in _EXPONENTIAL:
        series = series * f + c
    power = np.int32((whole + np.int32(127)) << np.int32(23)).view(np.float32)
    return (series * f * f + f + np.float32(1)) * power


@inlined
def flight(bits: np.uint64, depth: Real, scale: Real, medium: np.uint32, tables: Tables) -> tuple:
    """Return optical depth, range and reach after a free flight from this optical depth.

    Args:
        bits: random bits; the upper 24 are used.
        depth: optical depth left at the start.
        scale: depth_scale of the medium.
        medium: number of the medium.
        tables: see `Tables`.

    Returns:
        Optical depth (0: it stops before), range in nm, row of the angle table, reach in nm.
    """
    real = tables.range_by_depth.dtype.type
    chance = (np.float32(bits >> np.uint64(40)) + np.float32(0.5)) * np.float32(2.0**-24)
    left = max(depth + real(logarithm(chance)), real(0))
    place = left * scale
    node = min(np.uint32(place), np.uint32(INTERVALS - 1))
    at = np.uint32(medium * np.uint32(NODES)) + node
    low = tables.range_by_depth[at]
    range_nm = low + (place - real(node)) * (tables.range_by_depth[at + np.uint32(1)] - low)
    return left, range_nm, tables.row_by_depth[at], tables.reach_by_depth[at]


@inlined
def deflection(
    bits: np.uint64,
    row: Real,
    medium: np.uint32,
    direction: tuple,
    tables: Tables,
) -> tuple:
    """Return the direction after an elastic collision.

    The polar angle is looked up at the fourth root of a random number (see `medium.QUANTILES`).
    Between two energies of the table one is drawn, which mixes their distributions. The new
    direction is built on the orthonormal basis of T. Duff et al., J. Computer Graphics Techniques 6
    (2017) 1.

    Args:
        bits: random bits, of which the lower 40 are used.
        row: place in the angle table.
        medium: number of the medium.
        direction: (z, y, x) before.
        tables: see `Tables`.

    Returns:
        The direction (z, y, x) after, of length 1.
    """
    real = tables.angles.dtype.type
    one, zero = real(1), real(0)
    uz, uy, ux = direction
    chance = (real((bits >> np.uint64(20)) & np.uint64(0xFFFFF)) + real(0.5)) * real(2.0**-20)
    drawn = np.uint32(row + real(bits & np.uint64(0xFF)) * real(2.0**-8))
    place = math.sqrt(math.sqrt(chance)) * real(QUANTILES)
    node = np.uint32(place)
    at = np.uint32(np.uint32(medium * np.uint32(ROWS)) + drawn) * np.uint32(QUANTILES + 1) + node
    low = tables.angles[at]
    sin_theta_half = low + (place - real(node)) * (tables.angles[at + np.uint32(1)] - low)
    mu = sin_theta_half * sin_theta_half
    cos_polar = one - mu - mu
    sin_polar = (sin_theta_half + sin_theta_half) * math.sqrt(max(one - mu, zero))
    azimuth = real((bits >> np.uint64(8)) & np.uint64(0xFFF)) - real(2047.5)
    half = azimuth * real(_HALF_STEP)
    square = half * half
    sin_half, cos_half = real(0), real(0)
    for term in _SINE:
        sin_half = sin_half * square + real(term)
    for term in _COSINE:
        cos_half = cos_half * square + real(term)
    sin_half *= half
    along_1 = (cos_half * cos_half - sin_half * sin_half) * sin_polar
    along_2 = (cos_half * sin_half + cos_half * sin_half) * sin_polar
    sign = one if uz >= zero else -one
    f = -one / (sign + uz)
    g = ux * uy * f
    vx = along_1 * (one + sign * ux * ux * f) + along_2 * g + cos_polar * ux
    vy = along_1 * sign * g + along_2 * (sign + uy * uy * f) + cos_polar * uy
    vz = cos_polar * uz - along_1 * sign * ux - along_2 * uy
    length = real(1.5) - real(0.5) * (vx * vx + vy * vy + vz * vz)
    return vz * length, vy * length, vx * length


@inlined
def energy_share(range_nm: Real, medium: Whole, tables: Tables) -> Real:
    """Return the energy at a residual range: ln(E / cut-off) / ln(E0 / cut-off), 0 to 1."""
    real = tables.energy_by_range.dtype.type
    place = math.sqrt(max(range_nm, real(0)) / tables.range_max_nm[medium]) * real(INTERVALS)
    return _interpolated(tables.energy_by_range, medium, place)


@inlined
def entering(energy: Real, medium: Whole, tables: Tables) -> tuple:
    """Return optical depth and range in nm of an electron that enters a medium.

    In vacuum, where both have no meaning, its energy is returned instead of the optical depth.

    Args:
        energy: as from `energy_share`.
        medium: number of the medium.
        tables: see `Tables`.
    """
    real = tables.energy_by_range.dtype.type
    if tables.depth_max[medium] == real(0):
        return energy, tables.range_max_nm[medium]
    place = energy * real(INTERVALS)
    return (
        _interpolated(tables.depth_by_energy, medium, place),
        _interpolated(tables.range_by_energy, medium, place),
    )


@inlined
def _interpolated(table: np.ndarray, medium: Whole, place: Real) -> Real:
    """Interpolate between the nodes of a medium's table."""
    node = min(int(place), INTERVALS - 1)
    low = table[medium * NODES + node]
    return low + (place - table.dtype.type(node)) * (table[medium * NODES + node + 1] - low)
