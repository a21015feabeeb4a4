"""Secondary electrons of the electrons in lanes: what each flight emits, and their end.

The functions of `secondary` for one electron, applied to lanes.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled

from .compiled import PLAIN, Real, Whole, inlined
from .electron import Beam
from .lanes import HIT, LANES, Lanes, NoAlias, walls_around
from .lattice import ARRIVED, Lattice
from .medium import Tables
from .random_stream import scramble_briefly
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
    voxel_of,
    weight_of,
)
from .settle import settle
from .tally import Tally


@compiled(pipeline_class=NoAlias, **PLAIN)
def shine(lanes: Lanes, tables: Tables, secondary: Secondary) -> None:
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


@compiled(pipeline_class=NoAlias, **PLAIN)
def shine_into_pores(lanes: Lanes, secondary: Secondary) -> None:
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
        after = free_in(end, walls_around(lanes, i))
        weight = weight_of(made, min(lanes.start_z[i], end[0]), min(free, after), medium, secondary)
        weight = weight if hit else made - made
        weights += weight
        chosen = is_chosen(scramble_briefly(lanes.stream[i] ^ ON_WAY), weight, weights)
        lanes.free[i] = after if hit else free
        lanes.weights[i] = weights
        lanes.weight[i] = weight if chosen else made - made


@inlined
def shines_from_here(
    lanes: Lanes, i: Whole, depth: Real, medium: np.int32, tables: Tables, secondary: Secondary
) -> None:
    """Note what the secondary electrons of the next flight depend on at its start."""
    lanes.pairs[i] = pairs_at(depth, medium, secondary, tables)
    lanes.fade[i] = fading(lanes.z[i], medium, secondary)
    lanes.free[i] = free_in((lanes.z[i], lanes.y[i], lanes.x[i]), walls_around(lanes, i))


@inlined
def choose_flight(lanes: Lanes, i: Whole, lattice: Lattice) -> None:
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
def emit_from(
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
            free = min(lanes.free[i], free_in(end, walls_around(lanes, i)))
        weight = weight_of(made, min(start[0], end[0]), free, medium, secondary)
        lanes.weights[i] += weight
        if is_chosen(scramble_briefly(lanes.stream[i] ^ draw), weight, lanes.weights[i]):
            voxels = (voxel_of(start, start_box, lattice), voxel_of(end, end_box, lattice))
            _note(lanes, i, (start, end, *voxels, medium, made, weight, deepest))


@inlined
def end_of(
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
    emit_from(
        lanes, i, AT_END, lanes.pairs[i], place, box, place, box,
        np.int32(lanes.medium[i]), ARRIVED, lattice, secondary,
    )  # fmt: skip
    settle_of(lanes, i, pixels, lattice, tables, beam, secondary, tally)


@inlined
def settle_of(
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
