"""Parameters estimated from stacks that the instrument itself has recorded."""

import functools
import logging
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.instrument.estimate_drift import displacement
from fib_plugins.adapters.instrument.estimate_noise import NoiseCurve
from fib_plugins.adapters.instrument.estimate_stripes import curtains
from fibcore import Context, FibError, Images, Table
from fibcore.formats import read_model, write_model

VOXEL_NM = (6.0, 3.0, 3.0)
DARK, BRIGHT = 0.08, 0.40


@functools.cache
def structure(seed, shape=(40, 160, 160), voxel_nm=VOXEL_NM):
    """Two-phase structure with ligaments of some 60 nm, yields as of gold in epoxy at 2 kV."""
    rng = np.random.default_rng(seed)
    sigma = [18.0 / size for size in voxel_nm]
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    solid = smooth > np.quantile(smooth, 0.65)
    below = np.roll(solid, -1, axis=0)  # shines through
    data = np.where(solid, BRIGHT, np.where(below, 0.5 * (DARK + BRIGHT), DARK))
    return Images(data.astype(np.float32), voxel_nm, kv=(2.0,))


def recorded(seed=1, context_seed=11, **params):
    context = Context(context_seed, threads=1)
    return Acquisition(**params).transform(structure(seed), context), context


def estimated(target, source=None, **params):
    return Acquisition(**params).fit(target, source, Context(0, threads=1)).estimated


@functools.cache
def example():
    """A stack with several effects at once, and the instrument estimated from it.

    The source is another structure of the same kind.
    """
    truth = {
        "blur_fwhm_nm": 7.0,
        "electrons_per_pixel": 150,
        "gain": 1.6,
        "offset": 0.1,
        "read_noise": 0.03,
        "line_noise": 0.012,
        "curtaining": 0.06,
        "curtain_width_nm": 30.0,
        "curtain_slices": 3.0,
        "brightness_drift": 0.03,
        "contrast_drift": 0.06,
        "drift_nm": 2.5,
        "bits": 8,
    }
    target, context = recorded(context_seed=3, **truth)
    return truth, context.kept["slices"], estimated(target, structure(2)), target


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("blur_fwhm_nm", 0.15),
        ("electrons_per_pixel", 0.25),
        ("gain", 0.05),
        ("read_noise", 0.35),
        ("line_noise", 0.15),
        ("curtaining", 0.3),
        ("curtain_width_nm", 0.25),
        ("curtain_slices", 0.5),
        ("drift_nm", 0.25),
    ],
)
def test_a_parameter_is_found_among_all_others(name, tolerance):
    truth, _, found, _ = example()
    value = getattr(found, name)
    value = value[0] if isinstance(value, tuple) else value
    assert value == pytest.approx(truth[name], rel=tolerance)


def test_drift_of_brightness_and_contrast_is_found_as_it_was():
    truth, slices, found, _ = example()
    assert found.brightness_drift == pytest.approx(slices["2_kV_brightness"].std(), rel=0.25)
    assert found.contrast_drift == pytest.approx(slices["2_kV_contrast"].std(), rel=0.35)
    assert found.offset[0] == pytest.approx(truth["offset"], abs=0.03)


def test_the_estimated_instrument_makes_images_with_the_noise_and_levels_of_the_target():
    _, _, found, target = example()
    again = found.transform(structure(2), Context(1, threads=1))
    assert again.data.dtype == target.data.dtype
    curves = [NoiseCurve.of([p.astype(np.float32) for p in s.data[0]]) for s in (again, target)]
    assert curves[0].mean == pytest.approx(curves[1].mean, rel=0.1)
    quantiles = [np.quantile(s.data, [0.1, 0.5, 0.9]) for s in (again, target)]
    np.testing.assert_allclose(*quantiles, atol=8)


