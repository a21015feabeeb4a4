"""Figures of blocks, and the scatter that the size of a volume causes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fib_plugins.metrics.error_bars.blocks import divisions, measured_blocks
from fib_plugins.metrics.error_bars.quantities import QUANTITIES
from fib_plugins.metrics.error_bars.sampling import sampling_variance
from fib_plugins.metrics.error_bars.stack_parts import part_shape, part_starts
from fib_plugins.metrics.morphology import Morphology
from fibcore import Labels

FRACTION = QUANTITIES[0]


def smooth(shape, seed=0, width=2.0):
    rng = np.random.default_rng(seed)
    field = ndimage.gaussian_filter(rng.standard_normal(shape), width, mode="wrap")
    return Labels((field > 0.2 * field.std()).astype(np.uint8), (10.0, 5.0, 5.0))


def cells(shape, edge, fraction, rng):
    """Cubes that are solid independently of each other."""
    coarse = rng.random([n // edge for n in shape]) < fraction
    solid = coarse.repeat(edge, 0).repeat(edge, 1).repeat(edge, 2)
    return Labels(solid.astype(np.uint8), 5.0)


def test_figures_of_blocks_are_those_of_the_morphology():
    labels = smooth((17, 40, 37))
    row = Morphology().measure(labels).rows()[0]
    columns = (
        "solid_fraction", "specific_surface_per_nm", "mean_ligament_diameter_nm",
        "mean_pore_diameter_nm", "largest_solid_component_fraction",
    )  # fmt: skip
    for most in (1, 2, 4):
        blocks = measured_blocks(labels, most, threads=2)
        for quantity, column in zip(QUANTITIES, columns, strict=True):
            assert blocks.figure(quantity) == pytest.approx(row[column], rel=2e-5)


def test_thick_and_thin_volumes_are_divided_as_far_as_blocks_have_voxels():
    assert divisions((64, 64, 64), 4) == [4, 4, 4]
    assert divisions((8, 15, 16), 4) == [2, 2, 4]
    assert divisions((3, 64, 64), 2) == [1, 2, 2]


def test_blocks_joined_are_those_measured_in_larger_blocks():
    labels = smooth((16, 32, 32))
    joined, large = measured_blocks(labels, 4, 1).halved(), measured_blocks(labels, 2, 1)
    counted = [0, 1, 3, 6]
    np.testing.assert_array_equal(joined.sums[..., counted], large.sums[..., counted])
    np.testing.assert_allclose(joined.sums[..., [4, 5]], large.sums[..., [4, 5]])


def test_blocks_shift_a_figure_by_what_they_have_more_or_less():
    labels = smooth((16, 32, 32))
    blocks = measured_blocks(labels, 2, 1)
    for quantity in QUANTITIES:
        shifts = blocks.deviations(quantity)
        assert abs(shifts.mean()) < 1e-9
    shares = labels.data.reshape(2, 8, 2, 16, 2, 16).mean(axis=(1, 3, 5))
    whole = labels.data.mean()
    expected = (shares - whole) / (whole * (1 - whole))
    np.testing.assert_allclose(blocks.deviations(FRACTION), expected)


def test_one_phase_has_no_diameters():
    blocks = measured_blocks(Labels(np.ones((8, 8, 8), np.uint8), 5.0), 2, 1)
    found = [blocks.figure(quantity) for quantity in QUANTITIES]
    assert found[0] == 1
    assert found[1] == 0
    assert found[4] == 1
    assert np.isnan(found[2])
    assert np.isnan(found[3])


@pytest.mark.parametrize("edge", [2, 4])
def test_sampling_agrees_with_the_scatter_of_independent_volumes(edge):
    """The integral range of independent cubes is their volume: the variance is known exactly."""
    rng = np.random.default_rng(edge)
    fraction, shape = 0.4, (32, 32, 32)
    exact = fraction * (1 - fraction) * edge**3 / np.prod(shape)
    slope = 1 / (fraction * (1 - fraction))
    found = [
        sampling_variance(measured_blocks(cells(shape, edge, fraction, rng), 4, 1), FRACTION)
        for _ in range(12)
    ]
    assert np.mean(found) == pytest.approx(exact * slope**2, rel=0.35)


def test_sampling_of_what_is_correlated_far_falls_more_slowly_than_blocks_suggest():
    rng = np.random.default_rng(8)
    shape = (32, 48, 48)
    shares, estimates = [], []
    for _ in range(40):
        field = ndimage.gaussian_filter(rng.standard_normal([n + 24 for n in shape]), 3.0)
        cut = field[12:-12, 12:-12, 12:-12]
        labels = Labels((cut > 0).astype(np.uint8), 5.0)
        shares.append(labels.data.mean())
        if len(estimates) < 10:
            blocks = measured_blocks(labels, 4, 1)
            estimates.append(sampling_variance(blocks, FRACTION))
    true = 16 * np.var(shares)  # slope of the logit at 1/2
    assert 0.4 * true < np.mean(estimates) < 2.5 * true


def test_a_volume_too_small_for_blocks_says_nothing_of_sampling():
    labels = Labels(np.indices((3, 3, 3)).sum(axis=0).astype(np.uint8) % 2, 5.0)
    assert np.isnan(sampling_variance(measured_blocks(labels, 4, 1), FRACTION))


def test_parts_of_a_stack_are_spread_over_it():
    assert part_shape((10, 100, 90), (20, 40, 40)) == (10, 40, 40)
    starts = part_starts((10, 100, 90), (10, 40, 40))
    assert starts == [(0, 0, 0), (0, 0, 50), (0, 60, 0), (0, 60, 50)]
    corners = part_starts((100, 100, 100), (20, 40, 40))
    assert len(corners) == 4
    assert all(len({c[axis] for c in corners}) == 2 for axis in range(3))
    assert part_starts((20, 40, 40), (20, 40, 40)) == [(0, 0, 0)]
