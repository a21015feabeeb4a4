"""Boxes of uniform voxels, and the way of rays through them, against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from fib_plugins.electrons.imaging import make_lattice
from fib_plugins.electrons.lattice import (
    ARRIVED,
    ENTERED,
    ESCAPED,
    LOST,
    MAX_CROSSINGS,
    look_up,
    pack,
    walk,
    walls_of,
)
from fib_plugins.electrons.medium import build_tables
from fibcore import Labels, Material
from fibcore.elements import elements
from fibcore.materials import EPOXY, GOLD, VACUUM

PHASES = {0: EPOXY, 1: GOLD, 2: Material.of_element(elements()["Cu"])}
REPEATS = 8


def blobs(shape, phases, seed=0, grain=5.0):
    """Return smooth random phases, so that there are boxes of many sizes."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.standard_normal(shape), grain) for _ in range(phases)]
    return np.argmax(fields, axis=0).astype(np.uint8)


def packed(labels, bits):
    voxels = labels.copy()
    pack(voxels, bits)
    return voxels


def free_voxels(labels):
    """Return how far each voxel is from the nearest other phase or outside, less 1."""
    padded = np.pad(labels.astype(int), 1, constant_values=-1)
    free = np.zeros(labels.shape, int)
    for phase in np.unique(labels):
        distance = ndimage.distance_transform_cdt(padded == phase, "chessboard")
        free = np.maximum(free, distance[1:-1, 1:-1, 1:-1] - 1)
    return free


@pytest.mark.parametrize(
    ("shape", "phases", "bits"),
    [
        ((17, 24, 31), 2, 1),
        ((64, 20, 33), 3, 2),
        ((30, 31, 32), 5, 3),
        ((1, 9, 9), 2, 1),
        ((40, 1, 1), 2, 1),
    ],
    ids=str,
)
def test_boxes_reach_to_the_nearest_other_phase_or_edge(shape, phases, bits):
    labels = blobs(shape, phases, grain=4.0)
    voxels = packed(labels, bits)
    np.testing.assert_array_equal(voxels & (2**bits - 1), labels)
    np.testing.assert_array_equal(voxels >> bits, free_voxels(labels))
    if min(shape) > 10:
        assert np.max(voxels >> bits) >= 2  # else nothing would be tested


@pytest.mark.parametrize("bits", [5, 6, 7])
def test_boxes_end_where_the_byte_does(bits):
    labels = blobs((40, 41, 42), 2, seed=2, grain=12.0)
    most = 2 ** (8 - bits) - 1
    assert free_voxels(labels).max() > most
    np.testing.assert_array_equal(
        packed(labels, bits) >> bits, np.minimum(free_voxels(labels), most)
    )


def test_a_lattice_of_more_phases_than_bits_are_left_for_has_no_boxes():
    data = np.arange(8 * 8 * 8, dtype=np.uint16).reshape(8, 8, 8) // 2
    labels = Labels(data.astype(np.uint8), 1.0, dict.fromkeys(range(256), GOLD))
    lattice = make_lattice(labels, range(256))
    np.testing.assert_array_equal(lattice.voxels, labels.data.ravel())
    assert look_up(lattice, (0, 0, 0), 3, 4, 5) == (int(labels.data[3, 4, 5]), 0)


@pytest.mark.parametrize("layout", ["read-only", "Fortran order", "a cut"])
def test_labels_of_any_memory_layout_give_the_same_lattice(layout):
    data = blobs((9, 10, 11), 2)
    plain = make_lattice(Labels(data, 2.0), [0, 1])
    if layout == "read-only":
        other = data.copy()
        other.flags.writeable = False
    elif layout == "a cut":
        other = np.pad(data, 3)[3:-3, 3:-3, 3:-3]
    else:
        other = np.asfortranarray(data)
    np.testing.assert_array_equal(make_lattice(Labels(other, 2.0), [0, 1]).voxels, plain.voxels)


def test_media_are_numbered_in_the_order_of_the_phases():
    labels = Labels(np.array([[[7, 3, 200]]], np.uint8), 1.0, {p: GOLD for p in (3, 7, 200)})
    lattice = make_lattice(labels, [3, 7, 200])
    assert (lattice.voxels & 3).tolist() == [1, 0, 2]
    assert make_lattice(labels, [3, 7, 200], below=7).fill == 1


# --- rays, in float64, so that paths can be compared to 1e-6 of a voxel


@pytest.fixture(scope="module")
def tables():
    return build_tables(list(PHASES.values()), 1.0, dtype=np.float64)


def surroundings(data, lateral, below):
    """Return a volume so large that rays stay in it, and how far its sides were moved."""
    _, ny, nx = data.shape
    sides = ((0, 0), (REPEATS * ny,) * 2, (REPEATS * nx,) * 2)
    wide = np.pad(data, sides, mode={"periodic": "wrap", "mirror": "symmetric"}[lateral])
    down = ((0, 6 * len(data)), (0, 0), (0, 0))
    if isinstance(below, int):
        return np.pad(wide, down, constant_values=below), (REPEATS * ny, REPEATS * nx)
    modes = {"mirror": "symmetric", "repeat": "edge"}
    return np.pad(wide, down, mode=modes[below]), (REPEATS * ny, REPEATS * nx)


