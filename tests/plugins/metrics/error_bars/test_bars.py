"""Regression, parts of the uncertainty, and coverage of intervals, on numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.metrics.error_bars.bars import Case, bar_of, within_twins
from fib_plugins.metrics.error_bars.regression import predicted_shift
from fib_plugins.metrics.error_bars.scales import LOG, LOGIT


def drawn(rng, twins, slope, skewed):
    """Features, measured and true values of twins and, last, of a stack."""
    features = rng.normal(size=(twins + 1, 5))
    found = 60.0 * np.exp(0.2 * features[:, 0])
    error = rng.exponential(size=twins + 1) - 1 if skewed else rng.normal(size=twins + 1)
    true = found * np.exp(0.15 + slope * features[:, 1] + 0.05 * error)
    case = Case(true[:-1], found[:-1], features[:-1], float(found[-1]), features[-1])
    return case, float(true[-1])


@pytest.mark.long
@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_intervals_of_few_twins_hold_the_truth_as_often_as_they_say(slope, skewed):
    rng = np.random.default_rng(int(10 * slope) + skewed)
    held = []
    for _ in range(200):
        case, true = drawn(rng, 24, slope, skewed)
        bar = bar_of(case, LOG, 0.9)
        held.append(bar.volume_low <= true <= bar.volume_high)
    assert 0.85 <= np.mean(held) <= 0.97


def test_a_dependence_on_features_is_learned_and_narrows_the_interval():
    rng = np.random.default_rng(4)
    case, true = drawn(rng, 30, 0.3, skewed=False)
    bar = bar_of(case, LOG, 0.9)
    blind = Case(
        case.truth, case.base, case.features[:, :1], case.stack_base, case.stack_features[:1]
    )
    plain = bar_of(blind, LOG, 0.9)
    assert bar.volume_high - bar.volume_low < 0.5 * (plain.volume_high - plain.volume_low)
    assert bar.corrected == pytest.approx(true, rel=0.15)


def test_without_a_dependence_the_mean_shift_is_left():
    rng = np.random.default_rng(1)
    features, shifts = rng.normal(size=(20, 3)), 0.5 + 0.1 * rng.normal(size=20)
    found = predicted_shift(features, shifts, np.array([0.5, 0.5, 0.5]))
    assert found.value == pytest.approx(shifts.mean())
    others = (shifts.sum() - shifts) / 19
    np.testing.assert_allclose(found.left_out, others)
    assert found.variance == pytest.approx(np.mean((shifts - others) ** 2))
    assert found.own_variance == pytest.approx(shifts.var(ddof=1) / 20, rel=1e-6)


def test_features_beyond_those_of_the_twins_count_as_their_ends():
    rng = np.random.default_rng(1)
    features = rng.uniform(0, 1, size=(20, 1))
    shifts = features[:, 0]
    end = predicted_shift(features, shifts, features.max(axis=0))
    far = predicted_shift(features, shifts, np.array([50.0]))
    assert far.value == pytest.approx(end.value)
    assert end.value == pytest.approx(features.max(), abs=0.1)


def test_features_that_do_not_vary_do_no_harm():
    shifts = np.linspace(0, 1, 10)
    found = predicted_shift(np.full((10, 2), 3.0), shifts, np.array([3.0, 4.0]))
    assert found.value == pytest.approx(0.5)


def test_what_differs_within_twins_averages_out_over_a_large_stack():
    rng = np.random.default_rng(3)
    local, common = 0.05, 0.05
    blocks = local * np.sqrt(8) * rng.normal(size=(400, 8))
    shift = common * rng.normal(size=400) + blocks.mean(axis=1)
    within = within_twins([each - each.mean() for each in blocks])
    assert within == pytest.approx(local**2, rel=0.1)
    found = 50 * np.ones(400)
    features = np.zeros((400, 1))
    parts = [
        bar_of(
            Case(found * np.exp(shift), found, features, 50.0, np.zeros(1), within, volumes),
            LOG,
            0.9,
        )
        for volumes in (1.0, 0.01)
    ]
    for bar in parts:
        assert bar.structure_and_instrument == pytest.approx(1.65 * 50 * common, rel=0.2)
    assert parts[0].segmentation == pytest.approx(1.65 * 50 * local, rel=0.1)
    assert parts[1].segmentation == pytest.approx(parts[0].segmentation / 10, rel=0.01)


def test_limits_of_shares_stay_within_0_and_1():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0.97, 1.0, 12)
    case = Case(truth, np.ones(12), np.zeros((12, 1)), 1.0, np.zeros(1), sampling=4.0)
    bar = bar_of(case, LOGIT, 0.9)
    assert 0 < bar.low < bar.volume_low < bar.corrected < bar.high <= 1


def test_limits_next_to_0_and_1_include_them():
    np.testing.assert_array_equal(LOGIT.back(LOGIT.to([0.0, 0.5, 1.0])), [0.0, 0.5, 1.0])
    assert 0.9998 < LOGIT.back(LOGIT.to(0.99985)) < 1


@pytest.mark.parametrize("scale", [LOG, LOGIT])
def test_scales_have_inverses_and_slopes(scale):
    values = np.array([0.01, 0.3, 0.9])
    np.testing.assert_allclose(scale.back(scale.to(values)), values)
    step = 1e-6
    slopes = (scale.to(values + step) - scale.to(values - step)) / (2 * step)
    np.testing.assert_allclose(scale.slope(values), slopes, rtol=1e-5)
