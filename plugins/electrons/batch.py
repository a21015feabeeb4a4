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
from .compiled import PLAIN, Real, Whole, inlined
from .electron import (
    Beam,
    energy_and_cosine,
    enter,
    is_counted,
    is_lost,
)
from .lattice import ARRIVED, ENTERED, ESCAPED, Lattice, to_walls, walk, walls_of
from .medium import Tables
from .random_stream import GOLDEN, scramble, scramble_briefly, stream_of
from .secondary import (
    AFTER_END,
    AT_END,
    ON_WAY,
    Secondary,
    escaping,
    fading,
    free_in,
    is_chosen,
    pairs_at,
    share_of_flight,
    voxel_of,
    weight_of,
)
from .settle import settle
from .tally import Tally, add_to_spectra, count

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
        start_z: position where the flight begins, like start_y and start_x.
        made: secondary electrons made on the last flight.
        pairs: its energy, in secondary electrons.
        free: distance to the walls of its box, nm; see `secondary.free_in`.
        fade: share of the secondary electrons made here that reach the face.
        under_way: int32, whether its secondary electrons are still to be counted.
        face: secondary electrons that it has emitted at the face.
        face_depth: their sum weighted by the depth reached by then.
        weights: sum of the weights of its flights beside pores.
        weight: weight of its last flight, if that is chosen; otherwise 0.
        way: (`LANES`, 9), the chosen flight: start, end, secondary electrons made, weight, depth.
        way_voxels: int32 (`LANES`, 7), voxels of both and medium; see `secondary.nothing_emitted`.
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
    start_z: np.ndarray
    start_y: np.ndarray
    start_x: np.ndarray
    made: np.ndarray
    pairs: np.ndarray
    free: np.ndarray
    fade: np.ndarray
    under_way: np.ndarray
    face: np.ndarray
    face_depth: np.ndarray
    weights: np.ndarray
    weight: np.ndarray
    way: np.ndarray
    way_voxels: np.ndarray


def empty_lanes(dtype: Any) -> Lanes:
    """Return lanes without electrons, for tables of this float type."""
    kinds = {
        "state": np.int32, "pixel": np.int64, "stream": np.uint64, "medium": np.uint32,
        "voxel": np.int32, "under_way": np.int32, "way_voxels": np.int32,
    }  # fmt: skip
    columns = {"voxel": 4, "way": 9, "way_voxels": 7}
    return Lanes(
        *(
            np.zeros((LANES, columns[name]) if name in columns else LANES, kinds.get(name, dtype))
            for name in Lanes._fields
        )
    )


