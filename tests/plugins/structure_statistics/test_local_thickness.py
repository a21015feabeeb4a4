import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from fib_plugins.metrics.plane_diameters import NORMAL, mean_diameter_in_planes
from fib_plugins.structure_statistics.distance_transform import squared_distances, squared_weights
from fib_plugins.structure_statistics.thickness import (
    local_thickness,
    mean_thickness,
)
from fibcore import FibError

VOXELS = [(1.0, 1.0, 1.0), (10.0, 4.0, 4.0), (3.0, 4.618, 5.2)]


def thickness_by_dilation(inside, sampling):
    """Local thickness from its definition: dilate the centres of each radius, largest last."""
    distance = distance_transform_edt(inside, sampling=sampling)
    thickness = np.zeros(inside.shape)
    for radius in np.unique(distance[inside]):
        to_centre = distance_transform_edt(distance < radius * (1 - 1e-9), sampling=sampling)
        thickness[inside & (to_centre < radius * (1 - 1e-6))] = 2 * radius
    return thickness


@pytest.mark.parametrize("voxel_size_nm", VOXELS)
@pytest.mark.parametrize("phase", ["solid", "pore"])
def test_distances_equal_those_of_scipy(voxel_size_nm, phase, blobs):
    labels = blobs((23, 40, 37))
    inside = (labels > 0) == (phase == "solid")
    squares = squared_distances(labels, squared_weights(voxel_size_nm), phase)
    expected = distance_transform_edt(inside, sampling=voxel_size_nm)
    np.testing.assert_allclose(np.sqrt(squares) * min(voxel_size_nm), expected, rtol=1e-6)


@pytest.mark.parametrize("voxel_size_nm", VOXELS)
@pytest.mark.parametrize("sigma", [0.7, 2.0])
def test_thickness_in_3d_equals_its_definition(voxel_size_nm, sigma, blobs):
    labels = blobs((25, 20, 22), sigma)
    for phase in ("solid", "pore"):
        inside = (labels > 0) == (phase == "solid")
        expected = thickness_by_dilation(inside, voxel_size_nm)
        found = local_thickness(labels, voxel_size_nm, phase)
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("voxel_size_nm", VOXELS)
def test_diameter_in_planes_equals_its_definition_slice_by_slice(voxel_size_nm, blobs):
    labels = blobs((25, 20, 22))
    for plane, axis in NORMAL.items():
        pixel = np.delete(voxel_size_nm, axis)
        slices = [s > 0 for s in np.moveaxis(labels, axis, 0) if not s.all()]
        values = np.concatenate([thickness_by_dilation(s, pixel)[s] for s in slices])
        found = mean_diameter_in_planes(labels, plane, voxel_size_nm)
        assert found == pytest.approx(values.mean(), rel=1e-6)


def test_discs_wider_than_a_word_of_bits_equal_the_definition():
    y, x = np.indices((150, 200))
    disc = ((y - 70) ** 2 + (x - 80) ** 2 < 60**2) | (np.abs(y - 70) < 12)
    expected = thickness_by_dilation(disc, (1.0, 1.0))
    found = local_thickness(disc[np.newaxis], (1.0, 1.0, 1.0))[0]
    assert expected.max() > 100
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_slices_beyond_one_slab_are_painted_by_balls_from_the_next(ball):
    labels = ball((140, 40, 40), (1, 1, 1), np.array([64.0, 20.0, 20.0]), 15.0)
    found = local_thickness(labels, (1.0, 1.0, 1.0))
    np.testing.assert_array_equal(found[labels > 0].max(), found[64, 20, 20])
    np.testing.assert_array_equal(found[50:64], found[65:79][::-1])
    assert np.array_equal(found > 0, labels > 0)


@pytest.mark.parametrize(("width", "thickness"), [(1, 2), (2, 2), (7, 8), (12, 12)])
def test_a_slab_along_an_axis_is_as_thick_as_its_voxels_rounded_up_to_even(width, thickness):
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[9 : 9 + width] = 1
    size_nm = (5.0, 5.0, 5.0)
    mean_nm, counts = mean_thickness(labels, size_nm, "solid", 5.0)
    assert mean_nm == pytest.approx(5 * thickness)
    assert counts[thickness] == counts.sum() == width * 900
    assert mean_diameter_in_planes(labels, "xz", size_nm) == pytest.approx(5 * thickness)


def plane_points(half_width_nm, pixel_nm):
    """Distances (u, v) in nm from the middle of a plane that is one voxel deep."""
    counts = [half_width_nm // size for size in pixel_nm]
    u, v = (np.arange(-n, n + 1) * size for n, size in zip(counts, pixel_nm, strict=True))
    return u[:, None, None], v[None, None, :]


@pytest.mark.parametrize("slice_nm", [1.0, 3.0])
@pytest.mark.parametrize("radius", [6, 10, 20])
def test_the_bias_on_digitised_bodies_is_as_documented(slice_nm, radius, ball):
    size_nm = (slice_nm, 1.0, 1.0)
    rng = np.random.default_rng(radius)
    balls, discs, slabs = [], [], []
    for _ in range(8):
        shape = tuple(int((2 * radius + 8) / size) for size in size_nm)
        middle = np.array(shape) * size_nm / 2 + rng.uniform(-0.5, 0.5, 3) * size_nm
        balls.append(mean_thickness(ball(shape, size_nm, middle, radius), size_nm, "solid", 1)[0])

        u, v = plane_points(radius + 8, (slice_nm, 1.0))
        du, dv = rng.uniform(-0.5, 0.5, 2)
        disc = (u - du * slice_nm) ** 2 + (v - dv) ** 2 < radius**2
        discs.append(mean_diameter_in_planes(disc, "xz", size_nm))

        u, v = plane_points(4 * radius + 8, (slice_nm, 1.0))
        angle, shift = rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5)
        slab = np.abs(u * np.sin(angle) + v * np.cos(angle) - shift) < radius
        far_from_edges = slab & (u**2 + v**2 < (1.5 * radius) ** 2)
        slabs.append(local_thickness(slab, size_nm)[far_from_edges].mean(dtype=float))
    errors = [(np.mean(found) - 2 * radius) / slice_nm for found in (balls, discs, slabs)]
    assert -1.0 - 0.2 < errors[0] < 0
    assert -0.7 - 0.2 < errors[1] < 0
    assert 0 < errors[2] < 0.4 + 0.2


