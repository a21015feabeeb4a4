"""The instrument as a whole: units, order, randomness, types, bad input."""

import json
import logging

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.instrument.presets import PRESETS
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Table

VOXEL_NM = (8.0, 4.0, 2.0)


def flat(value=0.3, shape=(2, 64, 96), channels=1, dtype=np.float32):
    data = np.full((channels, *shape), value, dtype)
    return Images(data, VOXEL_NM, kv=tuple(float(k + 1) for k in range(channels)))


def blobs(shape=(6, 64, 96), channels=1, seed=0):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape), (1, 3, 6))
    solid = smooth > np.quantile(smooth, 0.6)
    data = np.stack([np.where(solid, 0.4 - 0.05 * k, 0.08) for k in range(channels)])
    return Images(data.astype(np.float32), VOXEL_NM, tuple(float(k + 1) for k in range(channels)))


def acquired(images, seed=5, threads=1, **params):
    return Acquisition(**params).transform(images, Context(seed, threads=threads))


def test_it_keeps_the_contract_of_a_plugin():
    assert check_plugin(Acquisition) == []


@pytest.mark.parametrize(
    "settings",
    [{"electrons_per_pixel": 50}, {"read_noise": 0.05}, {"line_noise": 0.05}],
    ids=str,
)
def test_other_images_get_other_noise_at_the_same_seed(settings):
    levels = [Images(np.full((6, 200, 40), x, np.float32), VOXEL_NM, (2.0,)) for x in (0.5, 0.51)]
    one, other = (acquired(images, **settings).data.mean(axis=-1).ravel() for images in levels)
    assert one.std() > 0
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(one.size)


@pytest.mark.parametrize(
    "settings",
    [
        {"curtaining": 0.2, "curtain_slices": 0},
        {"brightness_drift": 0.05, "grey_drift_slices": 0},
        {"contrast_drift": 0.2, "grey_drift_slices": 0, "exposure_range": None},
    ],
    ids=str,
)
def test_other_images_get_other_curtains_and_drifts_at_the_same_seed(settings):
    stacks = [np.random.default_rng(i).uniform(0.4, 0.6, (200, 8, 40)) for i in (0, 1)]
    stacks[1][:100] = stacks[0][:100]  # not yet where all that was imaged is the same
    ideal = [Images(stack.astype(np.float32), VOXEL_NM, (2.0,)) for stack in stacks]
    one, other = (
        (acquired(images, **settings, bits=None).data / images.data)[0].mean(axis=1)
        for images in ideal
    )
    np.testing.assert_allclose(one[:100], other[:100])
    assert one[100:].std() > 0.01
    independent = len(one[100:])
    correlation = np.corrcoef(one[100:].mean(axis=-1), other[100:].mean(axis=-1))[0, 1]
    assert abs(correlation) < 4 / np.sqrt(independent)


# -- presets -----------------------------------------------------------------------------------


def test_a_preset_fills_what_is_not_given_and_shows_in_the_parameters():
    typical = Acquisition(preset="typical", blur_fwhm_nm=7.0)
    assert typical.blur_fwhm_nm == (7.0,)
    assert typical.electrons_per_pixel == (300,)
    assert typical.model_dump(mode="json")["line_noise"] == 0.003
    assert Acquisition().is_clean
    assert not Acquisition(preset="bad").is_clean


@pytest.mark.parametrize("preset", ["clean", "typical", "bad"])
def test_resolved_parameters_make_the_same_instrument(preset):
    instrument = Acquisition(preset=preset)
    resolved = json.loads(json.dumps(instrument.model_dump(mode="json")))
    assert Acquisition(**resolved) == instrument


def test_the_documented_table_holds_the_values_of_the_presets():
    rows = [
        [cell.strip() for cell in line.strip().strip("|").split("|")]
        for line in Acquisition.__doc__.splitlines()
        if line.strip().startswith("| ")
    ]
    table = {name: values for name, *values in rows if name != "parameter"}
    assert set(table) == set(PRESETS["typical"]) | set(PRESETS["bad"])
    for name, values in table.items():
        for preset, shown in zip(("clean", "typical", "bad"), values, strict=True):
            value = getattr(Acquisition(preset=preset), name)
            value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
            if value is None:
                assert shown == "none"
            elif isinstance(value, tuple):
                assert [float(part) for part in shown.split(" to ")] == list(value)
            else:
                assert float(shown) == value


