"""Instruments drawn at random around a given one."""

import numpy as np
import pytest

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.instrument.randomisation import FACTORS, UNSEEN
from fibcore import Context, FibError, Images


def test_parameters_stay_within_the_spread_and_fill_it():
    centre = Acquisition(preset="bad", exposure_range=None, gain=2.0, offset=0.1, drift_slices=2)
    rng = np.random.default_rng(0)
    drawn = [centre.randomised(rng, 0.5) for _ in range(300)]
    for name in set(FACTORS) - set(UNSEEN):
        middle = getattr(centre, name)
        middle = middle[0] if isinstance(middle, tuple) else middle
        values = [getattr(one, name) for one in drawn]
        factors = np.array([v[0] if isinstance(v, tuple) else v for v in values]) / middle
        assert factors.min() > 1 / 1.51, name
        assert factors.max() < 1.51, name
        assert factors.min() < 0.70, name
        assert factors.max() > 1.42 or middle * 1.5 > 0.5, name  # some have an upper limit
    offsets = np.array([one.offset[0] for one in drawn])
    assert np.abs(offsets - 0.1).max() == pytest.approx(0.1, rel=0.03)
    assert {one.bits for one in drawn} == {8}


def test_some_of_what_estimates_miss_is_added():
    rng = np.random.default_rng(0)
    bad = Acquisition(preset="bad")
    for name in UNSEEN:
        off = [getattr(Acquisition().randomised(rng, 0.5), name) for _ in range(300)]
        most = getattr(bad, name)
        assert 0 <= min(off) < 0.05 * most
        assert 0.95 * most < max(off) <= most
        on = [getattr(bad.randomised(rng, 0.5), name) for _ in range(300)]
        assert most / 1.51 < min(on)
        assert most * 1.5 < max(on) < most * 1.81  # sqrt(1.5^2 + 1^2)
    darkens = [Acquisition(charging=-0.1).randomised(rng, 0.5).charging for _ in range(30)]
    assert max(darkens) < 0


def test_structure_stays_in_place():
    moving = Acquisition(drift_nm=5.0, drift_slices=3, thickness_variation=0.2)
    for spread in (0.0, 0.5):
        variant = moving.randomised(np.random.default_rng(0), spread)
        assert (variant.drift_nm, variant.thickness_variation) == (0.0, 0.0)


def test_what_is_off_stays_off_and_no_spread_changes_nothing():
    rng = np.random.default_rng(0)
    drawn = Acquisition(read_noise=0.02).randomised(rng, 0.5)
    assert drawn.electrons_per_pixel is None
    assert drawn.blur_fwhm_nm == (0.0,)
    assert drawn.saturation is None
    assert drawn.read_noise[0] != 0.02
    typical = Acquisition(preset="typical", drift_nm=0.0, thickness_variation=0.0)
    same = typical.randomised(rng, 0.0)
    np.testing.assert_allclose(same.exposure_range, typical.exposure_range)
    assert same.model_copy(update={"exposure_range": typical.exposure_range}) == typical


def test_the_same_generator_draws_the_same_instrument_and_channels_share_factors():
    centre = Acquisition(gain=(1.0, 2.0), read_noise=0.02)
    one, two = (centre.randomised(np.random.default_rng(4)) for _ in range(2))
    assert one == two
    assert one.gain[1] == pytest.approx(2 * one.gain[0])


def test_presets_drawn_far_and_wide_are_instruments_that_work():
    data = np.random.default_rng(1).uniform(0.1, 0.4, (2, 48, 48)).astype(np.float32)
    images = Images(data, (5.0, 5.0, 5.0), kv=(2.0,))
    rng = np.random.default_rng(2)
    for preset in ("typical", "bad"):
        for _ in range(5):
            instrument = Acquisition(preset=preset).randomised(rng, 3.0)
            recorded = instrument.transform(images, Context(0, threads=1))
            assert recorded.data.dtype == np.uint8
            assert recorded.data.std() > 0


def test_around_a_fitted_instrument_means_around_its_estimates():
    rng = np.random.default_rng(3)
    grey = np.clip(0.5 + 0.1 * rng.standard_normal((3, 64, 64)), 0, 1).astype(np.float32)
    plugin = Acquisition(estimate=("noise",))
    found = plugin.fit(Images(grey, (5.0, 5.0, 5.0), kv=(2.0,)), None, Context(0)).estimated
    drawn = [one.randomised(np.random.default_rng(5), 0.5) for one in (plugin, found)]
    assert drawn[0] == drawn[1]
    assert drawn[0].electrons_per_pixel != plugin.electrons_per_pixel or drawn[0].read_noise[0] > 0


def test_a_negative_spread_is_refused():
    with pytest.raises(FibError, match="negative"):
        Acquisition(preset="bad").randomised(np.random.default_rng(0), -0.5)


def test_variants_are_free_of_effects_that_were_removed():
    given = {"preset": "bad", "removed_effects": ("curtaining", "line_noise")}
    one, other = (
        Acquisition(**params).randomised(np.random.default_rng(4))
        for params in (given, {"preset": "bad"})
    )
    assert (one.curtaining, one.line_noise) == (0.0, 0.0)
    assert other.curtaining > 0
    assert one.charging == other.charging > 0
    assert one.electrons_per_pixel == other.electrons_per_pixel
