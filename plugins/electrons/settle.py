"""Counting the secondary electrons of an electron that has ended."""

from __future__ import annotations

import numpy as np

from .compiled import Whole, inlined
from .electron import Beam, back_along, is_secondary_counted
from .lattice import Lattice
from .medium import Tables
from .pores import into_pores
from .random_stream import GOLDEN, scramble
from .secondary import MOST_AT_A_TIME, Secondary, poisson
from .tally import Tally, count
from .way_out import away_from, comes_out, share_upwards, upwards_from


@inlined
def settle(
    emitted: tuple,
    stream: np.uint64,
    p: Whole,
    pixel: tuple,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary,
    tally: Tally,
) -> None:
    """Draw how many secondary electrons an electron has emitted, and count those that come out.

    Args:
        emitted: see `secondary.nothing_emitted`.
        stream: place in its stream of random numbers.
        p: number of its pixel in the tally.
        pixel: voxel (z, y, x) of its pixel.
        lattice: the voxels.
        tables: see `Tables`.
        beam: see `Beam`.
        secondary: see `Secondary`.
        tally: receives the counts.
    """
    real = tables.angles.dtype.type
    face, face_depth, weights, chosen = emitted
    left = face
    while left > real(0):
        few = poisson(scramble(stream), min(left, real(MOST_AT_A_TIME)))
        left -= real(MOST_AT_A_TIME)
        stream += GOLDEN
        for _ in range(few):
            bits, cosine = scramble(stream), real(0)
            stream += GOLDEN
            if beam.is_aimed[0] > real(0):
                cosine = back_along(away_from((-real(1), real(0), real(0)), bits, tables), beam)
            for detector in range(tally.counts.shape[1]):
                if is_secondary_counted(cosine, real(0), bits, detector, beam):
                    count(tally, p, detector, real(1), face_depth / face)
    if weights <= real(0):
        return
    left, place, normal, voxel = into_pores(emitted, pixel, lattice, secondary)
    left *= share_upwards(normal)
    while left > real(0):
        few = poisson(scramble(stream), min(left, real(MOST_AT_A_TIME)))
        left -= real(MOST_AT_A_TIME)
        stream += GOLDEN
        for _ in range(few):
            bits = scramble(stream)
            stream += GOLDEN
            direction = upwards_from(normal, bits, tables)
            if comes_out(place, direction, voxel, pixel, lattice, tables):
                cosine = back_along(direction, beam)
                for detector in range(tally.counts.shape[1]):
                    if is_secondary_counted(cosine, place[0], bits, detector, beam):
                        count(tally, p, detector, real(1), chosen[7])
