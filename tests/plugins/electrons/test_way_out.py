"""The way of secondary electrons out of pores: the voxels that rays cross, and their directions."""

from __future__ import annotations

import numpy as np
import pytest
from electron_images import blobs

from fib_plugins.compiled import compiled
from fib_plugins.electrons.compiled import PLAIN
from fib_plugins.electrons.imaging import make_lattice
from fib_plugins.electrons.lattice import CROSSED, ESCAPED, int32s, inverse_of, look_up, step
from fib_plugins.electrons.medium import build_tables
from fib_plugins.electrons.way_out import away_from, comes_out, share_upwards, upwards_from
from fibcore import Labels
from fibcore.materials import GOLD, VACUUM

PHASES = {0: VACUUM, 1: GOLD}


@compiled(**PLAIN)
def ways(place, direction, voxel, pixel, lattice, tables):
    """Return whether a ray comes out, and whether it does in steps of the transport loop."""
    found = comes_out(place, direction, voxel, pixel, lattice, tables)
    medium, half = look_up(lattice, pixel, voxel[0], voxel[1], voxel[2])
    box, length, end = (voxel[0], voxel[1], voxel[2], half), place[0] + np.float32(1e9), CROSSED
    inverse = inverse_of(direction)
    while end == CROSSED and medium == 0:
        end, place, box, _, length = step(
            lattice, tables, pixel, place, direction, inverse, box, medium, length
        )
    return found, end == ESCAPED


@pytest.mark.parametrize(
    "around",
    [
        {"lateral": "periodic", "below": "mirror"},
        {"lateral": "mirror", "below": "repeat"},
        {"lateral": "periodic", "below": 0},
    ],
    ids=["mirror below", "mirror aside", "vacuum below"],
)
@pytest.mark.parametrize("grain", [1.0, 5.0], ids=["narrow", "wide"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rays_come_out_as_in_steps_of_the_transport_loop(around, grain, dtype):
    size, rng = np.array((4.0, 3.0, 5.0)), np.random.default_rng(3)
    data = blobs((24, 23, 22), 3, grain=grain) == 2  # a third is solid
    labels = Labels(data.astype(np.uint8), tuple(size), PHASES)
    lattice = make_lattice(labels, [0, 1], dtype=dtype, **around)
    tables = build_tables([VACUUM, GOLD], 1.0, dtype=dtype)
    real, out, differ, rays = np.dtype(dtype).type, 0, 0, 3000
    for _ in range(rays):
        pixel = rng.integers(0, (8, 23, 22))
        voxel = np.array((rng.integers(0, 28 - pixel[0]), *rng.integers(-30, 30, 2)))
        place = (voxel + rng.random(3)) * size
        direction = rng.normal(size=3)
        direction[0] = -abs(direction[0])
        direction /= np.linalg.norm(direction)
        floats = (tuple(real(part) for part in each) for each in (place, direction))
        found, expected = ways(*floats, int32s(voxel), int32s(pixel), lattice, tables)
        out += expected
        differ += found != expected
    assert 0.03 * rays < out < 0.97 * rays
    assert differ <= (3 if dtype == "float32" else 0)  # rounding, where a ray meets an edge


@compiled(**PLAIN)
def drawn(normal, bits, tables):
    """Return the directions of two ways to draw them."""
    return away_from(normal, bits, tables), upwards_from(normal, bits, tables)


@pytest.mark.parametrize("rise", [-1.0, -0.6, 0.0, 0.6])
def test_directions_upwards_are_those_of_the_cosine_law_that_lead_to_the_face(rise):
    tables, count = build_tables([GOLD], 1.0), 20_000
    normal = tuple(np.float32(part) for part in (rise, np.sqrt(1 - rise**2), 0.0))
    bits = np.random.default_rng(1).integers(2**63, size=count, dtype=np.uint64) << np.uint64(1)
    every, upwards = np.array([drawn(normal, each, tables) for each in bits]).transpose(1, 0, 2)
    chosen = every[every[:, 0] < 0]
    share = share_upwards(normal)
    assert len(chosen) / count == pytest.approx(share, abs=4 * np.sqrt(0.25 / count))
    assert (upwards[:, 0] <= 0).all()
    for part, same in ((upwards, chosen), (upwards**2, chosen**2)):
        error = np.sqrt(part.var(0) / len(part) + same.var(0) / len(same))
        assert (abs(part.mean(0) - same.mean(0)) <= 4 * error + 1e-6).all()
