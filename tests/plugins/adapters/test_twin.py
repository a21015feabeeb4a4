"""The twin's instrument as a whole."""

import ast
import logging
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

import fib_plugins
from fib_plugins.adapters.hidden_instrument.presets import PRESETS, RAW_PRESETS
from fib_plugins.adapters.twin import Twin
from fibcore import Context, FibError, Images, Table

VOXEL_NM = (6.0, 4.0, 2.0)


def blobs(shape=(5, 48, 64), channels=1, seed=0):
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 3.0)
    data = np.where(field > 0, 0.6, 0.15).astype(np.float32)
    return Images(np.stack([data] * channels), VOXEL_NM, kv=tuple(range(1, channels + 1)))


def flat(level, shape=(4, 40, 50)):
    return Images(np.full(shape, level, np.float32), VOXEL_NM, kv=(2.0,))


def recorded(images, seed=1, threads=1, **params):
    return Twin(**params).transform(images, Context(seed, threads=threads))


def test_no_physics_is_shared_with_the_model_that_methods_train_on():
    folder = Path(fib_plugins.__file__).parent / "adapters"
    parts = [
        *(folder / "hidden_instrument").glob("*.py"),
        *(folder / "instrument_base").glob("*.py"),
    ]
    for file in [folder / "twin.py", *parts]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                continue
            for name in names:
                own = "adapters.hidden_instrument" in name or "adapters.instrument_base" in name
                own = own or name in ("fib_plugins.compiled", "fib_plugins.threads")  # no physics
                assert own or not name.startswith("fib_plugins"), f"{file.name} imports {name}"


@pytest.mark.parametrize(
    "settings",
    [{"beam_electrons": 50}, {"amplifier_noise": 0.05}, {"flicker": 0.05}],
    ids=str,
)
def test_other_images_get_other_noise_at_the_same_seed(settings):
    levels = (flat(level, (6, 200, 40)) for level in (0.5, 0.51))
    one, other = (
        recorded(images, bits=None, **settings).data.mean(axis=-1).ravel() for images in levels
    )
    assert one.std() > 0
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(one.size)


@pytest.mark.parametrize(
    "settings",
    [
        {"curtains_per_um": 20.0, "curtain_slices": 1},
        {"brightness_step": 0.05, "readjust_slices": 2},
        {"bad_slices": 0.5, "bad_dimming": 0.3},
    ],
    ids=str,
)
def test_other_images_get_other_curtains_and_bad_slices_at_the_same_seed(settings):
    stacks = [np.random.default_rng(i).uniform(0.4, 0.6, (200, 16, 16)) for i in (0, 1)]
    ideal = [Images(stack.astype(np.float32), VOXEL_NM, kv=(2.0,)) for stack in stacks]
    one, other = (
        (recorded(images, bits=None, **settings).data / images.data)[0].mean(axis=(1, 2))
        for images in ideal
    )
    assert one.std() > 0.005
    assert abs(np.corrcoef(one, other)[0, 1]) < 4 / np.sqrt(one.size)


def test_without_effects_levels_are_signals_and_that_is_said(caplog):
    images = blobs(channels=2)
    with caplog.at_level(logging.WARNING, "fib"):
        same = recorded(images, bits=None)
    np.testing.assert_array_equal(same.data, images.data)
    assert "every effect" in caplog.text
    grey = recorded(images)
    assert grey.data.dtype == np.uint8
    np.testing.assert_allclose((grey.data + 0.5) / 256, images.data, atol=0.5 / 256 + 1e-6)


def test_signals_are_counted_from_the_black_level_to_the_white_level():
    images = Images(np.array([40, 90, 140], np.uint8).reshape(1, 1, 3), VOXEL_NM, kv=(2.0,))
    levels = recorded(images, bits=None, black_level=40, white_level=140)
    np.testing.assert_allclose(levels.data.ravel(), [0.0, 0.5, 1.0], atol=1e-6)


@pytest.mark.parametrize("preset", ["typical", "bad"])
def test_bytes_depend_on_the_seed_but_not_on_threads(preset):
    images = blobs(channels=2)
    one = recorded(images, preset=preset)
    assert one.data.dtype == np.uint8
    assert (one.kv, one.voxel_size_nm) == (images.kv, images.voxel_size_nm)
    np.testing.assert_array_equal(recorded(images, preset=preset, threads=4).data, one.data)
    assert (recorded(images, preset=preset, seed=2).data != one.data).mean() > 0.5
    assert (one.data[0] != one.data[1]).mean() > 0.5  # channels have noise of their own


