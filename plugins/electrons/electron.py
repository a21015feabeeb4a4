"""One electron at a time, from the beam to its end: the simplest form of the transport loop.

`batch` does the same for many electrons at a time with the vector instructions of a CPU, `cuda`
with the threads of a GPU. All use the same functions, and give the same result for each electron.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .collision import deflection, entering, flight
from .compiled import Real, inlined
from .lattice import ARRIVED, ENTERED, ESCAPED, Lattice, look_up, walk, walls_of
from .medium import Tables
from .random_stream import GOLDEN, scramble

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))


class Beam(NamedTuple):
    """The incident electrons, and which of those that leave are counted; float32 or float64.

    Attributes:
        direction: (3,) of the beam, (z, y, x); z points into the sample.
        spread_nm: (1,) standard deviation of the beam's Gaussian profile; 0 for a point.
        energy_window: (2,) energies over the beam energy that count, [low, high).
        cos_window: (2,) cosines of the angle from the direction back along the beam, (low, high].
        cut_share: (1,) cut-off over beam energy.
    """

    direction: np.ndarray
    spread_nm: np.ndarray
    energy_window: np.ndarray
    cos_window: np.ndarray
    cut_share: np.ndarray


def make_beam(
    energy_kev: float,
    *,
    cutoff_ev: float = 50.0,
    tilt_deg: float = 0.0,
    diameter_nm: float = 0.0,
    energy_window: tuple[float, float] = (0.0, 1.0),
    polar_deg: tuple[float, float] = (0.0, 180.0),
    dtype: Any = np.float32,
) -> Beam:
    """Return a beam and a detector.

    Args:
        energy_kev: beam energy, keV.
        cutoff_ev: energy below which electrons are dropped, eV.
        tilt_deg: angle between the beam and the normal of the face, towards y, degrees.
        diameter_nm: full width at half maximum of its Gaussian profile, nm; 0 for a point.
        energy_window: energies over the beam energy that the detector counts, [low, high) and 1.
        polar_deg: angles from the direction back along the beam that it counts, [low, high) and
            180.
        dtype: float32 or float64.
    """
    tilt = math.radians(tilt_deg)
    beyond = 2.0  # above any energy share or cosine, rounded or not
    near, far = polar_deg
    columns = (
        [math.cos(tilt), math.sin(tilt), 0.0],
        [diameter_nm / FWHM_PER_SIGMA],
        [energy_window[0], energy_window[1] if energy_window[1] < 1.0 else beyond],
        [
            math.cos(math.radians(far)) if far < 180.0 else -beyond,
            math.cos(math.radians(near)) if near > 0.0 else beyond,
        ],
        [cutoff_ev / (1000.0 * energy_kev)],
    )
    return Beam(*(np.array(column, dtype=dtype) for column in columns))


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
def is_counted(energy: Real, direction: tuple, tables: Tables, beam: Beam) -> tuple:
    """Return whether the detector counts an escaping electron, its energy share and its cosine.

    The energy share is that of the beam energy, 0 to 1; the cosine is that of the angle from the
    direction back along the beam.
    """
    cos_exit = -(
        direction[0] * beam.direction[0]
        + direction[1] * beam.direction[1]
        + direction[2] * beam.direction[2]
    )
    share = beam.cut_share[0] * math.exp(energy * tables.log_span[0])
    seen = (
        share >= beam.energy_window[0]
        and share < beam.energy_window[1]
        and cos_exit > beam.cos_window[0]
        and cos_exit <= beam.cos_window[1]
    )
    return seen, share, cos_exit


@inlined
def follow(stream: np.uint64, pixel: tuple, lattice: Lattice, tables: Tables, beam: Beam) -> tuple:
    """Follow an electron to its end.

    Args:
        stream: start of its random numbers.
        pixel: (z, y, x) voxel that it hits.
        lattice: the voxels.
        tables: see `Tables`.
        beam: see `Beam`.

    Returns:
        Whether it is counted, energy over beam energy, cosine of exit, largest depth in nm.
    """
    zero = tables.angles.dtype.type(0)
    place, box, medium, depth, range_nm = enter(stream, pixel, lattice, tables, beam)
    stream += GOLDEN
    direction = (beam.direction[0], beam.direction[1], beam.direction[2])
    deepest = zero
    while True:
        stream += GOLDEN
        bits = scramble(stream)
        scale = tables.depth_scale[medium]
        left, range_after, row, reach = flight(bits, depth, scale, np.uint32(medium), tables)
        in_vacuum = tables.depth_max[medium] == zero
        end, place, box, medium, energy = walk(
            lattice,
            tables,
            pixel,
            place,
            direction,
            box,
            medium,
            range_nm - range_after,
            range_after,
        )
        if in_vacuum:
            energy = depth
        deepest = max(deepest, place[0])
        if end == ENTERED:
            depth, range_nm = entering(energy, medium, tables)
            continue
        if end == ESCAPED:
            seen, share, cos_exit = is_counted(energy, direction, tables, beam)
            return seen, share, cos_exit, deepest
        if end != ARRIVED:
            return False, zero, zero, deepest
        if is_lost(left, place, reach, range_after, walls_of(box, lattice, tables)):
            return False, zero, zero, deepest
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
