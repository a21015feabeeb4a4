"""Electrons in flight, one in each lane, for loops that the compiler turns into vectors."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.core.compiler import CompilerBase, DefaultPassBuilder

from .compiled import Whole, inlined

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
def walls_around(lanes: Lanes, i: Whole) -> tuple:
    """Return the walls of the box of a lane's electron."""
    return (
        lanes.top[i],
        lanes.end[i],
        lanes.front[i],
        lanes.back[i],
        lanes.west[i],
        lanes.east[i],
    )


class NoAlias(CompilerBase):
    """Compiles a function whose array arguments never overlap.

    Otherwise the compiler has to assume that storing to a lane may change a table, and cannot use
    vector instructions: collisions take five times as long.
    """

    def define_pipelines(self) -> list[Any]:
        """Return Numba's usual pipeline, with the flag set."""
        self.state.flags.noalias = True
        return [DefaultPassBuilder.define_nopython_pipeline(self.state)]
