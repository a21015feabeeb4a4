"""What differs from slice to slice."""

import numpy as np
import pytest

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.instrument.variation import SliceVariation, curtain, shading, wander
from fibcore import Context, FibError, Images, Labels


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
    profiles = (
        np.array([curtain(settings, z, (1, 4000), (5.0, 5.0), drawn)[0] for z in range(30)]) - 1.0
    )
    assert profiles.std() == pytest.approx(0.05, rel=0.05)
    kept = np.mean(profiles[1:] * profiles[:-1]) / profiles.var()
    assert kept == pytest.approx(np.exp(-1 / 3), abs=0.05)


def test_stripes_of_a_length_fade_along_themselves():
    settings = Acquisition(curtaining=0.1, curtain_width_nm=20.0, curtain_length_nm=60.0)
    drawn = [Context(1)] * 3
    factor = curtain(settings, 2, (300, 2000), (4.0, 5.0), drawn) - 1.0
    assert factor.shape == (300, 2000)
    assert factor.std() == pytest.approx(0.1, rel=0.05)
    assert factor[:20].std() == pytest.approx(0.1, rel=0.1)  # from the first row on
    for lag in (1, 15):
        alike = np.mean(factor[lag:] * factor[:-lag]) / factor.var()
        assert alike == pytest.approx(np.exp(-4.0 * lag / 60.0), abs=0.04)
    across = np.mean(factor[:, 4:] * factor[:, :-4]) / factor.var()
    sigma = 20.0 / 2.3548
    assert across == pytest.approx(np.exp(-(20.0**2) / (4 * sigma**2)), abs=0.03)
    images = Images(np.full((2, 40, 64), 0.5, np.float32), (5.0, 5.0, 4.0), kv=(2.0,))
    lying = {"milling_axis": "x", "curtaining": 0.1, "curtain_length_nm": 1e5}
    found = Acquisition(**lying).transform(images, Context(1)).data[0]
    assert found.std(axis=2).max() < 0.01 < found.std(axis=1).min()


def test_labels_are_kept_as_recorded_pixels_show_them():
    shape = (12, 48, 64)
    for axis, name in enumerate(("position_slices", "shift_y_nm", "shift_x_nm")):
        labels = Labels(np.indices(shape, np.uint8)[axis], (8.0, 4.0, 2.0))
        images = Images(labels.data.astype(np.float32) / 64, (8.0, 4.0, 2.0), kv=(2.0,))
        instrument = Acquisition(drift_nm=8.0, thickness_variation=0.5)
        context = Context(3)
        spec = instrument.forecast("transform", {"images": images.spec, "labels": labels.spec})
        recorded = instrument.transform(images, context, labels=labels)
        shown = context.kept["labels"]
        assert shown.spec == spec.kept["labels"]
        away = context.kept["slices"][name]
        inner = (slice(None), slice(12, -12), slice(16, -16))
        moved = shown.data[inner].astype(float) - np.indices(shape)[axis][inner]
        expected = away - np.arange(12) if axis == 0 else -away / (4.0, 2.0)[axis - 1]
        assert np.abs(expected).max() > 0.3
        assert np.abs(moved - expected[:, None, None]).max() <= 0.5 + 1e-6
        seen = recorded.data[0][inner] * 64
        assert np.abs(seen - shown.data[inner]).max() < 0.6


def test_labels_of_another_shape_are_refused():
    images = Images(np.full((3, 8, 8), 0.3, np.float32), (5.0, 5.0, 5.0), kv=(2.0,))
    labels = Labels(np.zeros((3, 8, 9), np.uint8), (5.0, 5.0, 5.0))
    with pytest.raises(FibError, match="give the labels"):
        Acquisition().transform(images, labels=labels)


def test_shading_is_a_slow_change_of_the_signal():
    images = Images(np.full((300, 24, 32), 0.5, np.float32), (5.0, 5.0, 5.0), kv=(2.0,))
    factor = Acquisition(shading=0.05).transform(images, Context(2)).data[0] / 0.5
    np.testing.assert_allclose(factor.mean(axis=(1, 2)), 1.0, atol=1e-5)
    v, u = np.linspace(-1, 1, 24), np.linspace(-1, 1, 32)
    planes = np.stack([np.outer(v, np.ones(32)), np.outer(np.ones(24), u), np.outer(v, u)])
    basis = planes.reshape(3, -1).T
    flat = (factor - 1).reshape(300, -1).T
    amounts, rest, *_ = np.linalg.lstsq(basis, flat, rcond=None)
    assert rest.max() < 1e-6
    alike = [np.corrcoef(one[1:], one[:-1])[0, 1] for one in amounts]
    assert np.mean(alike) == pytest.approx(np.exp(-1 / 20), abs=0.05)


def test_shading_has_its_deviation():
    settings = Acquisition(shading=0.05)
    factors = [shading(settings, 0, (40, 50), [Context(seed)]) for seed in range(400)]
    assert np.std(factors) == pytest.approx(0.05, rel=0.07)
    corners = np.array(factors)[:, [0, -1, 0, -1], [0, 0, -1, -1]] - 1
    crossed = corners @ [1, -1, -1, 1] / 4  # what is left of v u at the corners
    assert np.std(crossed) == pytest.approx(0.05 * np.sqrt(3), rel=0.1)


def test_variants_have_more_or_less_of_a_shading_that_is_there():
    rngs = [np.random.default_rng(4) for _ in range(2)]
    one = Acquisition(preset="bad").randomised(rngs[0])
    other = Acquisition(preset="bad", shading=0.1).randomised(rngs[1])
    assert one.shading == 0.0
    assert 0.1 / 1.5 <= other.shading <= 0.15
    assert one == other.model_copy(update={"shading": 0.0})
    assert rngs[0].random() == rngs[1].random()