def crossed(wide, size_nm, start, direction, length):
    """Return [medium, length] along a ray, from all its crossings with planes (R. L. Siddon 1985).

    The list ends early where the ray leaves the face upwards.
    """
    cuts = [0.0, length]
    for axis in range(3):
        if direction[axis] != 0:
            planes = np.arange(wide.shape[axis] + 1) * size_nm[axis]
            ways = (planes - start[axis]) / direction[axis]
            cuts += ways[(ways > 0) & (ways < length)].tolist()
    cuts = np.sort(cuts)
    path = []
    for near, far in itertools.pairwise(cuts):
        middle = start + 0.5 * (near + far) * direction
        if middle[0] < 0:
            break
        medium = int(wide[tuple((middle // size_nm).astype(int))])
        path.append([medium, far - near])
    return merged(path)


def merged(path):
    """Return a path with neighbours of one medium as one, and nothing shorter than rounding."""
    whole = []
    for medium, length in path:
        if length < 1e-6:
            continue
        if whole and whole[-1][0] == medium:
            whole[-1][1] += length
        else:
            whole.append([medium, length])
    return whole


def walked(lattice, tables, pixel, start, direction, length):
    """Return [medium, length] along a ray by `walk`, from medium to medium, and how it ends."""
    place, path, left = tuple(start), [], length
    voxel = [int(p // h) for p, h in zip(start, lattice.size_nm, strict=True)]
    medium, half = look_up(lattice, pixel, *voxel)
    box = (*voxel, half)
    for _ in range(1000):
        end, there, box, into, _ = walk(
            lattice, tables, pixel, place, tuple(direction), box, medium, left, 0.0
        )
        step = float(np.linalg.norm(np.subtract(there, place)))
        path.append([int(medium), step])
        left -= step
        place, medium = there, into
        if end != ENTERED:
            return merged(path), end, np.array(place), box
    raise AssertionError("the walk does not end")


def random_rays(rng, count):
    """Return directions: oblique ones, ones along axes and in planes of voxels."""
    oblique = rng.standard_normal((count, 3))
    flat = rng.standard_normal((count // 4, 3)) * rng.integers(0, 2, (count // 4, 3))
    flat = flat[np.any(flat != 0, axis=1)]
    along = np.concatenate([np.eye(3), -np.eye(3)])
    rays = np.concatenate([oblique, flat, along, along * [1, -1, -1]])
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


@pytest.mark.parametrize("below", ["mirror", "repeat", 2])
@pytest.mark.parametrize("lateral", ["periodic", "mirror"])
@pytest.mark.parametrize("size_nm", [(2.0, 2.0, 2.0), (10.0, 3.0, 4.7)], ids=str)
def test_rays_visit_the_media_that_all_crossings_with_planes_tell(tables, lateral, below, size_nm):
    rng = np.random.default_rng(5)
    data = blobs((13, 15, 17), 3, seed=4, grain=2.5)
    lattice = make_lattice(
        Labels(data, size_nm, PHASES), [0, 1, 2], lateral=lateral, below=below, dtype=np.float64
    )
    wide, moved = surroundings(data, lateral, below)
    size = np.array(size_nm)
    escaped = 0
    for direction in random_rays(rng, 60):
        pixel = tuple(int(rng.integers(n)) for n in data.shape)
        corner = np.array([0, moved[0] + pixel[1], moved[1] + pixel[2]]) * size
        start = rng.random(3) * size * [2.5, 1.0, 1.0]  # in the pixel or below it
        length = 30.0 * size.min()
        path, end, place, box = walked(lattice, tables, pixel, start, direction, length)
        expected = crossed(wide[pixel[0] :], size, start + corner, direction, length)
        assert [medium for medium, _ in path] == [medium for medium, _ in expected]
        np.testing.assert_allclose(
            [way for _, way in path], [way for _, way in expected], atol=2e-6
        )
        leaves = start[0] + length * direction[0] < 0
        assert end == (ESCAPED if leaves else ARRIVED)
        escaped += leaves
        if leaves:
            assert place[0] == 0.0
        else:
            np.testing.assert_allclose(place, start + length * direction, atol=1e-6)
            walls = np.reshape(walls_of(box, lattice, tables), (3, 2))
            assert np.all(walls[:, 0] - 1e-6 <= place)
            assert np.all(place <= walls[:, 1] + 1e-6)
    assert 5 < escaped < 60


def test_the_energy_at_a_change_of_medium_is_that_of_the_range_left(tables):
    from fib_plugins.electrons.collision import energy_share

    data = np.array([0, 0, 1], np.uint8).reshape(3, 1, 1)
    lattice = make_lattice(Labels(data, 5.0, PHASES), [0, 1, 2], dtype=np.float64)
    start, down = (4.0, 2.0, 2.0), (1.0, 0.0, 0.0)
    end, place, _, into, energy = walk(
        lattice, tables, (0, 0, 0), start, down, (0, 0, 0, 0), 0, 7.5, 3.0
    )
    assert (end, place, into) == (ENTERED, (10.0, 2.0, 2.0), 1)
    assert energy == energy_share(3.0 + 1.5, 0, tables)


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), (0.0, -0.6, 0.8), (1.0, 0.0, 0.0)], ids=str)
def test_a_walk_through_endless_vacuum_is_given_up(direction):
    media = {0: VACUUM}
    labels = Labels(np.zeros((3, 3, 3), np.uint8), 1.0, media)
    lattice = make_lattice(labels, [0], below="repeat", dtype=np.float64)
    vacuum = build_tables([VACUUM], 1.0, dtype=np.float64)
    start, box = (1.5, 1.5, 1.5), (1, 1, 1, 1)
    end, place, *_ = walk(lattice, vacuum, (0, 0, 0), start, direction, box, 0, 1e9, 0.0)
    assert end == LOST
    far = np.linalg.norm(np.subtract(place, start))
    assert MAX_CROSSINGS / 3 < far < 3 * MAX_CROSSINGS