def test_a_slice_does_not_depend_on_those_behind_it():
    images = blobs((8, 48, 64))
    params = {**PRESETS["bad"], "mean_level": None, "contrast_level": None}
    whole = recorded(images, **params)
    part = recorded(images.cut({"z": (0, 0.5)}), **params)
    np.testing.assert_array_equal(part.data, whole.data[:, :4])


@pytest.mark.parametrize("effect", Twin.effects)
def test_every_effect_acts_by_itself(effect):
    amounts = {
        **PRESETS["bad"],
        "defocus_nm": 400.0,
        "focus_tilt_deg": 80.0,
        "defocus_step_nm": 500.0,
        "bad_slices": 1.0,
        "readjust_slices": 100.0,
        "curtains_per_um": 100.0,
    }
    params = {effect: amounts[effect]}
    if effect == "mean_level":
        params["contrast_level"] = amounts["contrast_level"]
    images = blobs()
    found = recorded(images, bits=None, **params)
    assert np.isfinite(found.data).all()
    assert np.abs(found.data - images.data).mean() > 1e-4


@pytest.mark.parametrize("preset", ["typical", "bad"])
def test_edges_stay_where_they_are(preset):
    noiseless = {**PRESETS[preset], "beam_electrons": None, "amplifier_noise": 0.0, "flicker": 0.0}
    noiseless |= {"shadowing": 0.0, "curtains_per_um": 0.0, "halo": 0.0, "bits": None}
    images = blobs((3, 96, 128))
    found = recorded(images, **noiseless)
    for z in range(3):
        spectra = [np.fft.fft2(s.data[0, z] - s.data[0, z].mean()) for s in (images, found)]
        phase = np.angle(np.conj(spectra[0]) * spectra[1])
        power = np.abs(spectra[0]) ** 2
        ky, kx = np.meshgrid(*(np.fft.fftfreq(n) * 2 * np.pi for n in (96, 128)), indexing="ij")
        low = np.hypot(ky, kx) < 0.6
        shift_y = -np.sum((power * ky * phase)[low]) / np.sum((power * ky**2)[low])
        shift_x = -np.sum((power * kx * phase)[low]) / np.sum((power * kx**2)[low])
        assert abs(shift_y) < 0.05  # pixels
        assert abs(shift_x) < 0.05


def test_the_operator_sets_mean_and_contrast_of_each_channel():
    images = blobs(channels=2)
    images.data[1] *= 0.3
    found = recorded(images, bits=None, mean_level=0.4, contrast_level=0.15)
    np.testing.assert_allclose(found.data.mean(axis=(1, 2, 3)), 0.4, atol=1e-4)
    np.testing.assert_allclose(found.data.std(axis=(1, 2, 3)), 0.15, rtol=1e-4)


def test_the_table_tells_what_differed_from_slice_to_slice():
    context = Context(6)
    twin = Twin(
        brightness_step=0.02, contrast_step=0.05, bad_slices=0.4, readjust_slices=8.0, bits=None
    )
    found = twin.transform(flat(0.3, (200, 4, 4)), context)
    table = context.kept["slices"]
    assert isinstance(table, Table)
    dimming, defocus = table["dimming"], table["defocus_nm"]
    assert np.mean((dimming > 0) | (defocus != 0)) == pytest.approx(0.4, abs=0.1)
    assert not np.any((dimming > 0) & (defocus != 0))
    expected = 0.3 * (1 - dimming) * table["2_kV_contrast"] + table["2_kV_brightness"]
    np.testing.assert_allclose(found.data[0, :, 2, 2], expected, rtol=1e-5)
    brightness = table["2_kV_brightness"]
    restarted = brightness == 0
    assert restarted.mean() == pytest.approx(1 / 8, abs=0.06)
    steps = np.diff(brightness)[~restarted[1:]]
    assert steps.std() == pytest.approx(0.02, rel=0.15)


