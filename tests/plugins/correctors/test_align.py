"""Align: known drift is recovered, what cannot be aligned is reported, slices move exactly."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from fib_plugins import Align, Crop
from fib_plugins.correctors.align import regions
from fib_plugins.correctors.align.graph import Pairs
from fib_plugins.correctors.align.inclination import slow_part
from fib_plugins.correctors.align.moving import moved_by_whole_pixels, mover
from fib_plugins.correctors.align.regions import window_of
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels, VolumeSpec

SIZE = (5.0, 5.0, 5.0)
FIB25 = Path(__file__).parents[4] / "shared" / "data" / "fib25_medulla" / "grayscale.tif"


def displaced(shifts: np.ndarray, edge: int = 96, seed: int = 0, noise: float = 0.1) -> np.ndarray:
    """Return a random structure that changes along z, displaced exactly, float32 (z, y, x).

    It is larger than what is seen, so that new content enters at the edges.
    """
    rng = np.random.default_rng(seed)
    count, wide = len(shifts), edge + 64
    ky, kx = np.fft.fftfreq(wide)[:, np.newaxis], np.fft.rfftfreq(wide)
    smooth = np.exp(-0.5 * (ky**2 + kx**2) / 0.08**2)
    field = ndimage.gaussian_filter(rng.standard_normal((count, wide, wide)), (4, 0, 0))
    made = np.empty((count, edge, edge), np.float32)
    for z, (y, x) in enumerate(shifts):
        turned = np.fft.rfft2(field[z]) * smooth * np.exp(-2j * np.pi * (ky * y + kx * x))
        made[z] = np.fft.irfft2(turned, (wide, wide))[32:-32, 32:-32]
    made /= made.std()
    return made + noise * rng.standard_normal(made.shape).astype(np.float32)


def drift(count: int = 16, seed: int = 0, jump: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shifts = rng.normal(size=(count, 2)) + np.linspace(0, 3, count)[:, np.newaxis]
    shifts[count // 2 :] += jump
    return shifts - shifts[0]


def images(*grey: np.ndarray) -> Images:
    return Images(np.array(grey), SIZE, kv=tuple(range(1, len(grey) + 1)))


def shifts_of(context: Context) -> np.ndarray:
    table = context.kept["corrections"]
    return np.stack([table["shift_y_px"], table["shift_x_px"]], axis=1)


def found(stack: Images, **parameters) -> np.ndarray:
    """Return the displacements that are found."""
    context = Context()
    Align(**{"remove": "all", **parameters}).correct(stack, context=context)
    return -shifts_of(context)


def step_error(found: np.ndarray, true: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.diff(found - true, axis=0) ** 2)))


def test_the_contract():
    assert check_plugin(Align) == []


@pytest.mark.parametrize("jump", [0.0, 22.0])
def test_drift_is_recovered_to_fractions_of_a_pixel(jump):
    true = drift(jump=jump)
    assert step_error(found(images(displaced(true))), true) < 0.04


def test_slices_that_all_move_far_are_aligned_as_well():
    true = drift() + np.outer(np.arange(16), [1.0, -9.0])
    wide = displaced(np.zeros((16, 2)), edge=288)
    stack = np.array(
        [
            ndimage.shift(plane, by, order=5)[96:-96, 20:-172]
            for plane, by in zip(wide, true, strict=True)
        ]
    )
    assert step_error(found(images(stack)), true) < 0.06


def test_stripes_do_not_matter_even_if_they_stay_in_place():
    true = drift()
    stack = displaced(true)
    rng = np.random.default_rng(5)
    fixed = 3.0 * rng.standard_normal((1, 1, 96)) + rng.standard_normal((16, 1, 96))
    lines = 0.5 * rng.standard_normal((16, 96, 1))
    striped = (stack + fixed + lines).astype(np.float32)
    assert np.allclose(found(images(striped)), found(images(stack)), atol=0.01)


def test_curtains_that_change_along_y_and_persist_matter_little():
    true = drift()
    rng = np.random.default_rng(6)
    strength = 1.0 + 0.5 * np.sin(np.linspace(0, 3, 96))[:, np.newaxis]
    fixed = ndimage.gaussian_filter1d(rng.standard_normal(96), 1.0) * strength
    striped = displaced(true) + (fixed / fixed.std()).astype(np.float32)
    assert step_error(found(images(striped)), true) < 0.1


def test_brightness_and_contrast_do_not_matter():
    true = drift()
    rng = np.random.default_rng(7)
    gain, offset = rng.uniform(0.5, 2.0, (16, 1, 1)), rng.normal(0, 5, (16, 1, 1))
    stack = (displaced(true) * gain + offset).astype(np.float32)
    assert step_error(found(images(stack)), true) < 0.05


def test_channels_are_estimated_together_and_moved_together():
    true = drift()
    rng = np.random.default_rng(8)
    blank = rng.standard_normal((16, 96, 96)).astype(np.float32)
    context = Context()
    stack = images(blank, displaced(true))
    result = Align(remove="all", interpolation="nearest").correct(stack, context=context)
    shifts = shifts_of(context)
    assert np.array_equal(shifts, np.rint(shifts))
    assert np.abs(shifts + true).max() < 0.75
    for z, shift in enumerate(shifts):
        assert np.array_equal(result.data[0, z], moved_by_whole_pixels(blank[z], shift))


def test_jitter_is_removed_and_inclination_kept_by_default():
    rng = np.random.default_rng(9)
    line = np.outer(np.arange(24), [0.4, -0.3])
    jitter = rng.normal(size=(24, 2))
    context = Context()
    Align().correct(images(displaced(line + jitter)), context=context)
    table = context.kept["corrections"]
    kept = np.stack([table["kept_y_px"], table["kept_x_px"]], axis=1)
    assert np.allclose(np.diff(kept, axis=0).mean(axis=0), [0.4, -0.3], atol=0.08)
    assert np.abs(np.diff(kept, 2, axis=0)).max() < 0.02
    assert step_error(shifts_of(context), kept - line - jitter) < 0.05


def test_the_slow_part_keeps_lines_and_half_of_a_wave_of_the_period():
    z = np.arange(400)
    line = np.outer(z, [0.3, -0.2]) + 5.0
    assert np.allclose(slow_part(line, 20.0), line, atol=1e-6)
    wave = np.cos(2.0 * np.pi * z / 50.0)[:, np.newaxis] * [1.0, 2.0]
    middle = slice(100, 300)
    assert np.allclose(slow_part(wave, 50.0)[middle], wave[middle] / 2, atol=0.01)
    assert np.abs(slow_part(wave, 200.0)[middle]).max() < 0.03
    assert np.allclose(slow_part(wave, 10.0)[middle], wave[middle], atol=0.01)


def test_a_jump_is_no_inclination():
    rng = np.random.default_rng(10)
    shifts = 0.2 * rng.normal(size=(60, 2))
    jumped = shifts.copy()
    jumped[30:] += [25.0, -13.0]
    assert np.abs(slow_part(jumped, 20.0) - slow_part(shifts, 20.0)).max() < 1.5


@pytest.mark.parametrize("shift", [(0.3, -0.7), (5.5, 2.0), (-3.25, 8.75)])
def test_slices_are_moved_as_by_scipy(shift):
    plane = np.random.default_rng(11).standard_normal((40, 50)).astype(np.float32)
    linear = ndimage.shift(plane, shift, order=1, mode="nearest")
    assert np.allclose(mover("linear")(plane, np.array(shift)), linear, atol=1e-5)
    cubic = ndimage.shift(plane.astype(float), shift, order=3, mode="mirror")
    inside = tuple(
        slice(max(0, int(np.ceil(by))), size + min(0, int(np.floor(by))))
        for by, size in zip(shift, plane.shape, strict=True)
    )
    ours = mover("cubic")(plane, np.array(shift))
    assert np.allclose(ours[inside], cubic[inside], atol=1e-4)


@pytest.mark.parametrize("kind", ["cubic", "linear", "nearest"])
def test_what_moves_in_repeats_the_edge(kind):
    plane = np.random.default_rng(12).integers(0, 255, (9, 7)).astype(np.float32)
    moved = mover(kind)(plane, np.array([3.0, -2.0]))
    assert np.allclose(moved[3:, :-2], plane[:-3, 2:], atol=1e-3)
    assert np.allclose(moved[:4], moved[3], atol=1e-3)
    assert np.allclose(moved[:, -3:], moved[:, -3:-2], atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (2, 2)])
@pytest.mark.parametrize("kind", ["cubic", "linear"])
def test_thin_slices_can_be_moved(shape, kind):
    plane = np.full(shape, 7.0, np.float32)
    assert np.allclose(mover(kind)(plane, np.array([0.4, 9.0])), 7.0, atol=1e-4)


def test_labels_move_by_the_same_whole_pixels_and_the_type_stays():
    true = drift()
    grey = np.clip(128 + 50 * displaced(true), 0, 255).astype(np.uint8)
    phases = (grey > 128).astype(np.uint8)
    context = Context()
    result = Align(remove="all").correct(images(grey), Labels(phases, SIZE), context)
    assert result.data.dtype == np.uint8
    assert result.shape == (16, 96, 96)
    moved = context.kept["labels"].data
    for z, shift in enumerate(shifts_of(context)):
        assert np.array_equal(moved[z], moved_by_whole_pixels(phases[z], shift))
    inside = (slice(None), slice(12, -12), slice(12, -12))
    agree = (result.data[0][inside] > 128) == (moved[inside] > 0)
    assert agree.mean() > 0.95


def test_an_aligned_stack_is_found_to_be_aligned_after_it_is_cropped():
    true = drift()
    context = Context()
    aligned = Align(remove="all").correct(images(displaced(true)), context=context)
    table = context.kept["corrections"]
    assert {"shift_y_px", "shift_x_px", "step_error_y_px", "coherence", "bridged"} <= set(
        table.names
    )
    cropped = Crop(find=[]).correct(aligned, shifts=table)
    assert cropped.shape[1] < 96
    assert np.abs(np.diff(found(cropped), axis=0)).max() < 0.1


def test_bad_slices_are_bridged_and_reported(caplog):
    true = drift()
    stack = displaced(true)
    stack[0] = 3.0
    stack[5:7] = np.random.default_rng(13).standard_normal((2, 96, 96))
    context = Context()
    with caplog.at_level(logging.WARNING):
        Align(remove="all").correct(images(stack), context=context)
    assert "resemble no neighbour were placed between theirs: 0, 5, 6." in caplog.text
    table = context.kept["corrections"]
    assert np.flatnonzero(table["bridged"]).tolist() == [0, 5, 6]
    assert np.isnan(table["step_error_y_px"])[[0, 5, 6]].all()
    shifts = shifts_of(context)
    assert np.allclose(shifts[5], (2 * shifts[4] + shifts[7]) / 3)
    rest = np.delete(np.arange(16), [0, 5, 6])
    assert step_error(-shifts[rest], true[rest]) < 0.06


@pytest.mark.parametrize("case", ["gap", "limit"])
def test_a_gap_is_reported_and_both_parts_are_aligned(case, caplog):
    true = drift(jump=20.0 if case == "limit" else 0.0)
    stack = displaced(true)
    limit = {"max_shift_px": 12.0} if case == "limit" else {}
    if case == "gap":
        stack[8:] = displaced(true, seed=1)[8:]
    with caplog.at_level(logging.WARNING):
        shifts = found(images(stack), **limit)
    assert "parts begin at slices 8." in caplog.text
    assert np.array_equal(shifts[8], shifts[7])
    assert step_error(shifts[:8], true[:8]) < 0.05
    assert step_error(shifts[8:], true[8:]) < 0.05


def test_a_single_slice_is_returned_with_a_warning(caplog):
    grey = displaced(np.zeros((1, 2)))
    with caplog.at_level(logging.WARNING):
        result = Align().correct(images(grey))
    assert "nothing to align" in caplog.text
    assert np.array_equal(result.data[0], grey)


def test_two_slices_can_be_aligned():
    true = np.array([[0.0, 0.0], [3.3, -1.6]])
    shifts = found(images(displaced(true)))
    assert np.allclose(shifts, true, atol=0.3)


@pytest.mark.parametrize("what", ["constant", "stripes", "noise", "stripes and noise"])
def test_what_cannot_be_aligned_is_an_error(what):
    rng = np.random.default_rng(14)
    stack = np.full((6, 64, 64), 100.0)
    if "stripes" in what:
        stack = stack + rng.standard_normal((1, 1, 64))
    if "noise" in what:
        stack = stack + rng.standard_normal(stack.shape)
    with pytest.raises(FibError, match="no two neighbouring slices resemble each other"):
        Align().correct(images(stack.astype(np.float32)))


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ({"y": [50, 300]}, "does not lie within the 96 voxels along y"),
        ({"x": [-10, None]}, "has 10 pixels"),
    ],
)
def test_regions_that_do_not_fit_are_errors_before_a_run(region, message):
    spec = VolumeSpec(Images, (4, 96, 96), SIZE, (2.0,))
    with pytest.raises(FibError, match=message):
        Align(region=region).forecast("correct", {"images": spec})
    with pytest.raises(FibError, match=message):
        Align(fiducials=[{"y": [0, 40]}, region]).forecast("fit", {"images": spec})


def test_small_fields_and_labels_of_another_shape_are_errors_before_a_run():
    spec = VolumeSpec(Images, (4, 20, 96), SIZE, (2.0,))
    with pytest.raises(FibError, match="the field along y has 20 pixels"):
        Align().forecast("correct", {"images": spec})
    labels = VolumeSpec(Labels, (5, 20, 96), SIZE)
    with pytest.raises(FibError, match="must be the same voxels"):
        Align().forecast("correct", {"images": spec, "labels": labels})


def test_values_that_are_not_finite_are_an_error():
    grey = displaced(drift(4))
    grey[2, 3, 3] = np.nan
    with pytest.raises(FibError, match="slice 2 has grey values that are not finite"):
        Align().correct(images(grey))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"baselines": [2, 3]}, "neighbouring slices must be compared"),
        ({"region": {"y": [0, 50]}, "fiducials": [{"y": [0, 50]}]}, "give one of them"),
        ({"fiducials": [{}]}, "has no limits"),
    ],
)
def test_parameters_that_contradict_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Align(**given)


def test_fiducials_decide_and_do_not_incline():
    """The structure moves; two marks stay and are followed where they are displaced."""
    structure = displaced(np.outer(np.arange(12), [0.8, 0.0]), edge=160)
    true = drift(12, seed=3)
    marks = displaced(true, edge=160, seed=4, noise=0.0)
    marks[1:] = [  # the same marks in all slices
        ndimage.shift(marks[0], by, order=3, mode="nearest") for by in true[1:]
    ]
    corners = [{"y": [0, 56], "x": [0, 56]}, {"y": [-56, None], "x": [-56, None]}]
    stack = structure
    for corner in corners:
        y, x = slice(*corner["y"]), slice(*corner["x"])
        stack[:, y, x] = marks[:, y, x]
    context = Context()
    Align(fiducials=corners).correct(images(stack), context=context)
    assert np.allclose(-shifts_of(context), true, atol=0.1)


def test_a_fit_moves_other_channels_and_labels_alike():
    true = drift()
    first, second = displaced(true), displaced(true, seed=1)
    fitted = Align(remove="all").fit(images(first))
    context, again = Context(), Context()
    Align(remove="all").correct(images(first), context=context)
    restored = Align.from_model(fitted.as_model())
    restored.correct(images(second), context=again)
    assert np.allclose(shifts_of(again), shifts_of(context), atol=1e-9)
    jitter = Align.from_model(fitted.as_model(), remove="jitter")
    jitter.correct(images(second), context=again)
    assert not np.allclose(shifts_of(again), shifts_of(context), atol=0.1)
    with pytest.raises(FibError, match="apply them to images and labels of the same stack"):
        restored.correct(images(second[:5]))


def test_the_result_does_not_depend_on_threads():
    grey = displaced(drift(8))
    results = [Align().correct(images(grey), context=Context(threads=n)).data for n in (1, 4)]
    assert np.array_equal(*results)


def test_large_regions_are_binned_and_shifts_are_in_pixels(monkeypatch):
    window = window_of([], (2048, 3072))
    assert window.factor == 2
    assert window.shape == (1024, 1536)
    monkeypatch.setattr(regions, "LARGEST_PIXELS", 100**2)
    true = drift(8, jump=31.0)
    assert window_of([], (181, 181)).shape == (90, 90)
    assert step_error(found(images(displaced(true, edge=181))), true) < 0.1


def test_positions_are_those_of_least_squares_and_robust():
    rng = np.random.default_rng(15)
    true = rng.normal(size=(30, 2))
    first = np.concatenate([np.arange(30 - by) for by in (1, 2, 4)])
    second = np.concatenate([np.arange(by, 30) for by in (1, 2, 4)])
    shift = true[second] - true[first] + 0.01 * rng.normal(size=(len(first), 2))
    information = np.full(shift.shape, 1e4)
    position, errors = Pairs(first, second, shift, information).positions(true[:1].repeat(30, 0))
    matrix = np.zeros((len(first), 30))
    matrix[np.arange(len(first)), second] = 1.0
    matrix[np.arange(len(first)), first] = -1.0
    expected = np.linalg.lstsq(matrix[:, 1:], shift, rcond=None)[0] + true[0]
    assert np.allclose(position[1:], expected, atol=5e-3)
    assert np.allclose(errors, 0.01, atol=0.01)
    shift[10] += 5.0  # one pair is wrong
    position, _ = Pairs(first, second, shift, information).positions(true[:1].repeat(30, 0))
    assert np.abs(position - true).max() < 0.06


@pytest.mark.skipif(not FIB25.exists(), reason="no shared data")
def test_added_drift_is_recovered_on_a_real_stack():
    import tifffile

    real = tifffile.imread(FIB25)[:12]
    rng = np.random.default_rng(16)
    whole = np.concatenate([[[0, 0]], rng.integers(-6, 7, (11, 2))])
    moved = np.array([np.roll(plane, by, (0, 1)) for plane, by in zip(real, whole, strict=True)])
    inner = (slice(None), slice(12, -12), slice(12, -12))
    difference = found(images(moved[inner])) - found(images(real[inner]))
    assert step_error(difference, whole) < 0.1