def test_nothing_is_found_where_nothing_was_done():
    found = estimated(structure(1), structure(2))
    assert found.blur_fwhm_nm[0] < 2.0
    assert found.gain[0] == pytest.approx(1.0, abs=0.03)
    assert found.offset[0] == pytest.approx(0.0, abs=0.01)
    assert found.electrons_per_pixel is None
    assert found.read_noise[0] < 0.002
    assert found.line_noise < 1e-4
    assert found.curtaining == 0.0
    assert found.brightness_drift < 0.01
    assert found.contrast_drift < 0.02
    assert found.drift_nm < 0.5
    assert found.saturation is None
    assert found.bits is None


@pytest.mark.parametrize("fwhm", [6.0, 12.0])
@pytest.mark.parametrize("with_source", [True, False])
def test_the_beam_is_measured_with_and_without_a_source(fwhm, with_source):
    target, _ = recorded(blur_fwhm_nm=fwhm, electrons_per_pixel=400)
    found = estimated(target, structure(2) if with_source else None)
    assert found.blur_fwhm_nm[0] == pytest.approx(fwhm, rel=0.15)


def test_the_beam_is_measured_in_nm_whatever_the_pixels_are():
    voxel_nm = (6.0, 5.0, 2.5)
    sharp, other = (structure(seed, (16, 128, 256), voxel_nm) for seed in (1, 2))
    instrument = Acquisition(blur_fwhm_nm=12.0, electrons_per_pixel=400)
    target = instrument.transform(sharp, Context(1, threads=1))
    assert estimated(target, other).blur_fwhm_nm[0] == pytest.approx(12.0, rel=0.2)


@pytest.mark.parametrize("counting", ["binomial", "poisson"])
def test_noise_is_split_into_what_grows_with_the_signal_and_what_does_not(counting):
    given = {"counting": counting, "blur_fwhm_nm": 5.0, "offset": 0.2, "gain": 1.2}
    target, _ = recorded(electrons_per_pixel=80, read_noise=0.04, bits=16, **given)
    found = estimated(target, estimate=("noise",), **given)
    assert found.electrons_per_pixel[0] == pytest.approx(80, rel=0.15)
    assert found.read_noise[0] == pytest.approx(0.04, rel=0.15)


def test_the_noise_of_a_noisy_source_is_not_added_again():
    noisy, _ = recorded(2, context_seed=3, electrons_per_pixel=100)
    target, _ = recorded(1, context_seed=4, electrons_per_pixel=100)
    found = estimated(target, noisy, estimate=("noise",))
    assert found.electrons_per_pixel is None or found.electrons_per_pixel[0] > 1500


@pytest.mark.parametrize("axis", ["y", "x"])
def test_curtains_are_found_along_the_axis_they_run_along(axis):
    target, _ = recorded(curtaining=0.08, milling_axis=axis, electrons_per_pixel=400)
    found = estimated(target, milling_axis=axis, estimate=("curtaining",))
    crossed = estimated(target, milling_axis="x" if axis == "y" else "y", estimate=("curtaining",))
    assert found.curtaining == pytest.approx(0.08, rel=0.3)
    assert found.curtain_width_nm == pytest.approx(30.0, rel=0.25)
    assert crossed.curtaining < 0.01


@pytest.mark.filterwarnings("error")
def test_steep_edges_in_a_black_stack_are_no_curtains():
    planes = np.zeros((3, 48, 48), np.float32)
    planes[:, 20:24, 20:24] = 1.0
    assert curtains(list(planes), 0.0, 3.0, 4.0).deviation == 0.0


def test_the_step_between_slices_is_measured_to_a_tenth_of_a_pixel():
    plane = ndimage.gaussian_filter(structure(1).data[0, 0], 1.5)
    for shift in ((0.3, -0.6), (3.2, 1.5), (-7.0, 0.0)):
        moved = ndimage.shift(plane, shift, order=5, mode="nearest")
        noise = np.random.default_rng(0).normal(0, 0.02, (2, *plane.shape))
        found = displacement(plane + noise[0], moved + noise[1])
        np.testing.assert_allclose(found, shift, atol=0.1)


