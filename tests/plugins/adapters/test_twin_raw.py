"""Raw recordings of the twin's instrument, against what displacements and thicknesses imply."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.adapters.hidden_instrument.charging import with_streaks
from fib_plugins.adapters.hidden_instrument.face import cubic_weights
from fib_plugins.adapters.hidden_instrument.presets import PRESETS, RAW_PRESETS
from fib_plugins.adapters.twin import Twin
from fibcore import Context, FibError, Images, Labels

VOXEL_NM = (5.0, 4.0, 2.0)
SHAPE = (24, 64, 72)


def ramp(along, shape=SHAPE, voxel_nm=VOXEL_NM):
    """Ideal images whose signal is 0.2 + 0.6 times the share of an axis."""
    axis = "zyx".index(along)
    line = 0.2 + 0.6 * np.arange(shape[axis]) / (shape[axis] - 1)
    data = np.empty(shape, np.float32)
    data[:] = line.reshape([-1 if i == axis else 1 for i in range(3)])
    return Images(data, voxel_nm, kv=(2.0,))


def record(images, seed=1, labels=None, threads=1, **params):
    context = Context(seed, threads=threads)
    twin = Twin(bits=None, **params)
    known = {"images": images.spec, "labels": None if labels is None else labels.spec}
    forecast = twin.forecast("transform", known)
    found = twin.transform(images, context, labels=labels)
    assert found.spec == forecast.output
    if labels is not None:
        assert context.kept["labels"].spec == forecast.kept["labels"]
    return found.data[0], context


MOVES = {"drift_nm": 30.0, "jitter_nm": 1.0, "jumps": 1, "jump_nm": 12.0}


def test_the_table_has_the_displacement_of_what_is_seen():
    for axis, tilt in (("x", 0.0), ("y", 0.0), ("y", 30.0)):
        found, context = record(ramp(axis, (24, 96, 96)), tilt_deg=tilt, untracked=0.0, **MOVES)
        shift = context.kept["slices"][f"shift_{axis}_px"]
        slope = 0.6 / 95 / math.cos(math.radians(tilt))
        inner = found[:, 8:-8, 8:-8]
        seen = (inner - inner[0]).mean(axis=(1, 2)) / -slope
        np.testing.assert_allclose(seen, shift, atol=0.02)
        assert np.ptp(shift) > 2
        along = np.diff(found, axis="zyx".index(axis))[:, 8:-8, 8:-8]
        np.testing.assert_allclose(along, slope, rtol=0.02)


def test_drift_spans_its_length_and_jumps_have_theirs():
    _, context = record(ramp("x", (40, 64, 64)), drift_nm=30.0)
    table = context.kept["slices"]
    for axis, size in (("y", 4.0), ("x", 2.0)):
        assert np.ptp(table[f"shift_{axis}_px"]) * size == pytest.approx(30.0)
    assert table["shift_y_px"][0] == table["shift_x_px"][0] == 0
    _, context = record(ramp("x", (40, 64, 96)), jumps=3, jump_nm=20.0)
    table = context.kept["slices"]
    steps = np.hypot(np.diff(table["shift_y_px"]) * 4.0, np.diff(table["shift_x_px"]) * 2.0)
    assert table["jump"].sum() == 3
    np.testing.assert_allclose(steps, 20.0 * table["jump"][1:], atol=1e-9)


def test_jitter_has_its_deviation_and_is_bounded():
    _, context = record(ramp("x", (1500, 40, 40), (5.0, 1.0, 1.0)), jitter_nm=2.0)
    for axis in "yx":
        shift = context.kept["slices"][f"shift_{axis}_px"]
        assert shift.std() == pytest.approx(2.0, rel=0.12)  # the cut at 3 deviations takes 4 %
        assert np.ptp(shift) <= 12.0
        assert np.corrcoef(shift[1:], shift[:-1])[0, 1] == pytest.approx(0.0, abs=0.08)


def test_slices_show_the_structure_at_their_position():
    images = ramp("z", (60, 20, 24))
    found, context = record(images, slice_nm=10.0, thickness_error=0.1, thickness_spread=0.3)
    table = context.kept["slices"]
    assert len(found) == int(59 * 5 / 11) + 1
    assert table["position_nm"][-1] == pytest.approx(11.0 * (len(found) - 1))
    seen = (found.mean(axis=(1, 2)) - 0.2) / 0.6 * 59 * 5.0
    np.testing.assert_allclose(seen[1:-1], table["position_nm"][1:-1], atol=0.5)
    np.testing.assert_allclose(np.diff(table["position_nm"]), table["thickness_nm"][:-1])
    assert table["thickness_nm"][-1] == pytest.approx(11.0)


def test_thickness_has_its_mean_and_spread():
    _, context = record(ramp("z", (2000, 16, 16)), thickness_spread=0.2)
    thickness = context.kept["slices"]["thickness_nm"]
    assert thickness.mean() == pytest.approx(5.0)
    assert thickness.std() == pytest.approx(1.0, rel=0.06)
    assert thickness.min() > 0


def test_weights_between_slices_reproduce_parabolas():
    for share in (0.0, 0.3, 0.9):
        weights = cubic_weights(share)
        for power in (0, 1, 2):
            places = np.array([-1.0, 0.0, 1.0, 2.0]) ** power
            assert np.dot(weights, places) == pytest.approx(share**power, abs=1e-12)


def test_the_face_climbs_as_it_is_milled_away():
    tilt = math.radians(38)
    _, context = record(ramp("y", (40, 128, 32)), tilt_deg=38, untracked=0.4, thickness_spread=0.3)
    table = context.kept["slices"]
    climbed = 0.4 * math.sin(tilt) * table["position_nm"] / 4.0
    np.testing.assert_allclose(table["shift_y_px"], -climbed, atol=1e-9)
    np.testing.assert_allclose(table["shift_x_px"], 0.0, atol=1e-9)


def test_the_field_is_what_all_slices_show():
    images = ramp("y", (21, 101, 61))
    tilt = math.radians(60)
    twin = Twin(tilt_deg=60, untracked=0.5, drift_nm=8.0, jitter_nm=1.0, data_bar_pixels=7)
    spec = twin.forecast("transform", {"images": images.spec}).output
    assert spec is not None
    moved = 8.0 + 6.0
    height = math.floor(100 * 0.5 - (moved + 0.5 * math.sin(tilt) * 100) / 4.0 + 1e-6) + 1
    assert spec.shape == (21, height + 7, 61 - 7)
    full = Twin(tilt_deg=60, untracked=0.0).forecast("transform", {"images": images.spec}).output
    assert full is not None
    assert full.shape == (21, 51, 61)


def test_a_repeated_slice_shows_the_same_face_and_the_next_is_thicker():
    found, context = record(ramp("z", (200, 16, 16)), repeated_slices=0.1, beam_electrons=1e4)
    table = context.kept["slices"]
    repeated = table["repeated"].astype(bool)
    assert 8 < repeated.sum() < 35
    assert not repeated[0]
    before = np.flatnonzero(repeated) - 1
    np.testing.assert_array_equal(table["thickness_nm"][before], 0.0)
    assert table["thickness_nm"].sum() == pytest.approx(200 * 5.0)
    seen = found.mean(axis=(1, 2))
    np.testing.assert_allclose(seen[repeated], seen[before], atol=2e-3)
    first = np.flatnonzero(repeated)[0]
    assert (found[first] != found[first - 1]).mean() > 0.9  # noise of its own


def test_a_lost_slice_is_black_from_a_line_on():
    images = Images(np.full((200, 40, 16), 0.5, np.float32), VOXEL_NM, kv=(2.0,))
    found, context = record(images, lost_slices=0.2)
    lost = context.kept["slices"]["lost"].astype(bool)
    assert lost.mean() == pytest.approx(0.2, abs=0.09)
    np.testing.assert_array_equal(found[~lost], 0.5)
    lines = found[lost][:, :, 0]
    assert np.isin(lines, (0.0, 0.5)).all()
    assert (np.diff(lines, axis=1) <= 0).all()
    assert (lines[:, -1] == 0).all()


@pytest.mark.parametrize("axis", ["z", "y", "x"])
def test_labels_follow_what_is_seen(axis):
    shape = (60, 128, 96)
    number = np.indices(shape, np.uint8)["zyx".index(axis)]
    labels = Labels(number, VOXEL_NM)
    params = {**RAW_PRESETS["typical"], "thickness_error": 0.1, "streaks_per_slice": 0.0}
    params |= {"curtains_per_um": 0.0}
    params |= {"lost_slices": 0.0, "drift_nm": 12.0, "jitter_nm": 1.0, "jump_nm": 8.0}
    found, context = record(ramp(axis, shape), labels=labels, **params)
    shown = context.kept["labels"].data
    assert shown.shape == found.shape
    assert not shown[:, -24:].any()
    inner = (slice(1, -1), slice(8, -32), slice(8, -8))
    size = shape["zyx".index(axis)] - 1
    np.testing.assert_allclose((found[inner] - 0.2) / 0.6 * size, shown[inner], atol=0.58)


def test_the_data_bar_numbers_slices_and_is_free_of_noise():
    images = ramp("x", (12, 40, 160))
    found, _ = record(images, data_bar_pixels=20, beam_electrons=100.0)
    bar = found[:, 40:]
    assert bar.shape == (12, 20, 160)
    assert set(np.unique(bar)) == {0.0, 1.0}
    assert 0.05 < bar.mean() < 0.5
    constant = (bar == bar[0]).all(axis=0)
    assert 0.002 < (~constant).mean() < 0.1  # the number of the slice
    assert len({one.tobytes() for one in bar}) == 12
    for height in (1, 2, 5):
        assert record(images, data_bar_pixels=height)[0].shape == (12, 40 + height, 160)


def test_streaks_fall_to_half_over_their_length():
    signal = np.full((400, 120), 0.4, np.float32)
    changed = with_streaks(signal, 60.0, 0.2, 10.0, np.random.default_rng(3))
    ratio = changed / signal - 1
    rows = np.flatnonzero(np.abs(ratio).max(axis=1) > 0)
    assert 60 < len(rows) < 180  # one to three lines each
    assert (ratio > 0).any()
    assert (ratio < 0).any()
    checked = 0
    for row in rows:
        first = np.flatnonzero(ratio[row])[0]
        tail = ratio[row, first:]
        if len(np.flatnonzero(np.diff(np.abs(tail)) > 1e-6)) or len(tail) < 20:
            continue  # another streak begins later
        expected = tail[0] / (1 + np.arange(len(tail)) / 10.0)
        if np.allclose(tail, expected, atol=1e-5):
            checked += 1
    assert checked > 20
    assert with_streaks(signal, 0.0, 0.2, 10.0, np.random.default_rng(0)) is signal


def test_streaks_start_at_bright_pixels():
    signal = np.zeros((64, 60), np.float32)
    signal[:, 40:] = 0.5
    changed = with_streaks(signal, 30.0, 0.5, 50.0, np.random.default_rng(1))
    assert (changed[:, 40:] != 0.5).any()
    np.testing.assert_array_equal(changed[:, :40], 0.0)


def test_curtains_move_with_the_face():
    images = Images(np.full((12, 60, 300), 0.5, np.float32), (5.0, 2.0, 2.0), kv=(2.0,))
    images.data[:] += np.linspace(0, 1e-3, 300, dtype=np.float32)
    params = {"curtains_per_um": 60.0, "curtain_slices": 200, "curtain_slant_deg": 0.0}
    found, context = record(images, jumps=3, jump_nm=24.0, curtain_reach_nm=1e5, **params)
    profiles = found[:, -10:].mean(axis=1)
    profiles -= profiles.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(profiles, axis=1)
    peaks = np.fft.irfft(spectra[1:] * spectra[:-1].conj(), profiles.shape[1], axis=1).argmax(
        axis=1
    )
    width = profiles.shape[1]
    steps = (peaks + width // 2) % width - width // 2
    np.testing.assert_allclose(steps, np.diff(context.kept["slices"]["shift_x_px"]), atol=1.01)
    assert np.abs(steps).max() > 3


@pytest.mark.parametrize("preset", ["typical", "bad"])
def test_raw_bytes_depend_on_the_seed_but_not_on_threads(preset, tmp_path):
    rng = np.random.default_rng(0)
    data = rng.uniform(0.2, 0.7, (2, 20, 110, 110)).astype(np.float32)
    images = Images(data, (5.0, 5.0, 5.0), kv=(1.0, 2.0))
    one, context = (Twin(preset=preset, raw=True), Context(1, threads=1))
    made = one.transform(images, context)
    assert made.data.dtype == np.uint8
    assert made.shape[1] < 110
    np.save(tmp_path / "ideal.npy", data)
    mapped = images.with_data(np.load(tmp_path / "ideal.npy", mmap_mode="r"))
    again = one.transform(mapped, Context(1, threads=3, scratch=tmp_path))
    np.testing.assert_array_equal(again.data, made.data)
    other = Context(2, threads=2)
    assert (one.transform(images, other).data != made.data).mean() > 0.5
    columns = ("shift_y_px", "thickness_nm")
    for name in columns:
        assert (other.kept["slices"][name] != context.kept["slices"][name]).any()


def test_raw_takes_what_is_not_given_from_the_preset():
    twin = Twin(preset="bad", raw=True, jumps=5, tilt_deg=0.0)
    assert (twin.jumps, twin.tilt_deg) == (5, 0.0)
    assert twin.drift_nm == RAW_PRESETS["bad"]["drift_nm"]
    assert twin.halo == (PRESETS["bad"]["halo"],)
    assert Twin(**twin.model_dump(mode="json")) == twin
    assert not Twin(preset="bad").is_raw
    with pytest.raises(ValidationError, match="set preset to typical or bad"):
        Twin(raw=True)


def test_without_raw_effects_labels_and_table_stay_as_they_are():
    images = ramp("x")
    labels = Labels((images.data[0] > 0.5).astype(np.uint8), VOXEL_NM)
    found, context = record(images, labels=labels, flicker=0.1)
    assert found.shape == SHAPE
    np.testing.assert_array_equal(context.kept["labels"].data, labels.data)
    assert context.kept["slices"].names[:3] == ["slice", "defocus_nm", "dimming"]
    assert "shift_y_px" not in context.kept["slices"]
    assert "labels" not in record(images, flicker=0.1)[1].kept


def test_a_field_that_moves_out_of_the_slices_is_refused():
    with pytest.raises(FibError, match=r"64 x 72 pixels.*too small.*lower drift_nm"):
        Twin(drift_nm=250.0).forecast("transform", {"images": ramp("x").spec})
    with pytest.raises(FibError, match="too small"):
        record(ramp("x"), drift_nm=250.0)


def test_labels_of_another_shape_are_refused():
    images = ramp("x")
    labels = Labels(np.zeros((24, 64, 71), np.uint8), VOXEL_NM)
    with pytest.raises(FibError, match=r"shape.*give the labels"):
        Twin(drift_nm=5.0).forecast("transform", {"images": images.spec, "labels": labels.spec})
    with pytest.raises(FibError, match=r"shape.*give the labels"):
        Twin(drift_nm=5.0).transform(images, labels=labels)


def test_a_single_raw_slice_can_be_recorded():
    found, context = record(ramp("x", (1, 128, 128)), preset="bad", raw=True)
    assert len(found) == 1
    assert context.kept["slices"]["position_nm"].tolist() == [0.0]
