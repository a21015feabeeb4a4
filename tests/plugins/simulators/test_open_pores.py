"""Open pores in the weighted projection: view factors, rays, layers, edges."""

import math

import numpy as np
import pytest

from fib_plugins.materials import LICOO2
from fib_plugins.simulators.open_pores import AZIMUTHS, POLAR, from_all_directions, slopes
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fibcore import Context, Labels
from fibcore.materials import GOLD, VACUUM

ETA = {1: GOLD, 2: LICOO2}


def imaged(data, size=5.0, *, energy=2.0, threads=1, **params):
    labels = Labels(data.astype(np.uint8), size, {0: VACUUM, **ETA})
    params = {"mode": "first_hit", "below": "pore", **params}
    simulator = WeightedProjection(energies_kev=[energy], **params)
    return simulator.simulate(labels, context=Context(1, threads=threads)).data[0]


def shaded(eta, sky):
    return eta * sky / (1 - from_all_directions(np.array(eta)) * (1 - sky))


@pytest.mark.parametrize("radius", [6, 14, 30])
def test_the_ground_of_a_round_hole_sees_the_sky_that_a_disc_subtends(radius):
    """View factor of a disc from a point on its axis: r^2 / (r^2 + h^2)."""
    depth, edge = 15, 96
    y, x = np.mgrid[:edge, :edge] - edge // 2
    data = np.ones((depth + 2, edge, edge))
    data[:depth, y**2 + x**2 <= radius**2] = 0
    image = imaged(data)
    bulk = image[-1, 0, 0]
    sky = radius**2 / (radius**2 + depth**2)
    found = image[0, edge // 2 - 1 : edge // 2 + 2, edge // 2 - 1 : edge // 2 + 2].mean()
    assert found / bulk == pytest.approx(shaded(bulk, sky) / bulk, abs=0.09)


def test_flat_ground_without_walls_is_as_bright_as_the_face():
    data = np.zeros((60, 8, 8))
    data[50:] = 1
    image = imaged(data)
    np.testing.assert_allclose(image[:50], image[55, 0, 0], rtol=1e-5)


def test_brightness_falls_with_depth_and_the_face_keeps_its_own():
    data = np.ones((40, 33, 33))
    data[:30, 8:25, 8:25] = 0
    image = imaged(data)
    ground = image[:30, 16, 16]
    assert np.all(np.diff(ground) >= 0)
    assert ground[0] < 0.25 * image[35, 16, 16]
    assert image[0, 0, 0] == image[35, 16, 16]


def test_rays_are_stopped_by_the_same_voxels_as_in_a_search_along_each_of_them():
    rng = np.random.default_rng(3)
    data = (rng.random((9, 8, 9)) < 0.15).astype(np.uint8)
    size = (10.0, 7.0, 5.0)
    image = imaged(data, size)
    again = from_all_directions(np.floor(256 * np.array(bulk_yield())) / 256)
    slope = slopes(size)
    checked = 0
    for z0, y0, x0 in np.argwhere(data == 0):
        hit = next((z for z in range(z0, 9) if data[z, y0, x0]), None)
        if hit is None:
            assert image[z0, y0, x0] == 0
            continue
        free = 0
        for each in slope:
            y, x, clear = y0, x0, True
            for z in range(hit - 1, z0 - 1, -1):
                shift = np.rint(each * (z - 1)).astype(int) - np.rint(each * z).astype(int)
                steps = int(np.abs(shift).max())
                path = [(y, x)] + [
                    tuple(np.array([y, x]) + np.floor(shift * k / steps + 0.5).astype(int))
                    for k in range(1, steps + 1)
                ]
                clear &= not any(data[z, a % 8, b % 9] for a, b in path)
                y, x = np.array([y, x]) + shift
            free += clear
        ground = image[hit, y0, x0]
        sky = free / len(slope)
        assert image[z0, y0, x0] == pytest.approx(ground * sky / (1 - again * (1 - sky)), rel=0.01)
        checked += 1
    assert checked > 150


def bulk_yield():
    return float(imaged(np.ones((4, 3, 3)))[0, 0, 0])


def test_a_foil_of_a_light_phase_lets_the_heavy_one_below_it_shine_through():
    data = np.zeros((60, 4, 4))
    data[20:] = 1  # gold
    data[19] = 2  # 5 nm of LiCoO2
    data[:10] = 2
    seen = imaged(data, mode="sum")[19, 0, 0]
    thick = imaged(data, mode="sum")[0, 0, 0]
    gold = imaged(data, mode="sum")[30, 0, 0]
    assert gold == pytest.approx(1.0, abs=0.01)
    assert thick + 0.1 < seen < gold


def test_a_foil_over_a_void_is_darker_than_a_thick_one():
    data = np.zeros((40, 4, 4))
    data[10] = 1
    data[20:30] = 1
    image = imaged(data, size=2.0, mode="sum", slices=8)
    assert 0.2 < image[10, 0, 0] < 0.9 * image[20, 0, 0]
    through = imaged(data, size=2.0, mode="sum", slices=20)
    assert image[10, 0, 0] < through[10, 0, 0] <= image[20, 0, 0]


def test_edges_towards_pores_are_brighter_within_the_escape_depth_only():
    data = np.ones((20, 8, 60))
    data[:, :, 30:] = 0
    row = imaged(data, size=2.0)[4, 4]
    assert row[29] > row[27] > row[15]
    assert row[15] == pytest.approx(bulk_yield(), rel=0.01)


def test_yields_from_all_directions_are_those_of_the_integral():
    for power in (0.5, 1.5, 3.0):
        ring = np.linspace(0, 1, 20001)
        exact = np.trapezoid(2 * ring * (1 + ring) ** -power, ring)
        assert from_all_directions(np.array(2.0**-power)) == pytest.approx(exact, rel=1e-4)
    assert from_all_directions(np.array([0.0, 1.0])) == pytest.approx([0, 1], abs=1e-6)


def test_directions_are_symmetric_and_equally_weighted_by_their_cosine():
    squared = 1 - 1 / (1 + np.sum(slopes((1.0, 1.0, 1.0)) ** 2, axis=1))
    assert len(squared) == AZIMUTHS * POLAR
    assert squared.mean() == pytest.approx(0.5)
    np.testing.assert_allclose(slopes((2.0, 1.0, 1.0)).sum(axis=0), 0, atol=1e-9)
    assert math.isclose(abs(slopes((2.0, 1.0, 1.0))[0, 0] / slopes((1.0, 1.0, 1.0))[0, 0]), 2)


@pytest.mark.parametrize("below", ["mirror", "repeat", "pore"])
def test_the_structure_below_the_last_slice_lights_the_pores_above(below):
    data = np.zeros((12, 6, 6))
    data[0, :3] = 1
    image = imaged(data, below=below)
    seen = image[11, 0, 0]
    assert seen > 0.1 if below == "mirror" else seen == 0


def test_images_are_the_same_for_any_number_of_threads_and_noise_has_its_mean():
    data = np.random.default_rng(0).random((10, 31, 17)) < 0.4
    one, three = (imaged(data, threads=n, mode="sum") for n in (1, 3))
    np.testing.assert_array_equal(one, three)
    counted = imaged(data, mode="first_hit", electrons_per_pixel=4000)
    np.testing.assert_allclose(counted.mean(), imaged(data).mean(), rtol=0.01)
    assert np.abs(counted - imaged(data)).max() > 1e-3