@inlined
def _walls(lanes: Lanes, i: Whole) -> tuple:
    """Return the walls of the box of a lane's electron."""
    return (
        lanes.top[i],
        lanes.end[i],
        lanes.front[i],
        lanes.back[i],
        lanes.west[i],
        lanes.east[i],
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
        lanes.start_z[i], lanes.start_y[i], lanes.start_x[i] = z, y, x
        lanes.z[i], lanes.y[i], lanes.x[i] = z + uz * step, y + uy * step, x + ux * step
        lanes.depth_after[i], lanes.range_after[i] = depth, range_nm
        lanes.row[i], lanes.reach[i] = row, reach
        state = lanes.state[i]
        lanes.state[i] = (HIT if stays else WALKING) if state == FLYING else state


@compiled(pipeline_class=_NoAlias, **PLAIN)
def _shine(lanes: Lanes, tables: Tables, secondary: Secondary) -> None:
    """Add what every flight that has stayed within its box emits at the face; see `emit`."""
    for i in range(LANES):
        medium, state = lanes.medium[i], lanes.state[i]
        before, fade, deepest = lanes.pairs[i], lanes.fade[i], lanes.deepest[i]
        face, face_depth = lanes.face[i], lanes.face_depth[i]
        start, end = lanes.start_z[i], lanes.z[i]
        pairs = pairs_at(lanes.depth_after[i], medium, secondary, tables)
        fade_after = fading(end, medium, secondary)
        made = before - pairs
        number = escaping(made, (end - start) * secondary.escape_per_nm[medium], fade, fade_after)
        after = face_depth + number * max(deepest, end)
        hit = state == HIT
        lanes.made[i] = made
        lanes.face[i] = face + number if hit else face
        lanes.face_depth[i] = after if hit else face_depth
        lanes.pairs[i] = pairs if hit else before
        lanes.fade[i] = fade_after if hit else fade


@compiled(pipeline_class=_NoAlias, **PLAIN)
def _shine_into_pores(lanes: Lanes, secondary: Secondary) -> None:
    """Add the weight of every flight that has stayed within its box, and choose one; see `emit`."""
    for i in range(LANES):
        medium, weights, made, free = (
            lanes.medium[i],
            lanes.weights[i],
            lanes.made[i],
            lanes.free[i],
        )
        end = (lanes.z[i], lanes.y[i], lanes.x[i])
        hit = lanes.state[i] == HIT
        after = free_in(end, _walls(lanes, i))
        weight = weight_of(made, min(lanes.start_z[i], end[0]), min(free, after), medium, secondary)
        weight = weight if hit else made - made
        weights += weight
        chosen = is_chosen(scramble_briefly(lanes.stream[i] ^ ON_WAY), weight, weights)
        lanes.free[i] = after if hit else free
        lanes.weights[i] = weights
        lanes.weight[i] = weight if chosen else made - made


@compiled(pipeline_class=_NoAlias, **PLAIN)
def _collide(lanes: Lanes, tables: Tables) -> None:
    """Deflect every electron that collides, and end those that are lost."""
    for i in range(LANES):
        # all is read before the choices: a choice between two addresses prevents vectorisation
        state, uz, uy, ux = lanes.state[i], lanes.uz[i], lanes.uy[i], lanes.ux[i]
        depth, range_nm = lanes.depth[i], lanes.range_nm[i]
        depth_after, range_after = lanes.depth_after[i], lanes.range_after[i]
        place = (lanes.z[i], lanes.y[i], lanes.x[i])
        walls = _walls(lanes, i)
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
        _emit(
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
            _settle(lanes, i, pixels, lattice, tables, beam, secondary, tally)
        else:
            depth = lanes.depth_after[i] if end == ARRIVED else lanes.depth[i]
            _shines_from_here(lanes, i, depth, into, tables, secondary)


@inlined
def _shines_from_here(
    lanes: Lanes, i: Whole, depth: Real, medium: np.int32, tables: Tables, secondary: Secondary
) -> None:
    """Note what the secondary electrons of the next flight depend on at its start."""
    lanes.pairs[i] = pairs_at(depth, medium, secondary, tables)
    lanes.fade[i] = fading(lanes.z[i], medium, secondary)
    lanes.free[i] = free_in((lanes.z[i], lanes.y[i], lanes.x[i]), _walls(lanes, i))


@inlined
def _choose_flight(lanes: Lanes, i: Whole, lattice: Lattice) -> None:
    """Note the last flight of a lane, within its box beside a pore, as the one to be examined."""
    start = (lanes.start_z[i], lanes.start_y[i], lanes.start_x[i])
    end = (lanes.z[i], lanes.y[i], lanes.x[i])
    box = (lanes.voxel[i, 0], lanes.voxel[i, 1], lanes.voxel[i, 2], lanes.voxel[i, 3])
    medium = np.int32(lanes.medium[i])
    deepest = max(lanes.deepest[i], end[0])
    voxels = (voxel_of(start, box, lattice), voxel_of(end, box, lattice))
    _note(lanes, i, (start, end, *voxels, medium, lanes.made[i], lanes.weight[i], deepest))


@inlined
def _note(lanes: Lanes, i: Whole, chosen: tuple) -> None:
    """Note the flight of a lane that is to be examined; see `secondary.nothing_emitted`."""
    start, end, voxel_1, voxel_2, medium, made, weight, deepest = chosen
    for along in range(3):
        lanes.way[i, along], lanes.way[i, 3 + along] = start[along], end[along]
        lanes.way_voxels[i, along], lanes.way_voxels[i, 3 + along] = voxel_1[along], voxel_2[along]
    lanes.way[i, 6], lanes.way[i, 7], lanes.way[i, 8] = made, weight, deepest
    lanes.way_voxels[i, 6] = medium


@inlined
def _emitted(lanes: Lanes, i: Whole) -> tuple:
    """Return what the electron of a lane has emitted."""
    way, voxels = lanes.way, lanes.way_voxels
    return (
        lanes.face[i],
        lanes.face_depth[i],
        lanes.weights[i],
        (
            (way[i, 0], way[i, 1], way[i, 2]),
            (way[i, 3], way[i, 4], way[i, 5]),
            (voxels[i, 0], voxels[i, 1], voxels[i, 2]),
            (voxels[i, 3], voxels[i, 4], voxels[i, 5]),
            voxels[i, 6],
            way[i, 6],
            way[i, 7],
            way[i, 8],
        ),
    )


@inlined
def _emit(
    lanes: Lanes,
    i: Whole,
    draw: np.uint64,
    made: Real,
    start: tuple,
    start_box: tuple,
    end: tuple,
    end_box: tuple,
    medium: np.int32,
    how: Whole,
    lattice: Lattice,
    secondary: Secondary,
) -> None:
    """Add secondary electrons to what the electron of a lane has emitted; see `secondary.emit`."""
    deepest = lanes.deepest[i]
    number = escaping(
        made,
        (end[0] - start[0]) * secondary.escape_per_nm[medium],
        lanes.fade[i],
        fading(end[0], medium, secondary),
    )
    lanes.face[i] += number
    lanes.face_depth[i] += number * deepest
    if secondary.closed_nm[0] < secondary.seen_nm[medium]:
        free = made - made
        if how == ARRIVED:
            free = min(lanes.free[i], free_in(end, _walls(lanes, i)))
        weight = weight_of(made, min(start[0], end[0]), free, medium, secondary)
        lanes.weights[i] += weight
        if is_chosen(scramble_briefly(lanes.stream[i] ^ draw), weight, lanes.weights[i]):
            voxels = (voxel_of(start, start_box, lattice), voxel_of(end, end_box, lattice))
            _note(lanes, i, (start, end, *voxels, medium, made, weight, deepest))


@inlined
def _end(
    lanes: Lanes,
    i: Whole,
    pixels: np.ndarray,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary,
    tally: Tally,
) -> None:
    """Emit what an electron that is lost has left, and count its secondary electrons."""
    place = (lanes.z[i], lanes.y[i], lanes.x[i])
    box = (lanes.voxel[i, 0], lanes.voxel[i, 1], lanes.voxel[i, 2], lanes.voxel[i, 3])
    _emit(
        lanes, i, AT_END, lanes.pairs[i], place, box, place, box,
        np.int32(lanes.medium[i]), ARRIVED, lattice, secondary,
    )  # fmt: skip
    _settle(lanes, i, pixels, lattice, tables, beam, secondary, tally)


@inlined
def _settle(
    lanes: Lanes,
    i: Whole,
    pixels: np.ndarray,
    lattice: Lattice,
    tables: Tables,
    beam: Beam,
    secondary: Secondary,
    tally: Tally,
) -> None:
    """Count the secondary electrons of a lane's electron, which has ended."""
    p = lanes.pixel[i]
    pixel = (pixels[p, 0], pixels[p, 1], pixels[p, 2])
    stream = lanes.stream[i] ^ AFTER_END
    settle(_emitted(lanes, i), stream, p, pixel, lattice, tables, beam, secondary, tally)
    lanes.under_way[i] = 0
    lanes.face[i] = lanes.face_depth[i] = lanes.weights[i] = 0


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
            _shine(lanes, tables, secondary)
            if has_pores:
                _shine_into_pores(lanes, secondary)
        for i in range(LANES):
            if lanes.state[i] == WALKING:
                _walk(lanes, i, pixels, lattice, tables, beam, secondary, tally)
            elif secondary is not None and lanes.weight[i] > 0:
                _choose_flight(lanes, i, lattice)
        _collide(lanes, tables)
        under_way = 0
        for i in range(LANES):
            if secondary is not None and lanes.state[i] == ENDED and lanes.under_way[i] == 1:
                _end(lanes, i, pixels, lattice, tables, beam, secondary, tally)
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
                    _shines_from_here(lanes, i, depth, medium, tables, secondary)
            under_way += lanes.state[i] != ENDED
