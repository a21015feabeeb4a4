"""Each effect of the twin's instrument against what it must do by its definition."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import k1

from fib_plugins.adapters.hidden_instrument import beam, detector, sample
from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters
from fib_plugins.adapters.hidden_instrument.variation import restarted_walks


def moments(spot, pixel_nm=(1.0, 1.0)):
    """Return integral, centre and covariance of a spot over (y, x)."""
    spot = spot.astype(float)
    y, x = (np.arange(n) * size for n, size in zip(spot.shape, pixel_nm, strict=True))
    total = spot.sum()
    centre = np.array([(spot.sum(1) * y).sum(), (spot.sum(0) * x).sum()]) / total
    away = np.stack(np.meshgrid(y - centre[0], x - centre[1], indexing="ij"))
    return total, centre, np.einsum("ayx,byx,yx->ab", away, away, spot) / total


def point(shape):
    signal = np.zeros(shape, np.float32)
    signal[shape[0] // 2, shape[1] // 2] = 1.0
    return signal


# -- beam ----------------------------------------------------------------------------------------


def test_defocus_fills_a_disc_and_astigmatism_parts_its_axes():
    in_focus, above = beam.core_covariances(np.array([0.0, 500.0]), 4.7096, 10.0, 1000.0, 90.0)
    np.testing.assert_allclose(in_focus, (4.0 + 2.5**2) * np.eye(2), rtol=1e-4)
    np.testing.assert_allclose(above, np.diag([4.0, 4.0 + 5.0**2]), atol=1e-2)


def test_the_orientation_of_an_astigmatic_spot_turns_through_focus():
    below, above = beam.core_covariances(np.array([-300.0, 300.0]), 3.0, 10.0, 400.0, 30.0)
    widest = [np.linalg.eigh(c)[1][:, 1] for c in (below, above)]
    assert abs(widest[0] @ widest[1]) < 1e-6
    angle = np.degrees(np.arctan2(*widest[0])) % 180
    assert angle == pytest.approx(30.0)


def test_the_core_keeps_the_integral_and_has_its_covariance():
    covariance = np.array([[6.0, 2.0], [2.0, 3.0]])
    kernels = beam.core_kernels(np.tile(covariance, (61, 1, 1)))
    total, centre, found = moments(beam.convolved(point((61, 71)), kernels))
    assert total == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(centre, (30, 35), atol=1e-4)
    np.testing.assert_allclose(found, covariance, rtol=0.02)


def test_a_point_beam_changes_nothing():
    signal = np.random.default_rng(0).random((9, 11)).astype(np.float32)
    kernels = beam.core_kernels(np.zeros((9, 2, 2)))
    np.testing.assert_array_equal(beam.convolved(signal, kernels), signal)


def test_each_row_is_blurred_by_its_own_core():
    signal = np.random.default_rng(1).random((40, 50)).astype(np.float32)
    variances = np.linspace(0.5, 4.0, 40)
    rows = beam.core_kernels(variances[:, None, None] * np.eye(2))
    blurred = beam.convolved(signal, rows)
    for y in (0, 17, 39):
        one = np.tile(rows[y], (40, 1, 1))
        np.testing.assert_allclose(beam.convolved(signal, one)[y], blurred[y], atol=1e-6)


def test_the_skirt_is_an_exponential_spot():
    shape, pixel, length = (181, 241), (2.0, 1.5), 9.0
    spot = beam.exponentially_spread(point(shape), length, pixel)
    total, centre, covariance = moments(spot, pixel)
    assert total == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(centre, (180.0, 180.0), atol=1e-3)
    np.testing.assert_allclose(covariance, 3 * length**2 * np.eye(2), rtol=0.02, atol=1.0)
    x = np.arange(8, 60, 4)
    density = np.exp(-x * 1.5 / length) / (2 * np.pi * length**2) * 3.0
    np.testing.assert_allclose(spot[90, 120 + x], density, rtol=0.03)


def test_a_constant_signal_stays_what_it_is_under_the_whole_beam():
    flat = np.full((40, 30), 0.3, np.float32)
    kernels = beam.core_kernels(np.tile(np.diag([3.0, 9.0]), (40, 1, 1)))
    np.testing.assert_allclose(beam.convolved(flat, kernels), 0.3, rtol=1e-5)
    np.testing.assert_allclose(beam.exponentially_spread(flat, 10.0, (3.0, 3.0)), 0.3, rtol=1e-5)


# -- sample --------------------------------------------------------------------------------------


def test_a_halo_beside_a_step_is_a_bessel_function_on_the_side_of_the_detector():
    step = np.zeros((16, 400), np.float32)
    step[:, 100:300] = 0.5  # rises at 99.5, falls at 299.5
    length = 16.0
    halo = sample.with_halo(step, 0.3, length, 0.0, (1.0, 1.0)) - step
    distance = np.arange(300, 360) - 299.5
    expected = 0.3 * 0.5 * (distance / length) * k1(distance / length)
    np.testing.assert_allclose(halo[8, 300:360], expected, atol=2e-3)
    assert halo[8, 60:150].max() < 1e-4  # the detector is at +x: the rising edge faces away
    other = sample.with_halo(step, 0.3, length, 180.0, (1.0, 1.0)) - step
    np.testing.assert_allclose(other[8, ::-1], halo[8], atol=1e-5)
    assert sample.with_halo(step, 0.3, length, 90.0, (1.0, 1.0)) == pytest.approx(step, abs=1e-5)


def test_a_curtain_runs_down_from_where_it_begins_and_fades_at_a_slant():
    settings = TwinParameters(
        curtains_per_um=1.0, curtain_reach_nm=200.0, curtain_slant_deg=10.0, curtain_slices=3
    )
    curtain = sample.Curtain(5, 3, y_nm=100.0, x_nm=150.0, depth=0.4, width_nm=10.0)
    found = sample.curtain_density(settings, [curtain], 6, (100, 150), (4.0, 2.0))
    assert (found[:25] == 0.0).all()
    for y in (25, 50, 80):
        down = 4.0 * y - 100.0
        away = np.arange(150) * 2.0 - 150.0 - np.tan(np.radians(10.0)) * down
        density = 0.4 * np.exp(-down / 200.0) / (1 + (away / 10.0) ** 2)
        near = np.abs(away) < 60
        np.testing.assert_allclose(found[y, near], density[near], rtol=1e-9)
    strengths = [curtain.strength(z) for z in range(4, 10)]
    np.testing.assert_allclose(strengths, [0, 0.2, 0.4, 0.2, 0, 0], atol=1e-12)


def test_curtains_begin_where_solid_lies_below_a_pore_and_are_as_many_as_asked():
    settings = TwinParameters(curtains_per_um=40.0, curtain_depth=0.1, curtain_slices=2)
    signal = np.zeros((60, 500), np.float32)
    signal[30:] = 1.0
    rng = np.random.default_rng(2)
    found = [
        curtain
        for z in range(200)
        for curtain in sample.new_curtains(settings, signal, (4.0, 4.0), z, rng)
    ]
    alive = sum(curtain.slices for curtain in found) / 200  # of 2 um
    assert alive == pytest.approx(80, rel=0.05)
    starts = np.array([curtain.y_nm for curtain in found])
    assert np.mean(starts < 0) == pytest.approx(sample.FROM_ABOVE, abs=0.02)
    assert (
        np.abs(starts[starts >= 0] - 120.0).mean()
        < 2 * sample.EDGE_PIXELS * settings.preset_pixel_nm
    )
    depths = np.array([curtain.depth for curtain in found])
    tail = settings.curtain_tail
    assert stats.kstest(depths, stats.pareto(tail, scale=0.1).cdf).pvalue > 0.01


def test_the_shadow_is_a_parabola_down_the_face_that_returns_after_its_period():
    settings = TwinParameters(shadowing=0.3, shadow_slices=40.0)
    phases = (0.0, 0.0)
    first = sample.shadow(settings, 0, phases, (200, 30))
    down = (np.arange(200) + 0.5) / 200
    np.testing.assert_allclose(first[:, 7], 1 - 0.3 * (0.6 * down + 0.4 * down**2), rtol=1e-5)
    np.testing.assert_allclose(sample.shadow(settings, 40, phases, (200, 30)), first, atol=1e-6)
    quarter = sample.shadow(settings, 10, phases, (200, 30))
    assert 1 - quarter[-1].mean() == pytest.approx(0.3 * 1.4, rel=0.02)
    assert quarter[:, -1].mean() < quarter[:, 0].mean() - 0.05


# -- detector ------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [0.0, 0.7])
@pytest.mark.parametrize("level", [0.05, 0.6])
def test_counting_noise_exceeds_poisson_by_the_spread_of_single_electrons(level, spread):
    signal = np.full((500, 400), level, np.float32)
    found = detector.counted(signal, 80.0, spread, np.random.default_rng(3)).astype(float)
    assert found.mean() == pytest.approx(level, rel=0.01)
    assert found.var() == pytest.approx(level * (1 + spread) / 80, rel=0.02)
    assert stats.skew(found.ravel()) == pytest.approx(
        (1 + spread) * (1 + 2 * spread) / (1 + spread) ** 1.5 / np.sqrt(80 * level), rel=0.05
    )


def test_no_signal_gives_no_charge():
    signal = np.full((20, 20), -0.1, np.float32)
    assert not detector.counted(signal, 50.0, 0.5, np.random.default_rng(4)).any()


@pytest.mark.parametrize("tau", [0.05, 0.5, 1.0, 3.3])
def test_the_detector_response_has_integral_one_and_no_delay(tau):
    weights, index = detector.response_weights(tau)
    delay = np.arange(len(weights)) - index
    assert weights.min() >= -1e-12
    assert weights.sum() == pytest.approx(1.0, abs=1e-5)
    assert (weights * delay).sum() == pytest.approx(0.0, abs=1e-4)
    # what falls between two pixels is shared by them, which adds up to a quarter of a pixel squared
    assert tau**2 - 1e-4 < (weights * delay**2).sum() < tau**2 + 0.25 + 1e-4


def test_the_detector_response_is_that_of_a_single_pole():
    tau, fine = 1.7, 400
    t = (np.arange(60 * fine) + 0.5) / fine
    pole = np.exp(-t / tau) / tau / fine
    dwell = np.full(fine, 1 / fine)
    continuous = np.convolve(np.convolve(pole, dwell), dwell)  # held, filtered, averaged
    delays = np.arange(len(continuous)) / fine - tau - 1.0  # of the middles, mean delay allowed
    weights, index = detector.response_weights(tau)
    expected = np.interp(np.arange(-2, 10), delays, continuous) * fine
    np.testing.assert_allclose(weights[index - 2 : index + 10], expected, atol=2e-3)


def test_noise_is_correlated_along_the_scan_line_only():
    tau = 8.0
    noise = np.random.default_rng(5).standard_normal((300, 3000)).astype(np.float32)
    found = detector.band_limited(noise, tau).astype(float)
    assert found.var() == pytest.approx(1 / (2 * tau), rel=0.1)  # of white noise, tau >> 1
    four, eight, sixteen = (np.mean(found[:, lag:] * found[:, :-lag]) for lag in (4, 8, 16))
    assert eight / four == pytest.approx(np.exp(-4 / tau), abs=0.02)
    assert sixteen / eight == pytest.approx(np.exp(-8 / tau), abs=0.02)
    assert np.mean(found[1:] * found[:-1]) / found.var() == pytest.approx(0.0, abs=0.01)


def test_the_beam_flickers_as_a_random_walk_over_the_lines():
    rng = np.random.default_rng(6)
    walks = np.log([detector.beam_flicker(0.1, 200, rng) for _ in range(2000)])
    assert walks.mean() == pytest.approx(0.0, abs=1e-4)
    for lag in (1, 50, 199):
        growth = (walks[:, lag:] - walks[:, :-lag]).var()
        assert growth == pytest.approx(0.1**2 * lag / 200, rel=0.1)


def test_the_s_curve_keeps_black_grey_and_white_and_steepens_the_middle():
    level = np.linspace(0, 1, 1001, dtype=np.float32)
    curved = detector.s_shaped(level, 4.0)
    np.testing.assert_allclose(curved[[0, 500, 1000]], [0, 0.5, 1], atol=1e-6)
    logistic = 1 / (1 + np.exp(-4.0 * (level - 0.5)))
    scaled = (logistic - logistic[0]) / (logistic[-1] - logistic[0])
    np.testing.assert_allclose(curved, scaled, atol=1e-6)
    np.testing.assert_array_equal(detector.s_shaped(level, 0.0), level)
    np.testing.assert_allclose(detector.s_shaped(level, 1e-3), level, atol=1e-5)


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_grey_levels_divide_the_full_scale_evenly(bits, dtype):
    middles = ((np.arange(2**bits) + 0.5) / 2**bits)[None]
    found = detector.digitised(middles, bits)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[0], np.arange(2**bits))
    np.testing.assert_array_equal(
        detector.digitised(np.array([[-1.0, 0.0, 1.0, 9.0]]), bits)[0],
        [0, 0, 2**bits - 1, 2**bits - 1],
    )


def test_walks_begin_anew_with_zero_where_they_are_put_right():
    steps = np.ones((7, 2))
    restarts = np.array([False, False, False, True, False, False, False])
    walks = restarted_walks(steps, restarts)
    np.testing.assert_array_equal(walks[:, 0], [0, 1, 2, 0, 1, 2, 3])