def test_a_cylinder_looks_thinner_in_slices_along_its_axis():
    y, x = np.indices((70, 70)) - 34.5
    labels = np.repeat((y**2 + x**2 < 30**2)[None], 12, axis=0)
    found = {plane: mean_diameter_in_planes(labels, plane, (1.0, 1.0, 1.0)) for plane in NORMAL}
    # Slices at a distance s from the axis are bands of width 2 sqrt(R^2 - s^2): on average over
    # the pixels 16 / (3 pi) R.
    assert found["xy"] == pytest.approx(60, abs=1.2)
    assert found["xz"] == pytest.approx(16 / (3 * np.pi) * 30, abs=0.5)
    assert found["yz"] == found["xz"]


def test_the_distribution_counts_each_voxel_of_the_phase_once(blobs):
    labels = blobs((40, 30, 30))
    mean_nm, counts = mean_thickness(labels, (2.0, 2.0, 2.0), "pore", 4.0)
    thickness = local_thickness(labels, (2.0, 2.0, 2.0), "pore")[labels == 0]
    np.testing.assert_array_equal(counts, np.bincount(np.rint(thickness / 4).astype(int)))
    assert mean_nm == pytest.approx(thickness.mean(dtype=float))


def test_slices_of_one_phase_are_left_out_of_the_mean():
    labels = np.zeros((6, 20, 20), np.uint8)
    labels[0] = 1
    labels[1:, 8:12] = 1
    assert mean_diameter_in_planes(labels, "xy", (1.0, 1.0, 1.0)) == 4


def test_one_phase_alone_has_no_diameter():
    full, empty = np.ones((4, 5, 6), np.uint8), np.zeros((4, 5, 6), np.uint8)
    with pytest.raises(FibError, match="no xy slice has both phases"):
        mean_diameter_in_planes(full, "xy", (1.0, 1.0, 1.0))
    with pytest.raises(FibError, match="all solid"):
        local_thickness(full, (1.0, 1.0, 1.0))
    assert not local_thickness(empty, (1.0, 1.0, 1.0)).any()


def test_any_number_of_threads_gives_the_same_bytes(blobs):
    labels = blobs((70, 33, 41))
    size_nm = (4.618, 4.0, 4.0)
    one, two = (local_thickness(labels, size_nm, threads=threads) for threads in (1, 2))
    assert one.tobytes() == two.tobytes()
    for plane in NORMAL:
        assert mean_diameter_in_planes(labels, plane, size_nm, threads=1) == (
            mean_diameter_in_planes(labels, plane, size_nm, threads=2)
        )


def test_memory_mapped_labels_are_measured_like_arrays(blobs, tmp_path):
    labels = blobs((20, 24, 28))
    np.save(tmp_path / "labels.npy", labels)
    mapped = np.load(tmp_path / "labels.npy", mmap_mode="r")
    size_nm = (2.0, 1.0, 1.0)
    assert local_thickness(mapped, size_nm).tobytes() == local_thickness(labels, size_nm).tobytes()
    for plane in NORMAL:
        assert mean_diameter_in_planes(mapped, plane, size_nm) == (
            mean_diameter_in_planes(labels, plane, size_nm)
        )


@pytest.mark.parametrize(("voxel_size_nm", "sigma"), [(VOXELS[0], 3.0), (VOXELS[1], 0.8)])
def test_tiles_make_no_difference(voxel_size_nm, sigma, blobs):
    labels = blobs((70, 40, 60), sigma)
    for phase in ("solid", "pore"):
        whole = local_thickness(labels, voxel_size_nm, phase)
        tiled = local_thickness(labels, voxel_size_nm, phase, tile_voxels=24**3)
        np.testing.assert_array_equal(tiled, whole)
        means = [
            mean_thickness(labels, voxel_size_nm, phase, 5.0, tile_voxels=voxels)
            for voxels in (24**3, 10**6)
        ]
        assert means[0][0] == means[1][0]
        np.testing.assert_array_equal(means[0][1], means[1][1])


def test_a_ball_that_reaches_over_several_tiles_is_whole(ball):
    labels = ball((60, 50, 50), (1, 1, 1), np.array([30.0, 25.0, 25.0]), 20.0)
    labels[:, 25, 25] = 1
    found = local_thickness(labels, (1.0, 1.0, 1.0), tile_voxels=16**3)
    np.testing.assert_array_equal(found, local_thickness(labels, (1.0, 1.0, 1.0)))
    assert found.max() == pytest.approx(40, abs=2)


def test_a_phase_that_fills_whole_tiles_has_a_thickness():
    labels = np.ones((40, 24, 24), np.uint8)
    labels[-1] = 0
    found = local_thickness(labels, (1.0, 1.0, 1.0), tile_voxels=10**3)
    np.testing.assert_array_equal(found, local_thickness(labels, (1.0, 1.0, 1.0)))