def test_gain_and_offset_take_the_place_of_a_presets_exposure():
    instrument = Acquisition(preset="typical", gain=2.0)
    assert instrument.exposure_range is None
    with pytest.raises(ValidationError, match="either the range or gain and offset"):
        Acquisition(exposure_range=(0.1, 0.9), gain=2.0)


def test_unknown_presets_and_impossible_levels_are_refused():
    with pytest.raises(ValidationError, match="preset"):
        Acquisition(preset="awful")
    with pytest.raises(ValidationError, match="not above black_level"):
        Acquisition(black_level=200, white_level=100)
    with pytest.raises(ValidationError, match="wrong order"):
        Acquisition(exposure_range=(0.9, 0.1))
    with pytest.raises(ValidationError, match="different numbers of channels"):
        Acquisition(gain=(1.0, 2.0), read_noise=(0.1, 0.1, 0.1))


# -- effects, in physical units ----------------------------------------------------------------


def test_an_instrument_without_effects_changes_nothing_and_says_so(caplog):
    images = blobs(channels=2)
    images.data[:, 0, 0, 0] = 1e6  # nothing is checked either where nothing is done
    with caplog.at_level(logging.WARNING, "fib"):
        same = acquired(images)
    assert same.data.dtype == np.float32
    np.testing.assert_array_equal(same.data, images.data)
    assert "every effect" in caplog.text


def test_a_point_becomes_a_spot_of_the_beams_width_in_nm():
    images = flat(0.0, (1, 101, 201))
    images.data[0, 0, 50, 100] = 1.0
    spot = acquired(images, blur_fwhm_nm=24.0).data[0, 0].astype(float)
    y, x = np.mgrid[:101, :201]
    for axis, size, centre in ((y, 4.0, 50), (x, 2.0, 100)):
        variance = np.sum(spot * (axis - centre) ** 2) / spot.sum() * size**2
        assert np.sqrt(variance * 8 * np.log(2)) == pytest.approx(24.0, rel=0.01)
    assert spot[50, 100 + 6] == pytest.approx(spot[50, 100] / 2, rel=0.01)  # 12 nm away
    assert spot[50 + 3, 100] == pytest.approx(spot[50, 100] / 2, rel=0.01)


def test_counting_noise_follows_the_yield_and_the_grey_scale_of_the_input():
    electrons = 100
    images = flat(0, (4, 200, 200), dtype=np.uint8)
    images.data[:] = 40
    noisy = acquired(images, electrons_per_pixel=electrons, black_level=0, white_level=200)
    expected = 200**2 * 0.2 * 0.8 / electrons
    assert noisy.data.mean() == pytest.approx(40, rel=0.01)
    assert noisy.data.astype(float).var() == pytest.approx(expected, rel=0.02)


def test_read_noise_and_line_noise_have_the_asked_deviations():
    read = acquired(flat(0.3, (2, 300, 300)), read_noise=0.05).data.astype(float)
    assert read.std() == pytest.approx(0.05, rel=0.01)
    lines = acquired(flat(0.3, (20, 300, 40)), line_noise=0.04).data.astype(float)
    assert np.ptp(lines, axis=3).max() == 0.0  # the same all along a scan line
    assert lines[..., 0].std() == pytest.approx(0.04, rel=0.03)


@pytest.mark.parametrize("axis", ["y", "x"])
def test_curtains_multiply_the_signal_by_what_is_constant_along_the_milling_axis(axis):
    images = blobs()
    ratio = acquired(images, curtaining=0.1, milling_axis=axis).data / images.data
    along = 2 if axis == "y" else 3
    assert np.ptp(ratio, axis=along).max() < 1e-6
    assert np.ptp(ratio, axis=5 - along).min() > 0.05


