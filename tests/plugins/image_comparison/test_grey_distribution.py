from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from fib_plugins.image_comparison.grey_distribution import (
    common_bins,
    grey_distance,
    scaled,
    shares,
)
from fib_plugins.image_statistics.histogram import Histogram


def histogram(values):
    return Histogram.of(np.asarray(values).reshape(1, 1, -1), "values")


@pytest.fixture(scope="module")
def normal():
    return np.random.default_rng(0).normal(100, 12, 200_000).astype(np.float32)


def test_a_shift_is_its_distance(normal):
    assert grey_distance(histogram(normal), histogram(normal + 5)) == pytest.approx(5, rel=1e-3)
    counts = normal.astype(np.uint8)
    assert grey_distance(histogram(counts), histogram(counts + 7)) == pytest.approx(7, rel=1e-12)


def test_two_normal_distributions_are_apart_as_theory_says(normal):
    wider = 100 + 1.5 * (normal - 100)
    expected = 0.5 * 12 * np.sqrt(2 / np.pi)  # mean of |x| over the difference in deviation
    assert grey_distance(histogram(normal), histogram(wider)) == pytest.approx(expected, rel=0.01)


def test_it_agrees_with_the_distance_of_the_values_themselves(normal):
    other = np.random.default_rng(1).gamma(4, 20, 5000).astype(np.float32)
    expected = wasserstein_distance(normal[:7000], other)
    found = grey_distance(histogram(normal[:7000]), histogram(other))
    assert found == pytest.approx(expected, rel=1e-3)


def test_in_their_own_scale_gain_and_offset_do_not_count(normal):
    one, other = scaled(histogram(normal)), scaled(histogram(0.003 * normal + 8))
    assert grey_distance(one, other) < 1e-3
    assert one.moments() == pytest.approx((0, 1), abs=1e-3)


def test_shares_of_common_bins_are_those_of_the_values(normal):
    other = (normal / 2).astype(np.uint8)
    histograms = [histogram(normal), histogram(other)]
    borders = common_bins(histograms, 20)
    expected = np.histogram(normal, borders)[0] / normal.size
    np.testing.assert_allclose(shares(histograms[0], borders), expected, atol=1e-3)
    for each in histograms:
        assert 0.997 < shares(each, borders).sum() <= 1


def test_bins_of_other_width_than_grey_values_show_no_comb():
    flat = np.repeat(np.arange(256, dtype=np.uint8), 10)
    found = shares(histogram(flat), np.linspace(0, 255, 101))
    np.testing.assert_allclose(found, found[0], rtol=1e-9)
