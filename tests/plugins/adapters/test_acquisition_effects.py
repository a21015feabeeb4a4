"""Each effect against what it must do by its definition."""

import numpy as np
import pytest
from scipy.special import erfc

from fib_plugins.adapters.instrument import effects


def width_at_half_maximum(profile):
    half = profile.max() / 2
    above = np.flatnonzero(profile > half)
    left, right = above[0], above[-1]
    rise = left - (profile[left] - half) / (profile[left] - profile[left - 1])
    fall = right + (profile[right] - half) / (profile[right] - profile[right + 1])
    return fall - rise


def test_a_shift_moves_a_wave_by_parts_of_a_pixel():
    y, x = np.mgrid[:80, :80]

    def wave(dy, dx):
        return np.sin(2 * np.pi * (x - dx) / 16) + np.cos(2 * np.pi * (y - dy) / 11)

    moved = effects.shifted(wave(0, 0), (-1.7, 2.3))
    np.testing.assert_allclose(moved[15:-15, 15:-15], wave(-1.7, 2.3)[15:-15, 15:-15], atol=0.01)


def test_a_shift_by_whole_pixels_moves_every_value():
    plane = np.random.default_rng(0).random((30, 40))
    moved = effects.shifted(plane, (2.0, -3.0))
    np.testing.assert_allclose(moved[2:, :-3], plane[:-2, 3:], atol=1e-12)


def test_the_seam_beside_a_step_is_a_complementary_error_function():
    step = np.zeros((20, 200), np.float32)
    step[:, 100:] = 0.5
    seam = effects.with_bright_edges(step, 0.3, (4.0, 4.0))[10] - step[10]
    distance = np.arange(100, 140) - 99.5
    expected = 0.3 * 0.5 * erfc(distance / (np.sqrt(2) * 4.0))
    np.testing.assert_allclose(seam[100:140], expected, atol=2e-3)
    np.testing.assert_allclose(seam[:100], 0.0, atol=1e-7)


def test_charge_gathers_on_a_bright_stretch_and_drains_behind_it():
    line = np.zeros((5, 1000), np.float32)
    line[2, 100:400] = 1.0
    background = line.mean()
    trail = (effects.charged(line, 0.2, 50.0, 0.0) - line) / 0.2
    x = np.arange(400, 900)
    before = -background * (1 - np.exp(-100 / 50))
    top = (1 - background) + (before - 1 + background) * np.exp(-300 / 50)
    expected = -background + (top + background) * np.exp(-(x - 399) / 50)
    np.testing.assert_allclose(trail[2, 400:900], expected, atol=1e-3)
    assert np.ptp(trail[[0, 1, 3, 4]], axis=0).max() < 1e-6  # other lines do not know of it


def test_charge_spreads_across_lines_without_changing_in_all():
    line = np.zeros((61, 300), np.float32)
    line[30, 50:150] = 1.0
    narrow = effects.charged(line, 0.2, 40.0, 0.0) - line
    wide = effects.charged(line, 0.2, 40.0, 3.0) - line
    np.testing.assert_allclose(wide.sum(axis=0), narrow.sum(axis=0), atol=1e-4)
    column = wide[:, 140] - wide[0, 140]
    assert width_at_half_maximum(column) == pytest.approx(3.0 * effects.FWHM_PER_SIGMA, rel=0.03)


def test_a_stripe_profile_has_variance_one_and_a_gaussian_covariance():
    rng = np.random.default_rng(1)
    margin = effects.stripe_margin(5.0)
    profile = effects.stripe_profile(rng.standard_normal((1, 400_000 + 2 * margin)), 5.0)[0]
    assert len(profile) == 400_000
    assert profile.var() == pytest.approx(1.0, rel=0.03)
    for lag in (4, 10):
        covariance = np.mean(profile[lag:] * profile[:-lag])
        assert covariance == pytest.approx(np.exp(-(lag**2) / (4 * 25)), abs=0.03)


@pytest.mark.parametrize("yield_", [0.05, 0.3, 0.8])
def test_counting_noise_has_the_variance_of_the_binomial_distribution(yield_):
    signal = np.full((400, 400), yield_, np.float32)
    counted = effects.counted(signal, 50, "binomial", np.random.default_rng(2)).astype(float)
    assert counted.mean() == pytest.approx(yield_, rel=0.01)
    assert counted.var() == pytest.approx(yield_ * (1 - yield_) / 50, rel=0.02)
    np.testing.assert_allclose(counted * 50, np.rint(counted * 50), atol=1e-4)


def test_poisson_counting_noise_has_the_variance_of_the_signal_also_above_one():
    signal = np.full((400, 400), 1.2, np.float32)
    counted = effects.counted(signal, 40, "poisson", np.random.default_rng(3)).astype(float)
    assert counted.mean() == pytest.approx(1.2, rel=0.01)
    assert counted.var() == pytest.approx(1.2 / 40, rel=0.02)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_quantised_levels_are_the_nearest_of_all_there_are(bits, dtype):
    level = np.linspace(-0.1, 1.1, 100_001, dtype=np.float32).reshape(1, -1)
    found = effects.quantised(level, bits)
    top = 2**bits - 1
    assert found.dtype == dtype
    assert found.min() == 0
    assert found.max() == top
    inside = (level >= 0) & (level <= 1)
    assert np.abs(found[inside] - level[inside] * top).max() <= 0.5 + 0.01