def test_lateral_drift_moves_slices_by_what_the_table_says():
    images = blobs((8, 96, 160))
    context = Context(3)
    moved = Acquisition(drift_nm=12.0).transform(images, context)
    table = context.kept["slices"]
    assert isinstance(table, Table)
    shifts = np.stack([table["shift_y_nm"] / 4.0, table["shift_x_nm"] / 2.0], axis=1)
    assert np.abs(shifts).max() > 3.0
    window = np.outer(np.hanning(96), np.hanning(160))
    for z, shift in enumerate(shifts):
        spectra = [
            np.fft.fft2((stack.data[0, z] - stack.data[0, z].mean()) * window)
            for stack in (images, moved)
        ]
        correlation = np.fft.ifft2(np.conj(spectra[0]) * spectra[1]).real
        peak = np.array(np.unravel_index(correlation.argmax(), correlation.shape))
        peak = np.where(peak > np.array(correlation.shape) // 2, peak - correlation.shape, peak)
        np.testing.assert_allclose(peak, shift, atol=1.0)


def test_slices_between_slices_are_interpolated():
    ramp = np.linspace(0.1, 0.6, 11, dtype=np.float32)
    images = Images(np.tile(ramp[:, None, None], (1, 32, 32)), VOXEL_NM, kv=(1.0,))
    context = Context(4)
    cut = Acquisition(thickness_variation=0.2).transform(images, context)
    position = context.kept["slices"]["position_slices"]
    assert np.abs(position - np.arange(11)).max() > 0.05
    np.testing.assert_allclose(cut.data[0, :, 0, 0], 0.1 + 0.05 * position, rtol=1e-5)


def test_gain_offset_and_their_drift_act_on_the_level():
    images = flat(0.3, (50, 4, 4), channels=2)
    context = Context(6)
    params = {"gain": (1.5, 2.0), "offset": 0.1, "brightness_drift": 0.02, "contrast_drift": 0.1}
    drifted = Acquisition(**params).transform(images, context).data[:, :, 0, 0]
    table = context.kept["slices"]
    for channel, (name, gain) in enumerate((("1_kV", 1.5), ("2_kV", 2.0))):
        brightness, contrast = table[f"{name}_brightness"], table[f"{name}_contrast"]
        assert brightness.std() == pytest.approx(0.02, rel=0.3)
        assert contrast.std() == pytest.approx(0.1, rel=0.3)
        np.testing.assert_allclose(
            drifted[channel], 0.1 + brightness + gain * contrast * 0.3, rtol=1e-5
        )


def test_saturation_comes_before_gamma_and_both_before_the_bits():
    ramp = np.linspace(0.0, 1.0, 256, dtype=np.float32)
    images = Images(np.tile(ramp, (1, 2, 1)), VOXEL_NM, kv=(1.0,))
    level = acquired(images, saturation=0.8, gamma=0.5).data[0, 0, 0]
    np.testing.assert_allclose(level, np.minimum(ramp, 0.8) ** 0.5, rtol=1e-6)
    whole = acquired(images, saturation=0.8, gamma=0.5, bits=8).data[0, 0, 0]
    np.testing.assert_array_equal(whole, np.rint(level * 255).astype(np.uint8))


def test_an_operators_exposure_puts_the_darkest_and_brightest_where_asked():
    images = blobs(channels=2)
    exposed = acquired(images, exposure_range=(0.2, 0.7), gamma=0.8, bits=16)
    assert exposed.data.dtype == np.uint16
    for channel in exposed.data:
        np.testing.assert_allclose(np.unique(channel) / 65535, [0.2, 0.7], atol=1e-4)


@pytest.mark.parametrize(("bits", "dtype"), [(None, "float32"), (8, "uint8"), (16, "uint16")])
def test_the_forecast_tells_the_type_that_comes_out(bits, dtype):
    images = blobs(channels=2)
    instrument = Acquisition(read_noise=0.01, bits=bits)
    forecast = instrument.forecast("transform", {"images": images.spec})
    recorded = instrument.transform(images, Context(0))
    assert recorded.spec == forecast.output
    assert recorded.data.dtype == dtype
    assert forecast.memory_bytes > 0


# -- randomness --------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads():
    images = blobs(channels=2)
    one = acquired(images, preset="bad")
    many = acquired(images, preset="bad", threads=5)
    other = acquired(images, preset="bad", seed=6)
    np.testing.assert_array_equal(one.data, many.data)
    assert np.mean(one.data != other.data) > 0.5


def test_the_first_slices_do_not_depend_on_how_many_follow():
    images = blobs((9, 64, 96))
    part = images.cut({"z": (0, 5 / 9)})
    params = {"preset": "bad", "exposure_range": None}
    whole, first = (acquired(stack, **params).data for stack in (images, part))
    np.testing.assert_array_equal(first[:, :4], whole[:, :4])


def test_switching_an_effect_off_leaves_the_noise_of_the_others():
    images = flat()
    both = acquired(images, read_noise=0.05, line_noise=0.02).data
    read = acquired(images, read_noise=0.05).data
    lines = acquired(images, line_noise=0.02).data
    np.testing.assert_allclose(both - 0.3, (read - 0.3) + (lines - 0.3), atol=1e-6)


def test_channels_share_geometry_but_not_noise():
    one = blobs()
    twice = Images(np.concatenate([one.data, one.data]), VOXEL_NM, kv=(1.0, 2.0))
    geometry = {"drift_nm": 5.0, "thickness_variation": 0.2, "curtaining": 0.05, "charging": 0.1}
    first, second = acquired(twice, **geometry).data
    np.testing.assert_array_equal(first, second)
    first, second = acquired(flat(channels=2), electrons_per_pixel=50).data - 0.3
    correlation = np.mean(first * second) / np.mean(first**2)
    assert abs(correlation) < 0.05


def test_large_results_are_written_to_disk_slice_by_slice(monkeypatch, tmp_path):
    images = blobs()
    expected = acquired(images, preset="bad")
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 0)
    recorded = Acquisition(preset="bad").transform(images, Context(5, scratch=tmp_path))
    assert isinstance(recorded.data, np.memmap)
    np.testing.assert_array_equal(recorded.data, expected.data)