def test_noise_follows_the_signal_and_the_bandwidth():
    found = recorded(
        flat(0.4, (6, 100, 200)),
        bits=None,
        beam_electrons=100.0,
        electron_spread=0.5,
        response_pixels=2.0,
    ).data[0]
    white = 0.4 * 1.5 / 100
    assert found.var() < white / 3
    noise = found - 0.4
    two, three = (np.mean(noise[..., lag:] * noise[..., :-lag]) for lag in (2, 3))
    assert three / two == pytest.approx(np.exp(-1 / 2.0), abs=0.03)  # beyond the dwell time
    down = np.mean(noise[:, 1:] * noise[:, :-1]) / noise.var()
    assert down == pytest.approx(0.0, abs=0.02)


def test_a_memory_mapped_stack_is_recorded_slice_by_slice(tmp_path):
    images = blobs()
    np.save(tmp_path / "ideal.npy", images.data)
    mapped = images.with_data(np.load(tmp_path / "ideal.npy", mmap_mode="r"))
    np.testing.assert_array_equal(
        recorded(mapped, preset="typical").data, recorded(images, preset="typical").data
    )


def test_a_single_slice_can_be_recorded():
    assert recorded(blobs((1, 40, 40)), preset="bad").shape == (1, 40, 40)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 90.0, -4.0])
def test_grey_values_that_are_no_signals_are_refused(wrong):
    images = blobs()
    images.data[0, 3, 2, 1] = wrong
    with pytest.raises(FibError, match=r"slice 3 of the 1 kV images.*(set black_level|not finite)"):
        recorded(images, preset="typical", mean_level=None, contrast_level=None)


def test_constant_images_have_no_contrast_to_set():
    with pytest.raises(FibError, match=r"constant.*leave out mean_level"):
        recorded(flat(0.3), preset="typical")


def test_a_beam_wider_than_images_is_refused():
    with pytest.raises(FibError, match=r"beam reaches \d+ pixels.*lower probe_nm"):
        recorded(blobs(), defocus_nm=50_000.0)


def test_a_black_level_above_the_white_of_the_type_is_refused():
    with pytest.raises(FibError, match="set white_level"):
        recorded(blobs(), black_level=2.0)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mean_level": 0.4}, "give both"),
        ({"black_level": 3.0, "white_level": 1.0}, "not above black_level"),
        ({"black_level": 3.0, "white_level": [5.0, 2.0]}, "white_level 2 is not above"),
        ({"halo": [0.1, 0.2], "white_level": [1.0, 2.0, 3.0]}, "white_level for 3, halo for 2"),
        ({"halo": []}, "one number for all channels, or a list"),
        ({"halo": {"se": 0.4}}, "one number for all channels, or a list"),
        ({"halo": [0.1, 5.0]}, "less than or equal to 3"),
        ({"haloo": 1.0}, "haloo"),
        ({"preset": "awful"}, "typical"),
    ],
)
def test_parameters_that_cannot_work_are_refused(params, message):
    with pytest.raises(ValidationError, match=message):
        Twin(**params)


def test_what_is_given_has_precedence_over_the_preset():
    twin = Twin(preset="bad", halo=0.01)
    assert twin.halo == (0.01,)
    assert twin.shadowing == (PRESETS["bad"]["shadowing"],)
    assert Twin(**twin.model_dump(mode="json")) == twin


def test_the_documentation_has_the_values_of_the_presets():
    fields = Twin.model_fields
    presets = {name: {**PRESETS[name], **RAW_PRESETS[name]} for name in ("clean", "typical", "bad")}
    rows = [line.split("|")[1:-1] for line in (Twin.__doc__ or "").splitlines() if "|" in line]
    told = {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in rows}
    heads = {"parameter", "---"}
    assert set(told) == set(presets["typical"]) | set(presets["bad"]) | heads
    for name in set(told) - heads:
        for preset, value in zip(presets, told[name], strict=True):
            expected = presets[preset].get(name, fields[name].default)
            (expected,) = expected if isinstance(expected, tuple) else (expected,)
            assert value == ("none" if expected is None else f"{expected:g}"), (name, preset)


def test_the_forecast_tells_the_type_of_the_result():
    images = blobs()
    for bits, dtype in ((8, "uint8"), (16, "uint16"), (None, "float32")):
        forecast = Twin(bits=bits).forecast("transform", {"images": images.spec})
        assert forecast.output is not None
        assert forecast.output.dtype == dtype
        assert forecast.memory_bytes > 0
    assert Twin().forecast("transform", {"images": None}).output is None
