import numpy as np
import pytest

from fib_plugins.structure_statistics.surface import DIRECTIONS, line_weights, specific_surface
from fibcore import FibError


@pytest.mark.parametrize("voxel_size_nm", [(1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (6.0, 4.0, 4.0)])
@pytest.mark.parametrize("edges", [4, 8, 16])
def test_balls_have_the_surface_of_spheres(voxel_size_nm, edges, ball):
    radius = edges * max(voxel_size_nm)
    shape = tuple(int(2.6 * radius / size) for size in voxel_size_nm)
    rng = np.random.default_rng(edges)
    found = []
    for _ in range(4):
        centre = np.array(shape) * voxel_size_nm / 2 + rng.uniform(-0.5, 0.5, 3) * voxel_size_nm
        one = ball(shape, voxel_size_nm, centre, radius)
        # Mirrored at all faces, so that what the edges of the volume cut off does not matter.
        many = np.pad(one, [(0, 3 * n) for n in shape], mode="symmetric")
        found.append(specific_surface(many, voxel_size_nm))
    per_volume = 4 * np.pi * radius**2 / np.prod(np.array(shape) * voxel_size_nm)
    assert np.mean(found) == pytest.approx(per_volume, rel=0.03)


def test_overlapping_balls_have_their_known_surface(boolean_model, boolean_sample):
    # A test line crosses the interface between two points r apart, once or thrice, with the
    # probability 2 (S2(0) - S2(r)); an even number of crossings is missed.
    lengths, weights = line_weights((1.0, 1.0, 1.0))
    seen = 2 * (boolean_model.two_point_solid(0.0) - boolean_model.two_point_solid(lengths))
    found = specific_surface(boolean_sample, (1.0, 1.0, 1.0))
    assert found == pytest.approx(2 * np.sum(weights * seen / lengths), rel=0.01)
    assert found == pytest.approx(0.925 * boolean_model.specific_surface, rel=0.01)
    assert specific_surface(boolean_sample, (5.0, 5.0, 5.0)) == pytest.approx(found / 5)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plane_across_an_axis_is_7_percent_too_small(axis):
    labels = np.zeros((40, 40, 40), np.uint8)
    np.moveaxis(labels, axis, 0)[:20] = 1
    # One plane between 40 layers; pairs of neighbours lie between 39 pairs of layers.
    assert specific_surface(labels, (1.0, 1.0, 1.0)) == pytest.approx(0.9266 / 39, rel=1e-3)


def test_solid_and_pore_share_their_surface(boolean_sample):
    size_nm = (3.0, 2.0, 2.0)
    solid = specific_surface(boolean_sample, size_nm)
    assert specific_surface(~boolean_sample, size_nm) == solid


def test_one_phase_has_no_surface():
    assert specific_surface(np.ones((4, 5, 6), np.uint8), (1.0, 1.0, 1.0)) == 0


def test_line_weights_are_a_mean_over_directions_symmetric_in_like_axes():
    assert len({tuple(step) for step in (*DIRECTIONS, *-DIRECTIONS)}) == 26
    for size_nm in [(1.0, 1.0, 1.0), (3.0, 1.0, 1.0)]:
        lengths_nm, weights = line_weights(size_nm)
        assert weights.sum() == pytest.approx(1)
        weight = {tuple(step): w for step, w in zip(np.abs(DIRECTIONS), weights, strict=True)}
        assert weight[0, 0, 1] == pytest.approx(weight[0, 1, 0])
        assert weight[1, 0, 1] == pytest.approx(weight[1, 1, 0])
        np.testing.assert_allclose(lengths_nm, np.linalg.norm(DIRECTIONS * size_nm, axis=1))


def test_any_number_of_threads_gives_the_same_bytes(boolean_sample):
    one, two = (specific_surface(boolean_sample, (1.2, 1, 1), threads) for threads in (1, 2))
    assert one == two


def test_slabs_are_joined_without_a_gap():
    labels = np.zeros((65, 6, 6), np.uint8)
    labels[32:64] = 1  # both faces lie between slabs
    two_planes = specific_surface(labels, (1.0, 1.0, 1.0))
    assert two_planes == pytest.approx(2 * 0.9266 / 64, rel=1e-3)


def test_a_single_slice_is_refused():
    with pytest.raises(FibError, match="at least 2 along each axis"):
        specific_surface(np.ones((1, 5, 5), np.uint8), (1.0, 1.0, 1.0))