# -- bad input ---------------------------------------------------------------------------------


def test_values_that_are_not_finite_are_refused_with_their_place():
    images = blobs()
    images.data[0, 3, 2, 1] = np.nan
    with pytest.raises(FibError, match=r"slice 3 of the 1 kV images holds .* not finite"):
        acquired(images, read_noise=0.01)


def test_a_wrong_grey_scale_is_noticed():
    images = blobs()
    with pytest.raises(FibError, match="set black_level and white_level"):
        acquired(images.with_data(images.data * 255), read_noise=0.01)
    with pytest.raises(FibError, match="not below white"):
        acquired(flat(40, dtype=np.uint8), read_noise=0.01, black_level=300)


def test_black_and_white_are_those_of_each_channel():
    grey = np.full((2, 1, 40, 40), 3.0, np.float32)
    images = Images(grey, VOXEL_NM, kv=(2.0, 2.0), detectors=("bse", "se"))
    found = acquired(images, black_level=[2.0, 0.0], white_level=[4.0, 12.0], bits=16)
    np.testing.assert_allclose(found.data[:, 0, 0, 0] / 65535, [0.5, 0.25], atol=1e-4)
    back = acquired(images, black_level=[2.0, 0.0], white_level=[4.0, 12.0], gain=2.0)
    np.testing.assert_allclose(back.data[:, 0, 0, 0], [4.0, 6.0])


def test_parameters_of_another_number_of_channels_are_refused_before_the_run():
    instrument = Acquisition(gain=(1.0, 2.0, 3.0))
    with pytest.raises(FibError, match="gain is given for 3 channels, the images have 2"):
        instrument.forecast("transform", {"images": blobs(channels=2).spec})


def test_constant_images_cannot_be_exposed_automatically():
    with pytest.raises(FibError, match="same grey value everywhere"):
        acquired(flat(), exposure_range=(0.2, 0.7))


def test_a_single_slice_is_imaged_and_the_forecast_says_what_has_no_effect():
    images = blobs((1, 64, 96))
    assert acquired(images, preset="bad").shape == (1, 64, 96)
    forecast = Acquisition(preset="bad").forecast("transform", {"images": images.spec})
    assert any("thickness_variation has no effect" in text for text in forecast.warnings)
