"""Transport of many electrons at a time with the vector instructions of a CPU.

Each lane holds one electron. Flights and collisions are computed for all lanes in loops without
branches or calls, which the compiler turns into vector instructions. Only electrons whose flight
leaves the known box of one medium walk through the lattice one by one. A lane whose electron has
ended takes the next one.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled

from .collision import deflection, entering, flight
from .compiled import PLAIN, Whole, inlined
from .electron import Beam, energy_and_cosine, enter, is_counted, is_lost
from .lane_emission import (
    choose_flight,
    emit_from,
    end_of,
    settle_of,
    shine,
    shine_into_pores,
    shines_from_here,
)
from .lanes import ENDED, FLYING, HIT, LANES, WALKING, Lanes, NoAlias, walls_around
from .lattice import ARRIVED, ENTERED, ESCAPED, Lattice, to_walls, walk, walls_of
from .medium import Tables
from .random_stream import GOLDEN, scramble, stream_of
from .secondary import ON_WAY, Secondary, pairs_at, share_of_flight
from .tally import Tally, add_to_spectra, count


@compiled(pipeline_class=NoAlias, **PLAIN)
def _fly(lanes: Lanes, tables: Tables) -> None:
    """Start a flight in every lane, and end it if it stays within its box."""
    for i in range(LANES):
        lanes.stream[i] += GOLDEN
        bits = scramble(lanes.stream[i])
        medium = lanes.medium[i]
        depth, range_nm, row, reach = flight(bits, lanes.depth[i], lanes.scale[i], medium, tables)
        z, y, x = lanes.z[i], lanes.y[i], lanes.x[i]
        uz, uy, ux = lanes.uz[i], lanes.uy[i], lanes.ux[i]
        to_z = to_walls(z, uz, lanes.top[i], lanes.end[i])
        to_y = to_walls(y, uy, lanes.front[i], lanes.back[i])
        to_x = to_walls(x, ux, lanes.west[i], lanes.east[i])
        length = lanes.range_nm[i] - range_nm
        nothing = length - length
        stays = length <= max(min(to_z, min(to_y, to_x)), nothing)
        step = length if stays else nothing
        lanes.start_z[i], lanes.start_y[i], lanes.start_x[i] = z, y, x
        lanes.z[i], lanes.y[i], lanes.x[i] = z + uz * step, y + uy * step, x + ux * step
        lanes.depth_after[i], lanes.range_after[i] = depth, range_nm
        lanes.row[i], lanes.reach[i] = row, reach
        state = lanes.state[i]
        lanes.state[i] = (HIT if stays else WALKING) if state == FLYING else state


@compiled(pipeline_class=NoAlias, **PLAIN)
def _collide(lanes: Lanes, tables: Tables) -> None:
    """Deflect every electron that collides, and end those that are lost."""
    for i in range(LANES):
        # all is read before the choices: a choice between two addresses prevents vectorisation
        state, uz, uy, ux = lanes.state[i], lanes.uz[i], lanes.uy[i], lanes.ux[i]
        depth, range_nm = lanes.depth[i], lanes.range_nm[i]
        depth_after, range_after = lanes.depth_after[i], lanes.range_after[i]
        place = (lanes.z[i], lanes.y[i], lanes.x[i])
        walls = walls_around(lanes, i)
        lost = is_lost(depth_after, place, lanes.reach[i], range_after, walls)
        bits = scramble(lanes.stream[i])
        vz, vy, vx = deflection(bits, lanes.row[i], lanes.medium[i], (uz, uy, ux), tables)
        hit = state == HIT
        lanes.deepest[i] = max(lanes.deepest[i], place[0])
        lanes.depth[i] = depth_after if hit else depth
        lanes.range_nm[i] = range_after if hit else range_nm
        lanes.uz[i] = vz if hit else uz
        lanes.uy[i] = vy if hit else uy
        lanes.ux[i] = vx if hit else ux
        lanes.state[i] = (ENDED if lost else FLYING) if hit else state


@inlined
def _put(
    lanes: Lanes,
    i: Whole,
    place: tuple,
    box: tuple,
    medium: np.int32,
    lattice: Lattice,
    tables: Tables,
) -> None:
    """Put an electron into a box."""
    lanes.z[i], lanes.y[i], lanes.x[i] = place
    lanes.voxel[i, 0], lanes.voxel[i, 1], lanes.voxel[i, 2], lanes.voxel[i, 3] = box
    walls = walls_of(box, lattice, tables)
    lanes.top[i], lanes.end[i], lanes.front[i] = walls[0], walls[1], walls[2]
    lanes.back[i], lanes.west[i], lanes.east[i] = walls[3], walls[4], walls[5]
    lanes.medium[i] = medium


@inlined
def _walk(
    lanes: Lanes,
    i: Whole,
    pixels: np.ndarray,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary | None,
    tally: Tally,
) -> None:
    """Walk the electron of a lane out of its box, to its next collision, medium or end."""
    p, medium = lanes.pixel[i], np.int32(lanes.medium[i])
    pixel = (pixels[p, 0], pixels[p, 1], pixels[p, 2])
    direction = (lanes.uz[i], lanes.uy[i], lanes.ux[i])
    start = (lanes.z[i], lanes.y[i], lanes.x[i])
    start_box = (lanes.voxel[i, 0], lanes.voxel[i, 1], lanes.voxel[i, 2], lanes.voxel[i, 3])
    length = lanes.range_nm[i] - lanes.range_after[i]
    end, place, box, into, energy = walk(
        lattice, tables, pixel, start, direction, start_box, medium, length, lanes.range_after[i]
    )
    _put(lanes, i, place, box, into, lattice, tables)
    lanes.deepest[i] = max(lanes.deepest[i], place[0])
    if secondary is not None and tables.depth_max[medium] > 0:
        made = lanes.pairs[i] - pairs_at(lanes.depth_after[i], medium, secondary, tables)
        if end != ARRIVED:
            made *= share_of_flight(start, place, length)
        emit_from(
            lanes, i, ON_WAY, made, start, start_box, place, box, medium, end, lattice,
            secondary,
        )  # fmt: skip
    if tables.depth_max[medium] == 0:
        energy = lanes.depth[i]
    lanes.state[i] = ENDED
    if end == ARRIVED:
        lanes.state[i] = HIT
    elif end == ENTERED:
        lanes.state[i] = FLYING
        lanes.scale[i] = tables.depth_scale[into]
        lanes.depth[i], lanes.range_nm[i] = entering(energy, into, tables)
    elif end == ESCAPED:
        share, cosine = energy_and_cosine(energy, direction, tables, beam)
        for detector in range(tally.counts.shape[1]):
            if is_counted(share, cosine, detector, beam):
                count(tally, p, detector, share, lanes.deepest[i])
                if detector == 0:
                    add_to_spectra(tally, share, cosine)
    if secondary is not None:
        if lanes.state[i] == ENDED:
            settle_of(lanes, i, pixels, lattice, tables, beam, secondary, tally)
        else:
            depth = lanes.depth_after[i] if end == ARRIVED else lanes.depth[i]
            shines_from_here(lanes, i, depth, into, tables, secondary)


@compiled(**PLAIN)
def image_pixels(
    key: np.uint64,
    pixels: np.ndarray,
    electrons: np.ndarray,
    per_pixel: Whole,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary | None,
    tally: Tally,
    lanes: Lanes,
) -> None:
    """Send electrons into pixels and count those that leave the face.

    Args:
        key: seed of the sequence of random numbers.
        pixels: int32 (pixel, 3), voxel (z, y, x) of each.
        electrons: int64 (pixel,), number of the first electron of each pixel; others follow.
        per_pixel: number of electrons for each pixel.
        lattice: the voxels.
        tables: see `Tables`.
        beam: see `Beam`.
        secondary: see `Secondary`; None for backscattered electrons alone, which are the same.
        tally: receives the counts, which are added.
        lanes: empty lanes as workspace.
    """
    total = len(pixels) * per_pixel
    sent, under_way = 0, LANES
    has_pores = secondary is not None and len(secondary.codes) > 0
    while under_way > 0:
        _fly(lanes, tables)
        if secondary is not None:
            shine(lanes, tables, secondary)
            if has_pores:
                shine_into_pores(lanes, secondary)
        for i in range(LANES):
            if lanes.state[i] == WALKING:
                _walk(lanes, i, pixels, lattice, tables, beam, secondary, tally)
            elif secondary is not None and lanes.weight[i] > 0:
                choose_flight(lanes, i, lattice)
        _collide(lanes, tables)
        under_way = 0
        for i in range(LANES):
            if secondary is not None and lanes.state[i] == ENDED and lanes.under_way[i] == 1:
                end_of(lanes, i, pixels, lattice, tables, beam, secondary, tally)
            if lanes.state[i] == ENDED and sent < total:
                p = sent // per_pixel
                stream = stream_of(key, np.uint64(electrons[p] + sent - p * per_pixel))
                place, box, medium, depth, range_nm = enter(
                    stream, (pixels[p, 0], pixels[p, 1], pixels[p, 2]), lattice, tables, beam
                )
                sent += 1
                _put(lanes, i, place, box, medium, lattice, tables)
                lanes.state[i], lanes.pixel[i] = FLYING, p
                lanes.stream[i] = stream + GOLDEN
                lanes.depth[i], lanes.range_nm[i] = depth, range_nm
                lanes.scale[i] = tables.depth_scale[medium]
                lanes.uz[i] = beam.direction[0]
                lanes.uy[i] = beam.direction[1]
                lanes.ux[i] = beam.direction[2]
                lanes.deepest[i] = place[0]
                if secondary is not None:
                    lanes.under_way[i] = 1
                    shines_from_here(lanes, i, depth, medium, tables, secondary)
            under_way += lanes.state[i] != ENDED
