from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.image_comparison.edge_shift import edge_shift, gradient


def discs(shift=(0.0, 0.0), growth=0.0, edge=192, fineness=4, seed=1):
    """Discs of 6 to 14 pixels radius, drawn fine and averaged: how much of each pixel they fill."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, edge, (35, 2)) + shift
    radii = rng.uniform(6, 14, 35) + growth
    y, x = (np.indices((edge * fineness,) * 2) + 0.5) / fineness
    inside = np.zeros(y.shape, bool)
    for (cy, cx), radius in zip(centres, radii, strict=True):
        inside |= (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    return inside.reshape(edge, fineness, edge, fineness).mean(axis=(1, 3))


@pytest.fixture(scope="module")
def expected():
    return gradient(discs() > 0.5)


def found(expected, image, radius=4, block=32):
    return edge_shift(expected, gradient(image), radius, block)


def lengths(shift):
    return np.linalg.norm(shift.shifts_pixels, axis=1)


def noisy(image, strength, seed=0):
    return image + strength * np.random.default_rng(seed).standard_normal(image.shape)


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (2, 0), (0, -2), (1, -2), (0, 0.5), (0.4, 0.3)])
def test_a_shift_is_found_in_every_block_and_as_a_whole(expected, shift):
    whole = found(expected, 30 - 5 * discs(shift))
    assert np.median(lengths(whole)) == pytest.approx(np.hypot(*shift), abs=0.05)
    np.testing.assert_allclose(whole.mean_pixels, shift, atol=0.03)
    assert whole.growth_pixels == pytest.approx(0, abs=0.05)
    assert whole.inverted.all()


@pytest.mark.parametrize("shift", [(0, 1), (2, 0)])
def test_noise_half_as_strong_as_the_contrast_moves_little(expected, shift):
    whole = found(expected, noisy(discs(shift), 0.5))
    assert np.median(lengths(whole)) == pytest.approx(np.hypot(*shift), abs=0.2)
    np.testing.assert_allclose(whole.mean_pixels, shift, atol=0.1)
    assert not whole.inverted.any()


def test_labels_on_themselves_are_not_displaced(expected):
    still = found(expected, discs() > 0.5)
    assert lengths(still).max() < 0.1
    assert np.abs(still.mean_pixels).max() < 0.01
    assert abs(still.growth_pixels) < 0.06


@pytest.mark.parametrize("growth", [-1.0, 0.5, 1.0, 2.0])
def test_growth_on_all_sides_is_no_shift(expected, growth):
    for image, tolerance in ((discs(growth=growth), 0.05), (noisy(discs(growth=growth), 0.3), 0.2)):
        grown = found(expected, image)
        assert grown.growth_pixels == pytest.approx(growth, abs=tolerance)
        assert np.abs(grown.mean_pixels).max() < 0.1


def test_growth_of_pores_is_that_of_the_brighter_phase_turned_round():
    pores = gradient(~(discs() > 0.5))
    assert found(pores, 1 - discs(growth=1.0)).growth_pixels == pytest.approx(-1, abs=0.05)


def test_edges_of_one_direction_tell_of_shifts_across_them_only():
    step = np.zeros((96, 96))
    y, x = np.indices(step.shape)
    slanted = (2 * y + x > 140).astype(float)
    moved = found(gradient(slanted), noisy(np.roll(slanted, (0, 2), (0, 1)), 0.1))
    across = np.array([2, 1]) / np.sqrt(5)
    along = np.array([1, -2]) / np.sqrt(5)
    np.testing.assert_allclose(moved.shifts_pixels @ across, 2 * across[1], atol=0.1)
    np.testing.assert_allclose(moved.shifts_pixels @ along, 0, atol=0.1)


def test_only_blocks_that_are_swapped_count_as_inverted(expected):
    image = discs()
    half = np.where(np.arange(192) < 96, image, 1 - image)
    share = found(expected, half).inverted.mean()
    assert 0.3 < share < 0.7
    assert not found(expected, image).inverted.any()


def test_shifts_beyond_the_search_stay_at_its_limit(expected):
    far = found(expected, discs((0, 9)), radius=3)
    assert np.abs(far.shifts_pixels).max() <= 3
    assert np.median(lengths(far)) > 2


def test_a_slice_without_edges_has_none():
    flat = np.zeros((64, 64))
    assert found(gradient(flat), noisy(flat, 1.0)) is None


def test_an_image_without_anything_in_it_does_no_harm(expected):
    empty = found(expected, np.full((192, 192), 7.0))
    assert np.isfinite(empty.shifts_pixels).all()
    assert empty.growth_pixels == 0
