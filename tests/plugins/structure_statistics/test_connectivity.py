import numpy as np
import pytest
from scipy import ndimage

from fib_plugins.structure_statistics.connectivity import connectivity


def test_the_largest_component_and_the_faces_that_it_joins_are_found():
    labels = np.zeros((40, 10, 12), np.uint8)
    labels[:, 2, 3] = 1  # a rod from the first slice to the last: 40 voxels
    labels[5, 6, :] = 2  # another along x: 12 voxels
    labels[30, 8, 9] = 1  # an island
    found = connectivity(labels)
    assert found.largest_fraction == 40 / 53
    assert found.percolates == "xz"


def test_voxels_that_touch_by_an_edge_only_are_apart():
    labels = np.zeros((4, 4, 4), np.uint8)
    labels[0, 0, 0] = labels[0, 1, 1] = 1
    assert connectivity(labels).largest_fraction == 0.5


def test_two_components_that_each_reach_one_face_do_not_percolate():
    labels = np.ones((5, 5, 5), np.uint8)
    labels[2] = 0
    assert connectivity(labels).percolates == "xy"


def test_the_pore_is_measured_like_the_solid():
    labels = np.ones((6, 6, 6), np.uint8)
    labels[2:4, 2:4, 2:4] = 0
    labels[5, 5, 5] = 0
    found = connectivity(labels, "pore")
    assert found.largest_fraction == 8 / 9
    assert found.percolates == "none"


def test_an_absent_phase_has_no_component():
    found = connectivity(np.zeros((3, 3, 3), np.uint8))
    assert np.isnan(found.largest_fraction)
    assert found.percolates == "none"


@pytest.mark.parametrize("phase", ["solid", "pore"])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.31, 0.4])
def test_the_result_is_that_of_the_volume_in_one_piece(phase, share):
    rng = np.random.default_rng(int(100 * share))
    labels = (rng.random((20, 13, 17)) < share).astype(np.uint8)
    labels[:, ::6, 2] = labels[0, :, 2] = labels[-1, :, 2] = 1  # goes to and fro through all slabs
    numbers, _ = ndimage.label(labels == (phase == "solid"))
    sizes = np.bincount(numbers.reshape(-1))[1:]
    axes = [
        name
        for name, axis in (("x", 2), ("y", 1), ("z", 0))
        if set(np.unique(numbers.take(0, axis))) & set(np.unique(numbers.take(-1, axis))) - {0}
    ]
    for slices in (1, 3, 20):
        found = connectivity(labels, phase, slab_voxels=slices * 13 * 17)
        assert found.largest_fraction == sizes.max() / sizes.sum()
        assert found.percolates == ("".join(axes) or "none")