def test_saturation_is_seen_in_the_histogram_through_gamma():
    params = {"gain": 2.0, "read_noise": 0.05, "gamma": 0.7, "bits": 8}
    cut, _ = recorded(saturation=0.8, **params)
    assert estimated(cut, gamma=0.7, estimate=("output",)).saturation == pytest.approx(
        0.8, abs=0.005
    )
    whole, _ = recorded(**params)
    assert estimated(whole, gamma=0.7, estimate=("output",)).saturation is None


# -- what fit leaves, and what it leaves alone -------------------------------------------------


def test_only_what_is_named_is_estimated():
    target, _ = recorded(preset="bad")
    given = Acquisition(estimate=("line_noise",), read_noise=0.01, drift_nm=1.0)
    found = given.fit(target, structure(2), Context(0)).estimated
    assert found.line_noise > 0.005
    assert found.model_dump() == given.model_dump() | {"line_noise": found.line_noise}


def test_a_fitted_instrument_lives_on_in_its_model(tmp_path):
    _, _, found, _ = example()
    write_model(found.model, tmp_path / "model.safetensors")
    again = Acquisition.from_model(read_model(tmp_path / "model.safetensors"), drift_nm=0.0)
    assert again.model_dump() == found.model_dump() | {"drift_nm": 0.0}


def test_the_plugin_that_was_fitted_acts_as_its_result():
    target, _ = recorded(read_noise=0.05, bits=8)
    context = Context(0)
    plugin = Acquisition(estimate=("noise", "output"))
    assert plugin.fit(target, None, context) is plugin
    found = Acquisition.from_model(plugin.model)
    mine, its = (one.transform(structure(2), Context(3)).data for one in (plugin, found))
    np.testing.assert_array_equal(mine, its)
    table = context.kept["estimates"]
    assert isinstance(table, Table)
    row = next(row for row in table.rows() if row["parameter"] == "read_noise")
    assert row == {
        "parameter": "read_noise", "channel": 0, "value": found.read_noise[0], "given": 0.0
    }  # fmt: skip


def test_estimates_are_listed_beside_the_exposure_and_the_electrons_of_a_preset():
    target, _ = recorded(bits=8)  # without noise: no electrons are counted
    context = Context(0)
    Acquisition(preset="typical").fit(target, structure(2), context)
    rows = {row["parameter"]: row for row in context.kept["estimates"].rows()}
    assert (rows["exposure_range_low"]["given"], rows["exposure_range_high"]["given"]) == (
        0.15,
        0.8,
    )
    assert np.isnan(rows["exposure_range_low"]["value"])
    assert rows["electrons_per_pixel"]["given"] == 300
    assert rows["gain"]["value"] == pytest.approx(1.0, rel=0.2)


def test_without_a_target_the_instrument_as_given_is_the_model():
    found = Acquisition(preset="bad").fit().estimated
    assert found.model_dump() == Acquisition(preset="bad").model_dump()
    assert Acquisition.from_model(found.model).model_dump() == found.model_dump()


def test_channels_are_estimated_one_by_one():
    parts = [recorded(1, 4, read_noise=noise, gain=gain, bits=8)[0]
             for noise, gain in ((0.02, 1.0), (0.06, 1.5))]  # fmt: skip
    target = Images(np.concatenate([part.data for part in parts]), VOXEL_NM, kv=(1.0, 2.0))
    sharp = structure(2)
    source = Images(np.concatenate([sharp.data, sharp.data]), VOXEL_NM, kv=(1.0, 2.0))
    found = estimated(target, source)
    np.testing.assert_allclose(found.read_noise, (0.02, 0.06), rtol=0.2)
    np.testing.assert_allclose(found.gain, (1.0, 1.5), rtol=0.05)


# -- bad input ---------------------------------------------------------------------------------


