"""Transport of many electrons at a time with the vector instructions of a CPU.

Each lane holds one electron. Flights and collisions are computed for all lanes in loops without
branches or calls, which the compiler turns into vector instructions. Only electrons whose flight
leaves the known box of one medium walk through the lattice one by one. A lane whose electron has
ended takes the next one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core.compiler import CompilerBase, DefaultPassBuilder

from fib_plugins.compiled import compiled

from .collision import deflection, entering, flight
from .compiled import PLAIN, Whole, inlined
from .electron import Beam, enter, is_counted, is_lost
from .lattice import ARRIVED, ENTERED, ESCAPED, Lattice, to_walls, walk, walls_of
from .medium import Tables
from .random_stream import GOLDEN, scramble, stream_of
from .tally import Tally, count

LANES = 256
"""Number of electrons at a time: enough to fill vectors, few enough for the fastest cache."""

ENDED, FLYING, WALKING, HIT = 0, 1, 2, 3
"""State of an electron: it has ended, starts a flight, has to walk, collides."""


class Lanes(NamedTuple):
    """Electrons in flight; arrays (`LANES`), of the tables' float type unless noted otherwise.

    Attributes:
        state: int32, `ENDED`, `FLYING`, `WALKING` or `HIT`.
        pixel: int64, number of the pixel that it was sent into.
        stream: uint64, place in its stream of random numbers.
        medium: uint32, number of its medium.
        voxel: int32 (`LANES`, 4), voxel (z, y, x) and half width of its box, see `lattice.walk`.
        depth: optical depth left.
        scale: depth_scale of the medium.
        range_nm: range left.
        z: position, nm, like y and x.
        uz: direction, like uy and ux.
        top: walls of its box, see `lattice.walls_of`, like end, front, back, west and east.
        deepest: largest depth that it has reached, nm.
        depth_after: optical depth after the current flight.
        range_after: range after it.
        row: row of the angle table after it.
        reach: reach after it, nm.
    """

    state: np.ndarray
    pixel: np.ndarray
    stream: np.ndarray
    medium: np.ndarray
    voxel: np.ndarray
    depth: np.ndarray
    scale: np.ndarray
    range_nm: np.ndarray
    z: np.ndarray
    y: np.ndarray
    x: np.ndarray
    uz: np.ndarray
    uy: np.ndarray
    ux: np.ndarray
    top: np.ndarray
    end: np.ndarray
    front: np.ndarray
    back: np.ndarray
    west: np.ndarray
    east: np.ndarray
    deepest: np.ndarray
    depth_after: np.ndarray
    range_after: np.ndarray
    row: np.ndarray
    reach: np.ndarray


def empty_lanes(dtype: Any) -> Lanes:
    """Return lanes without electrons, for tables of this float type."""
    kinds = {"state": np.int32, "pixel": np.int64, "stream": np.uint64, "medium": np.uint32}
    shapes = {"voxel": (LANES, 4)}
    kinds["voxel"] = np.int32
    return Lanes(
        *(np.zeros(shapes.get(name, LANES), kinds.get(name, dtype)) for name in Lanes._fields)
    )


class _NoAlias(CompilerBase):
    """Compiles a function whose array arguments never overlap.

    Otherwise the compiler has to assume that storing to a lane may change a table, and cannot use
    vector instructions: collisions take five times as long.
    """

    def define_pipelines(self) -> list[Any]:
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]


@compiled(pipeline_class=_NoAlias, **PLAIN)
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
        lanes.z[i], lanes.y[i], lanes.x[i] = z + uz * step, y + uy * step, x + ux * step
        lanes.depth_after[i], lanes.range_after[i] = depth, range_nm
        lanes.row[i], lanes.reach[i] = row, reach
        state = lanes.state[i]
        lanes.state[i] = (HIT if stays else WALKING) if state == FLYING else state


@compiled(pipeline_class=_NoAlias, **PLAIN)
def _collide(lanes: Lanes, tables: Tables) -> None:
    """Deflect every electron that collides, and end those that cannot return to the face."""
    for i in range(LANES):
        # all is read before the choices: a choice between two addresses prevents vectorisation
        state, uz, uy, ux = lanes.state[i], lanes.uz[i], lanes.uy[i], lanes.ux[i]
        depth, range_nm = lanes.depth[i], lanes.range_nm[i]
        depth_after, range_after = lanes.depth_after[i], lanes.range_after[i]
        place = (lanes.z[i], lanes.y[i], lanes.x[i])
        walls = (
            lanes.top[i],
            lanes.end[i],
            lanes.front[i],
            lanes.back[i],
            lanes.west[i],
            lanes.east[i],
        )
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
    tally: Tally,
) -> None:
    """Walk the electron of a lane out of its box, to its next collision, medium or end."""
    p, medium = lanes.pixel[i], np.int32(lanes.medium[i])
    direction = (lanes.uz[i], lanes.uy[i], lanes.ux[i])
    end, place, box, into, energy = walk(
        lattice,
        tables,
        (pixels[p, 0], pixels[p, 1], pixels[p, 2]),
        (lanes.z[i], lanes.y[i], lanes.x[i]),
        direction,
        (lanes.voxel[i, 0], lanes.voxel[i, 1], lanes.voxel[i, 2], lanes.voxel[i, 3]),
        medium,
        lanes.range_nm[i] - lanes.range_after[i],
        lanes.range_after[i],
    )
    _put(lanes, i, place, box, into, lattice, tables)
    lanes.deepest[i] = max(lanes.deepest[i], place[0])
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
        seen, share, cosine = is_counted(energy, direction, tables, beam)
        if seen:
            count(tally, p, share, cosine, lanes.deepest[i])


@compiled(**PLAIN)
def image_pixels(
    key: np.uint64,
    pixels: np.ndarray,
    electrons: np.ndarray,
    per_pixel: Whole,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    tally: Tally,
    lanes: Lanes,
) -> None:
    """Send electrons into pixels and count those that are backscattered.

    Args:
        key: seed of the sequence of random numbers.
        pixels: int32 (pixel, 3), voxel (z, y, x) of each.
        electrons: int64 (pixel,), number of the first electron of each pixel; others follow.
        per_pixel: number of electrons for each pixel.
        lattice: the voxels.
        tables: see `Tables`.
        beam: see `Beam`.
        tally: receives the counts, which are added.
        lanes: empty lanes as workspace.
    """
    total = len(pixels) * per_pixel
    sent, under_way = 0, LANES
    while under_way > 0:
        _fly(lanes, tables)
        for i in range(LANES):
            if lanes.state[i] == WALKING:
                _walk(lanes, i, pixels, lattice, tables, beam, tally)
        _collide(lanes, tables)
        under_way = 0
        for i in range(LANES):
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
            under_way += lanes.state[i] != ENDED
