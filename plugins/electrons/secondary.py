"""Secondary electrons along the tracks of fast ones, for the transport loop.

On a flight in a solid, a fast electron makes (energy lost) / epsilon secondary electrons. One that
is made at a distance d from an open surface leaves through it with probability 0.5 exp(-d /
escape_nm); see `emission`. Open are the imaged face and, where there is vacuum, the nearest wall of
a pore. Along a straight flight d is taken to change linearly, and the loss to be constant; so the
expected number is exact. What an electron has left at its end, above 50 eV, is lost there.

Those that leave through the face are in sight. Those from walls of pores leave in directions drawn
from Lambert's cosine law, and are in sight if their straight way through vacuum ends beyond the
face; where it meets a wall they are lost. This is an unbiased estimate of the solid angle of the
opening. Numbers are drawn from Poisson's law for each fast electron.

**Pores** are examined once for each fast electron: on one of its flights, drawn in proportion to an
estimate of what comes out. The result is divided by the probability of the choice. Its expectation
is that of all flights, and the counting noise hardly larger.

All random numbers are taken from places of their own: the fast electrons are the same with and
without secondary electrons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fibcore.materials import Material

from .collision import decay
from .compiled import Real, Whole, inlined
from .emission import SecondaryEmission, emission_of
from .lattice import (
    ARRIVED,
    Lattice,
    walls_of,
    within,
)
from .medium import BEYOND_ALL_NM, INTERVALS, NODES, Tables
from .open_surfaces import OpenSurfaces, no_surfaces

SEEN_DEPTHS = 6.0
"""Depth of escape, in units of `escape_nm`, beyond which nothing is emitted: exp(-6) is 0.25 %."""

LARGEST_EV = 50.0
"""Largest energy of a secondary electron, by convention: slower ones are some, and make none."""

MOST_AT_A_TIME = 16
"""Largest mean of a number that is drawn at a time."""

SIGHT_VOXELS = 10.0
"""Flights at a depth of so many voxels are chosen with a quarter of their probability, since less
of what is emitted in the depth of pores comes out: it reduces the noise, and changes no mean."""

ON_WAY, AT_END, AFTER_END = (
    np.uint64(0xD1B54A32D192ED03),
    np.uint64(0x8CB92BA72F3D8DD7),
    np.uint64(0xABC98388FB8FAC03),
)
"""Change a place in the stream of a fast electron to one for its secondary electrons."""


class Secondary(NamedTuple):
    """Secondary electrons of the media of a lattice; arrays are float32 or float64.

    Attributes:
        pairs_by_depth: (medium x `NODES`) secondary electrons that are still to be made, evenly
            spaced in optical depth.
        escape_per_nm: (medium) 1 / escape_nm; 0 for vacuum.
        seen_nm: (medium) distance to a wall of a pore from which on nothing is emitted there; 0
            for vacuum.
        sight_per_nm: (1) see `SIGHT_VOXELS`.
        closed_nm: (1) 0 if there is vacuum in the lattice, otherwise beyond all.
        codes: see `OpenSurfaces`, like the next two.
        offsets: offsets of voxels.
        side_bits: bits of a code.
    """

    pairs_by_depth: np.ndarray
    escape_per_nm: np.ndarray
    seen_nm: np.ndarray
    sight_per_nm: np.ndarray
    closed_nm: np.ndarray
    codes: np.ndarray
    offsets: np.ndarray
    side_bits: int


def emissions_of(
    media: Sequence[Material], given: Mapping[str, SecondaryEmission]
) -> list[SecondaryEmission | None]:
    """Return the emission of each material, by name where given; None for vacuum."""
    return [
        (given.get(material.name) or emission_of(material)) if material.composition else None
        for material in media
    ]


def reach_nm(emissions: Sequence[SecondaryEmission | None]) -> float:
    """Return the largest distance to a surface from which anything is emitted, nm."""
    return SEEN_DEPTHS * max((e.escape_nm for e in emissions if e is not None), default=0.0)


def make_secondary(
    emissions: Sequence[SecondaryEmission | None],
    tables: Tables,
    energy_kev: float,
    cutoff_ev: float,
    surfaces: OpenSurfaces | None = None,
    voxel_nm: float = 1.0,
) -> Secondary:
    """Return the secondary electrons of media at a beam energy.

    Args:
        emissions: of each medium; None for vacuum.
        tables: tables of the media at that energy.
        energy_kev: beam energy, keV.
        cutoff_ev: cut-off of the tables, eV.
        surfaces: of vacuum in the lattice; by default there is none.
        voxel_nm: lateral size of its voxels.
    """
    dtype = tables.angles.dtype
    surfaces = surfaces or no_surfaces()
    span = math.log(1000.0 * energy_kev / cutoff_ev)
    even = np.linspace(0.0, 1.0, NODES)
    pairs = np.zeros((len(emissions), NODES))
    escape = np.zeros(len(emissions))
    for i, emission in enumerate(emissions):
        if emission is None:
            continue
        rows = slice(i * NODES, (i + 1) * NODES)
        depth = tables.depth_by_energy[rows].astype(np.float64)
        share = np.interp(even * depth[-1], depth, even)
        energy_ev = cutoff_ev * np.exp(share * span)
        pairs[i] = np.maximum(energy_ev - LARGEST_EV, 0.0) / emission.epsilon_ev
        escape[i] = emission.escape_nm
    per_nm = np.divide(1.0, escape, out=np.zeros_like(escape), where=escape > 0)
    closed = np.array([0.0 if len(surfaces.codes) else BEYOND_ALL_NM])
    sight = np.array([1.0 / (SIGHT_VOXELS * voxel_nm)])
    floats = (pairs.ravel(), per_nm, SEEN_DEPTHS * escape, sight, closed)
    pairs, per_nm, seen, sight, closed = (part.astype(dtype) for part in floats)
    return Secondary(pairs, per_nm, seen, sight, closed, *surfaces)


def no_secondary(tables: Tables) -> Secondary:
    """Return what makes no secondary electrons."""
    none: list[SecondaryEmission | None] = [None] * len(tables.depth_max)
    return make_secondary(none, tables, 1.0, 1.0)


@inlined
def pairs_at(depth: Real, medium: Whole, secondary: Secondary, tables: Tables) -> Real:
    """Return the secondary electrons that are still to be made at an optical depth."""
    place = depth * tables.depth_scale[medium]
    node = min(np.uint32(place), np.uint32(INTERVALS - 1))
    at = np.uint32(np.uint32(medium) * np.uint32(NODES)) + node
    low = secondary.pairs_by_depth[at]
    part = place - tables.angles.dtype.type(node)
    return low + part * (secondary.pairs_by_depth[at + np.uint32(1)] - low)


@inlined
def share_of_flight(start: tuple, end: tuple, length: Real) -> Real:
    """Return the share of a flight of some length in nm that a straight way covers, at most 1."""
    z, y, x = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    one = length - length + np.float32(1)
    way = one * math.sqrt(z * z + y * y + x * x)
    return one if way >= length else way / length


@inlined
def escaping(made: Real, longer: Real, fade_1: Real, fade_2: Real) -> Real:
    """Return how many of the secondary electrons of a straight way escape, without branches.

    The integral of 0.5 exp(-d) over a distance d that changes linearly.

    Args:
        made: how many are made, evenly along the way.
        longer: distance to the surface at the end less that at the start, over escape_nm.
        fade_1: exp(-d) at the start.
        fade_2: at the end.
    """
    one = made - made + np.float32(1)
    square = longer * longer
    small = square < one * np.float32(0.01)
    level = np.float32(0.5) * (fade_1 + fade_2) * (one - square * np.float32(1.0 / 12.0))
    steep = (fade_1 - fade_2) / (one if small else longer)
    return np.float32(0.5) * made * (level if small else steep)


@inlined
def free_in(place: tuple, walls: tuple) -> Real:
    """Return the distance to the nearest wall of a box, other than the face."""
    z, y, x = place
    zero = z - z
    above = z - walls[0] + (np.float32(BEYOND_ALL_NM) if walls[0] <= zero else zero)
    return min(
        min(above, walls[1] - z),
        min(min(y - walls[2], walls[3] - y), min(x - walls[4], walls[5] - x)),
    )


@inlined
def nothing_emitted(tables: Tables) -> tuple:
    """Return what an electron has emitted so far: nothing.

    Returns:
        Expected number at the face; its sum weighted by the depth reached by then; the sum of the
        weights of all flights beside pores; and the one of them that is chosen: start, end, their
        voxels, medium, secondary electrons made, weight, depth reached.
    """
    zero = tables.angles.dtype.type(0)
    nowhere, no_voxel = (zero, zero, zero), (np.int32(0), np.int32(0), np.int32(0))
    chosen = (nowhere, nowhere, no_voxel, no_voxel, np.int32(0), zero, zero, zero)
    return zero, zero, zero, chosen


@inlined
def emit(
    emitted: tuple,
    bits: np.uint32,
    made: Real,
    deepest: Real,
    start: tuple,
    start_box: tuple,
    end: tuple,
    end_box: tuple,
    medium: Whole,
    how: Whole,
    lattice: Lattice,
    tables: Tables,
    secondary: Secondary,
) -> tuple:
    """Return what an electron has emitted after a straight way.

    Args:
        emitted: what it had emitted before, see `nothing_emitted`.
        bits: random bits, which choose the flight whose pore is examined.
        made: secondary electrons made on the way.
        deepest: largest depth that it has reached, nm.
        start: (z, y, x) where it begins, nm relative to the pixel's corner.
        start_box: box around it, see `lattice.walk`.
        end: where it ends.
        end_box: box around it, which may be one of the medium behind a wall.
        medium: medium on the way.
        how: how it ends, see `lattice.walk`.
        lattice: the voxels.
        tables: see `Tables`.
        secondary: see `Secondary`.
    """
    face, face_depth, weights, chosen = emitted
    number = escaping(
        made,
        (end[0] - start[0]) * secondary.escape_per_nm[medium],
        fading(start[0], medium, secondary),
        fading(end[0], medium, secondary),
    )
    face += number
    face_depth += number * deepest
    if secondary.closed_nm[0] < secondary.seen_nm[medium]:
        free = made - made
        if how == ARRIVED:
            free = free_in(start, walls_of(start_box, lattice, tables))
            free = min(free, free_in(end, walls_of(end_box, lattice, tables)))
        weight = weight_of(made, min(start[0], end[0]), free, medium, secondary)
        weights += weight
        if is_chosen(bits, weight, weights):
            voxel_1 = voxel_of(start, start_box, lattice)
            voxel_2 = voxel_of(end, end_box, lattice)
            chosen = (start, end, voxel_1, voxel_2, np.int32(medium), made, weight, deepest)
    return face, face_depth, weights, chosen


@inlined
def fading(distance_nm: Real, medium: Whole, secondary: Secondary) -> Real:
    """Return exp(-distance / escape_nm) of a medium."""
    return secondary.pairs_by_depth.dtype.type(decay(distance_nm * secondary.escape_per_nm[medium]))


@inlined
def weight_of(
    made: Real, depth_nm: Real, free_nm: Real, medium: Whole, secondary: Secondary
) -> Real:
    """Return the weight by which a straight way beside pores is chosen; 0 far from all.

    An upper bound of what it emits there, times an estimate of what of that comes out.

    Args:
        made: secondary electrons made on the way.
        depth_nm: its least depth.
        free_nm: its least distance to walls of its box; 0 if it leads out of it.
        medium: the medium.
        secondary: see `Secondary`.
    """
    zero = made - made
    out = in_sight(depth_nm, secondary)
    weight = np.float32(0.5) * made * fading(max(free_nm, zero), medium, secondary) * out
    return weight if free_nm < secondary.seen_nm[medium] else zero


@inlined
def in_sight(depth_nm: Real, secondary: Secondary) -> Real:
    """Return an estimate of the share of secondary electrons that come out; see `SIGHT_VOXELS`."""
    one = depth_nm - depth_nm + np.float32(1)
    open_share = one / (one + depth_nm * secondary.sight_per_nm[0])
    return open_share * open_share


@inlined
def is_chosen(bits: np.uint32, weight: Real, weights: Real) -> bool:
    """Return whether a flight takes the place of the one chosen before, by its share of weight."""
    zero = weight - weight
    whole = np.float32(np.int32(bits >> np.uint32(8)))  # vector instructions have no other way
    chance = (zero + whole + np.float32(0.5)) * np.float32(2.0**-24)
    return chance * weights < weight


@inlined
def voxel_of(place: tuple, box: tuple, lattice: Lattice) -> tuple:
    """Return the voxel (z, y, x) of a place in a box."""
    iz, iy, ix, half = box
    return (
        max(within(place[0] * lattice.per_nm[0], iz, half), np.int32(0)),
        within(place[1] * lattice.per_nm[1], iy, half),
        within(place[2] * lattice.per_nm[2], ix, half),
    )


@inlined
def poisson(bits: np.uint64, mean: Real) -> np.int32:
    """Return a number drawn from Poisson's law, by inversion; its mean is below 20."""
    chance = (np.float32(bits >> np.uint64(40)) + np.float32(0.5)) * np.float32(2.0**-24)
    number, probability = np.int32(0), decay(mean)
    while chance > probability and number < 4 * MOST_AT_A_TIME:
        chance -= probability
        number = np.int32(number + 1)
        probability *= np.float32(mean) / np.float32(number)
    return number
