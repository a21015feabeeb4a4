"""What differs from slice to slice."""

import numpy as np
import pytest

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.instrument.variation import SliceVariation, curtain, wander
from fibcore import Context


@pytest.mark.parametrize("correlation", [0.0, 2.0, 6.0])
def test_numbers_that_wander_keep_variance_one_and_forget_exponentially(correlation):
    values = wander([Context(1)] * 300, "x", range(300), 200, correlation)
    assert values.mean() == pytest.approx(0.0, abs=0.03)
    assert values.var() == pytest.approx(1.0, rel=0.03)
    for lag in (1, 4):
        expected = np.exp(-lag / correlation) if correlation else 0.0
        assert np.mean(values[lag:] * values[:-lag]) == pytest.approx(expected, abs=0.03)


def test_a_slice_wanders_the_same_whichever_slices_are_asked_for():
    drawn = [Context(1).on(np.full((2, 2), z)) for z in range(20)]
    everything = wander(drawn, "x", range(20), 3, 2.0)
    np.testing.assert_array_equal(wander(drawn, "x", range(7, 12), 3, 2.0), everything[7:12])
    np.testing.assert_array_equal(wander(drawn[:9], "x", range(9), 3, 2.0), everything[:9])


def test_slices_have_the_asked_thickness_variation_and_do_not_wander_off():
    settings = Acquisition(thickness_variation=0.1)
    position = SliceVariation.draw(settings, 1, [Context(2)] * 2000).position
    thickness = np.diff(position)
    assert thickness.std() == pytest.approx(0.1, rel=0.05)
    assert thickness.mean() == pytest.approx(1.0, abs=1e-3)
    assert np.abs(position - np.arange(2000)).max() < 0.4


def test_curtains_have_the_asked_deviation_and_stay_for_the_asked_slices():
    settings = Acquisition(curtaining=0.05, curtain_width_nm=20.0, curtain_slices=3.0)
    drawn = [Context(3)] * 30
    profiles = np.array([curtain(settings, z, 4000, 5.0, drawn) for z in range(30)]) - 1.0
    assert profiles.std() == pytest.approx(0.05, rel=0.05)
    kept = np.mean(profiles[1:] * profiles[:-1]) / profiles.var()
    assert kept == pytest.approx(np.exp(-1 / 3), abs=0.05)
