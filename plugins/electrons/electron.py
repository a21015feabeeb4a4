"""One electron at a time, from the beam to its end: the simplest form of the transport loop.

`batch` does the same for many electrons at a time with the vector instructions of a CPU, `cuda`
with the threads of a GPU. All use the same functions, and give the same result for each electron.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .collision import deflection, entering, flight
from .compiled import Real, Whole, inlined
from .lattice import ARRIVED, ENTERED, ESCAPED, Lattice, look_up, walk, walls_of
from .medium import Tables
from .random_stream import GOLDEN, scramble, scramble_briefly
from .secondary import (
    AFTER_END,
    AT_END,
    ON_WAY,
    Secondary,
    emit,
    nothing_emitted,
    pairs_at,
    share_of_flight,
)

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


class Detector(NamedTuple):
    """Which of the electrons that leave the face a detector counts.

    Attributes:
        energy_window: energies over the beam energy of fast electrons that count, [low, high) and
            1; None: none counts.
        polar_deg: angles from the direction back along the beam at which they count, [low, high)
            and 180.
        secondary_polar_deg: these angles for secondary electrons; None: none counts.
        secondary_depth_nm: depth below the face, nm, for which the share of the secondary electrons
            from the walls of pores that count has fallen to 1/e; None: all count.
    """

    energy_window: tuple[float, float] | None = (0.0, 1.0)
    polar_deg: tuple[float, float] = (0.0, 180.0)
    secondary_polar_deg: tuple[float, float] | None = None
    secondary_depth_nm: float | None = None


class Beam(NamedTuple):
    """The incident electrons, and which of those that leave are counted; float32 or float64.

    Attributes:
        direction: (3,) of the beam, (z, y, x); z points into the sample.
        spread_nm: (1,) standard deviation of the beam's Gaussian profile; 0 for a point.
        energy_window: (2 x detector) energies over the beam energy that count, [low, high).
        cos_window: (2 x detector) cosines of the angle from the direction back along the beam,
            (low, high].
        secondary_window: (2 x detector) these cosines for secondary electrons.
        is_aimed: (1,) 1 if a detector counts secondary electrons of some angles only, 0 otherwise.
        secondary_per_nm: (detector) 1 / `Detector.secondary_depth_nm`; 0 if all count.
        cut_share: (1,) cut-off over beam energy.
    """

    direction: np.ndarray
    spread_nm: np.ndarray
    energy_window: np.ndarray
    cos_window: np.ndarray
    secondary_window: np.ndarray
    is_aimed: np.ndarray
    secondary_per_nm: np.ndarray
    cut_share: np.ndarray


_BEYOND = 2.0
"""Above any energy share or cosine, rounded or not."""


def make_beam(
    energy_kev: float,
    *,
    cutoff_ev: float = 50.0,
    tilt_deg: float = 0.0,
    diameter_nm: float = 0.0,
    energy_window: tuple[float, float] = (0.0, 1.0),
    polar_deg: tuple[float, float] = (0.0, 180.0),
    detectors: Sequence[Detector] | None = None,
    dtype: Any = np.float32,
) -> Beam:
    """Return a beam and its detectors.

    Args:
        energy_kev: beam energy, keV.
        cutoff_ev: energy below which electrons are dropped, eV.
        tilt_deg: angle between the beam and the normal of the face, towards y, degrees.
        diameter_nm: full width at half maximum of its Gaussian profile, nm; 0 for a point.
        energy_window: of the detector, if there is one; see `Detector`.
        polar_deg: likewise.
        detectors: several detectors, which take the place of that one.
        dtype: float32 or float64.
    """
    tilt = math.radians(tilt_deg)
    if detectors is None:
        detectors = (Detector(energy_window, polar_deg),)
    columns = (
        [math.cos(tilt), math.sin(tilt), 0.0],
        [diameter_nm / FWHM_PER_SIGMA],
        [share for detector in detectors for share in _energies(detector.energy_window)],
        [cosine for detector in detectors for cosine in _cosines(detector.polar_deg)],
        [cosine for detector in detectors for cosine in _cosines(detector.secondary_polar_deg)],
        [float(any(d.secondary_polar_deg not in (None, (0.0, 180.0)) for d in detectors))],
        [1.0 / (detector.secondary_depth_nm or math.inf) for detector in detectors],
        [cutoff_ev / (1000.0 * energy_kev)],
    )
    return Beam(*(np.array(column, dtype=dtype) for column in columns))


def _energies(window: tuple[float, float] | None) -> tuple[float, float]:
    """Return a window of energies that floats never touch."""
    low, high = window or (_BEYOND, 0.0)
    return low, high if high < 1.0 else _BEYOND


def _cosines(polar_deg: tuple[float, float] | None) -> tuple[float, float]:
    """Return the window of cosines of a window of angles."""
    if polar_deg is None:
        return _BEYOND, -_BEYOND
    near, far = polar_deg
    return (
        math.cos(math.radians(far)) if far < 180.0 else -_BEYOND,
        math.cos(math.radians(near)) if near > 0.0 else _BEYOND,
    )


@inlined
def enter(stream: np.uint64, pixel: tuple, lattice: Lattice, tables: Tables, beam: Beam) -> tuple:
    """Return position, box, medium, optical depth and range of an electron that hits a pixel.

    Its position is uniform over the pixel's square, plus an offset from the profile of the beam. On
    a tilted face the beam's round spot is an ellipse, 1 / cos(tilt) times as long along y. The
    first two draws of its stream are used.
    """
    real = tables.angles.dtype.type
    zero = real(0)
    bits = scramble(stream)
    x = (real(bits >> np.uint64(40)) + real(0.5)) * real(2.0**-24) * lattice.size_nm[2]
    y = (real((bits >> np.uint64(16)) & np.uint64(0xFFFFFF)) + real(0.5)) * real(2.0**-24)
    y *= lattice.size_nm[1]
    if beam.spread_nm[0] > zero:  # Box and Muller, Ann. Math. Stat. 29 (1958) 610
        bits = scramble(stream + GOLDEN)
        chance = (real(bits >> np.uint64(40)) + real(0.5)) * real(2.0**-24)
        angle = real(bits & np.uint64(0xFFFFFF)) * real(math.pi * 2.0**-23)
        off = beam.spread_nm[0] * math.sqrt(real(-2) * real(math.log(chance)))
        x += off * real(math.cos(angle))
        y += off * real(math.sin(angle)) / beam.direction[0]
    iy = np.int32(math.floor(y / lattice.size_nm[1]))
    ix = np.int32(math.floor(x / lattice.size_nm[2]))
    medium, half = look_up(lattice, pixel, np.int32(0), iy, ix)
    in_vacuum = tables.depth_max[medium] == zero  # where it holds the energy
    depth = real(1) if in_vacuum else tables.depth_max[medium]
    box = (np.int32(0), iy, ix, half)
    return (zero, y, x), box, medium, depth, tables.range_max_nm[medium]


@inlined
def energy_and_cosine(energy: Real, direction: tuple, tables: Tables, beam: Beam) -> tuple:
    """Return energy over beam energy, and cosine from the way back, of an escaping electron.

    Args:
        energy: see `collision.energy_share`.
        direction: (z, y, x).
        tables: see `Tables`.
        beam: see `Beam`.
    """
    return beam.cut_share[0] * math.exp(energy * tables.log_span[0]), back_along(direction, beam)


@inlined
def back_along(direction: tuple, beam: Beam) -> Real:
    """Return the cosine of the angle between a direction and that back along the beam."""
    return -(
        direction[0] * beam.direction[0]
        + direction[1] * beam.direction[1]
        + direction[2] * beam.direction[2]
    )


@inlined
def is_counted(share: Real, cosine: Real, detector: Whole, beam: Beam) -> bool:
    """Return whether a detector counts a fast electron that escapes."""
    return (
        share >= beam.energy_window[2 * detector]
        and share < beam.energy_window[2 * detector + 1]
        and cosine > beam.cos_window[2 * detector]
        and cosine <= beam.cos_window[2 * detector + 1]
    )


@inlined
def is_secondary_counted(
    cosine: Real, depth_nm: Real, bits: np.uint64, detector: Whole, beam: Beam
) -> bool:
    """Return whether a detector counts a secondary electron that escapes.

    Args:
        cosine: of the angle from the direction back along the beam.
        depth_nm: depth below the face where it left, nm.
        bits: random bits, of which the lower 16 are used.
        detector: number of the detector.
        beam: see `Beam`.
    """
    zero = depth_nm - depth_nm
    per_nm = beam.secondary_per_nm[detector]
    chance = (zero + np.float32(bits & np.uint64(0xFFFF)) + np.float32(0.5)) * np.float32(2.0**-16)
    return (
        cosine > beam.secondary_window[2 * detector]
        and cosine <= beam.secondary_window[2 * detector + 1]
        and (per_nm == zero or chance < math.exp(-depth_nm * per_nm))
    )


@inlined
def follow(
    stream: np.uint64,
    pixel: tuple,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary,
) -> tuple:
    """Follow an electron to its end.

    Args:
        stream: start of its random numbers.
        pixel: (z, y, x) voxel that it hits.
        lattice: the voxels.
        tables: see `Tables`.
        beam: see `Beam`.
        secondary: see `Secondary`.

    Returns:
        Whether it escapes, energy over beam energy, cosine of exit, largest depth in nm; and what
        it has emitted (see `secondary.nothing_emitted`), with the stream to draw their number from.
    """
    zero = tables.angles.dtype.type(0)
    emitted = nothing_emitted(tables)
    place, box, medium, depth, range_nm = enter(stream, pixel, lattice, tables, beam)
    stream += GOLDEN
    direction = (beam.direction[0], beam.direction[1], beam.direction[2])
    deepest = zero
    while True:
        stream += GOLDEN
        bits = scramble(stream)
        scale = tables.depth_scale[medium]
        left, range_after, row, reach = flight(bits, depth, scale, np.uint32(medium), tables)
        before, start, start_box, length = medium, place, box, range_nm - range_after
        end, place, box, medium, energy = walk(
            lattice, tables, pixel, place, direction, box, medium, length, range_after
        )
        if tables.depth_max[before] == zero:
            energy = depth
        deepest = max(deepest, place[0])
        made = pairs_at(depth, before, secondary, tables) - pairs_at(
            left, before, secondary, tables
        )
        if end != ARRIVED:
            made *= share_of_flight(start, place, length)
        emitted = emit(
            emitted, scramble_briefly(stream ^ ON_WAY), made, deepest, start, start_box, place, box,
            before, end, lattice, tables, secondary,
        )  # fmt: skip
        if end == ENTERED:
            depth, range_nm = entering(energy, medium, tables)
            continue
        if end == ESCAPED:
            share, cosine = energy_and_cosine(energy, direction, tables, beam)
            return True, share, cosine, deepest, emitted, stream ^ AFTER_END
        if end != ARRIVED:
            return False, zero, zero, deepest, emitted, stream ^ AFTER_END
        walls = walls_of(box, lattice, tables)
        if is_lost(left, place, reach, range_after, walls):
            emitted = emit(
                emitted, scramble_briefly(stream ^ AT_END),
                pairs_at(left, medium, secondary, tables), deepest, place, box, place, box, medium,
                ARRIVED, lattice, tables, secondary,
            )  # fmt: skip
            return False, zero, zero, deepest, emitted, stream ^ AFTER_END
        depth, range_nm = left, range_after
        direction = deflection(bits, row, np.uint32(medium), direction, tables)


@inlined
def is_lost(left: Real, place: tuple, reach: Real, range_nm: Real, walls: tuple) -> bool:
    """Return whether an electron cannot return to the face.

    It has stopped, the face is beyond its reach, or it can no longer leave its box of one medium.
    """
    z, y, x = place
    free = min(
        min(z - walls[0], walls[1] - z),
        min(min(y - walls[2], walls[3] - y), min(x - walls[4], walls[5] - x)),
    )
    return (left <= left - left) | (z > reach) | (range_nm < free)  # no branches: see `batch`