def test_one_slice_is_enough_for_all_but_drift():
    target, _ = recorded(read_noise=0.05, line_noise=0.03, drift_nm=2.0)
    single = target.with_data(target.data[:, :1])
    found = estimated(single, drift_nm=1.5, brightness_drift=0.01)
    assert found.read_noise[0] == pytest.approx(0.05, rel=0.15)
    assert found.line_noise == pytest.approx(0.03, rel=0.3)
    assert found.drift_nm == 1.5
    assert found.brightness_drift == 0.01
    forecast = Acquisition().forecast("fit", {"target": single.spec})
    assert any("cannot be estimated" in text for text in forecast.warnings)


def test_before_the_fit_it_is_known_what_will_come_out():
    target, source = recorded(gain=1.6, bits=8)[0], structure(2)
    told = Acquisition().forecast("fit", {"target": target.spec, "source": source.spec})
    instrument = Acquisition.from_model(told.model)
    made = instrument.forecast("transform", {"images": source.spec}).output
    fitted = Acquisition().fit(target, source, Context(0))
    assert made == fitted.transform(source).spec
    assert made.dtype == "uint8"
    both = replace(target.spec, kv=(1.0, 2.0))
    told = Acquisition().forecast("fit", {"target": both})
    instrument = Acquisition.from_model(told.model)
    three = {"images": replace(both, kv=(1.0, 2.0, 3.0))}
    with pytest.raises(FibError, match="given for 2 channels, the images have 3"):
        instrument.forecast("transform", three)
    only_blur = Acquisition(estimate=("blur",)).forecast("fit", {"target": both})
    assert only_blur.model.params["bits"] is None


def test_a_blank_slice_does_not_spoil_the_estimates():
    target, _ = recorded(read_noise=0.03, line_noise=0.02, gain=1.5, offset=0.1)
    target.data[0, 20] = 0.1
    found = estimated(target, structure(2))
    assert found.read_noise[0] == pytest.approx(0.03, rel=0.15)
    assert found.line_noise == pytest.approx(0.02, rel=0.15)
    assert found.gain[0] == pytest.approx(1.5, rel=0.05)
    assert found.contrast_drift < 0.05
    assert found.drift_nm < 1.0


def test_the_smallest_stack_that_is_accepted_gives_an_instrument():
    small = structure(1)
    target, _ = recorded(preset="typical")
    cut = target.with_data(target.data[:, :2, :32, :32])
    found = estimated(cut, small.with_data(small.data[:, :1, :32, :32]))
    assert found.transform(small, Context(0, threads=1)).data.dtype == np.uint8


def test_inputs_that_cannot_work_are_refused_before_the_run():
    target = structure(1)
    both = Images(np.concatenate([target.data, target.data]), VOXEL_NM, kv=(1.0, 2.0))
    with pytest.raises(FibError, match="source has 2 channels, the target 1"):
        Acquisition().forecast("fit", {"target": target.spec, "source": both.spec})
    small = target.with_data(target.data[..., :20])
    with pytest.raises(FibError, match="use larger images"):
        Acquisition().forecast("fit", {"target": small.spec})
    with pytest.raises(FibError, match="use larger images"):
        Acquisition().fit(small)


def test_constant_and_broken_targets_are_refused():
    target = structure(1)
    with pytest.raises(FibError, match="of the target have the same grey value"):
        estimated(target.with_data(np.full_like(target.data, 0.3)))
    with pytest.raises(FibError, match="of the source have the same grey value"):
        estimated(target, target.with_data(np.full_like(target.data, 0.3)))
    broken = target.data.copy()
    broken[0, 0, 0, 0] = np.inf
    with pytest.raises(FibError, match="not finite"):
        estimated(target.with_data(broken))


def test_a_missing_source_another_voltage_and_another_voxel_size_are_told(caplog):
    target, _ = recorded(read_noise=0.05)
    with caplog.at_level(logging.WARNING, "fib"):
        found = estimated(target)
        assert "without a source" in caplog.text
        sharp = structure(2)
        found.transform(Images(sharp.data, (6.0, 6.0, 6.0), kv=(4.0,)), Context(0))
    assert "estimated on 2 kV BSE" in caplog.text
    assert "noise is per pixel" in caplog.text
