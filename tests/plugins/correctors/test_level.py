"""Level: known drift, shading, streaks and bad slices are removed; a clean stack stays as it is."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from numpy.typing import ArrayLike

from fib_plugins import Level
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels

SIZE = (5.0, 5.0, 5.0)
DARK, BRIGHT, NOISE = 60.0, 140.0, 6.0


def phases(shape: tuple[int, int, int], fraction: ArrayLike = 0.4, seed: int = 0) -> np.ndarray:
    """Return solid and pore of a random structure; the solid fraction may differ by slice."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(np.random.default_rng(seed).standard_normal(shape), (3, 4, 4))
    field /= field.std()
    rank = np.sort(field.ravel())
    place = np.broadcast_to((1.0 - np.asarray(fraction)) * (rank.size - 1), shape[:1])
    return field > rank[place.astype(int)][:, np.newaxis, np.newaxis]


def images_of(grey: np.ndarray) -> Images:
    return Images(np.clip(np.rint(grey), 0, 255).astype(np.uint8), SIZE, kv=(2.0,))


@pytest.fixture(scope="module")
def solid() -> np.ndarray:
    return phases((32, 128, 144))


@pytest.fixture(scope="module")
def clean(solid: np.ndarray) -> np.ndarray:
    """Grey values of a clean stack with noise and edges of a pixel, float64."""
    from scipy.ndimage import gaussian_filter

    grey = gaussian_filter(np.where(solid, BRIGHT, DARK), (0, 1, 1))
    return grey + np.random.default_rng(5).normal(0, NOISE, solid.shape)


def levels(data: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Return the mean grey value of pores and of solid in each slice, axes (slice, phase)."""
    return np.array(
        [[plane[~mask].mean(), plane[mask].mean()] for plane, mask in zip(data, solid, strict=True)]
    )


def spread(data: np.ndarray, solid: np.ndarray) -> float:
    """Return the deviation of the phases' levels from slice to slice, grey values."""
    return float(np.sqrt(np.mean(levels(data, solid).var(axis=0))))


def test_the_contract():
    assert check_plugin(Level) == []


def test_a_clean_stack_stays_as_it_is(clean, caplog):
    given = images_of(clean)
    with caplog.at_level(logging.WARNING):
        result = Level().correct(given)
    assert np.abs(result.data.astype(float) - given.data).max() <= 1
    assert not caplog.records


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_brightness_and_contrast_are_levelled(clean, solid, dtype):
    rng = np.random.default_rng(1)
    brightness = np.cumsum(rng.normal(0, 4, 32))
    brightness -= brightness.mean()
    contrast = np.exp(0.06 * rng.standard_normal(32))
    middle = (DARK + BRIGHT) / 2
    grey = middle + (clean - middle) * contrast[:, None, None] + brightness[:, None, None]
    unit = 200.0 if dtype == "uint16" else 1.0
    given = Images((np.clip(grey, 0, 255) * unit).astype(dtype), SIZE, kv=(2.0,))
    context = Context()
    result = Level().correct(given, context=context)
    assert result.data.dtype == dtype
    assert spread(result.data[0] / unit, solid) < 0.1 * spread(grey, solid)
    table = context.kept["corrections"]
    assert np.corrcoef(table["2_kV_brightness"], brightness)[0, 1] > 0.99
    assert np.corrcoef(table["2_kV_contrast"], contrast)[0, 1] > 0.98


def test_a_change_of_the_solid_fraction_is_not_drift():
    """The mean grey value rises by a third of the contrast, those of the phases stay."""
    solid = phases((32, 128, 144), np.linspace(0.3, 0.6, 32))
    noise = np.random.default_rng(5).normal(0, NOISE, solid.shape)
    given = images_of(np.where(solid, BRIGHT, DARK) + noise)
    result = Level().correct(given)
    assert spread(result.data[0], solid) < 0.03 * (BRIGHT - DARK)


@pytest.mark.parametrize("kind", ["multiplicative", "additive"])
def test_shading_is_removed(clean, solid, kind):
    y, x = (np.linspace(-1, 1, n) for n in clean.shape[1:])
    shade = -0.15 * y[:, None] + 0.1 * x + 0.06 * y[:, None] ** 2
    if kind == "multiplicative":
        grey = DARK + (clean - DARK) * (1 + shade)
    else:
        grey = clean + shade * (BRIGHT - DARK)
    result = Level(shading=kind).correct(images_of(grey))

    def slopes(data: np.ndarray) -> np.ndarray:
        """Slopes of the solid's grey value along y and x, from one edge to the other."""
        mean = np.where(solid, data, np.nan)
        halves = np.nanmean(mean[:, 64:]) - np.nanmean(mean[:, :64])
        return np.array([halves, np.nanmean(mean[..., 72:]) - np.nanmean(mean[..., :72])])

    before, after = np.abs(slopes(grey)), np.abs(slopes(result.data[0].astype(float)))
    assert np.all(after < 0.2 * before)


def test_streaks_are_removed(clean):
    rng = np.random.default_rng(2)
    lines = rng.normal(0, 8, (32, 128, 1)) * (rng.random((32, 128, 1)) < 0.3)
    context = Context()
    result = Level().correct(images_of(clean + lines), context=context)
    left = result.data[0] - clean
    left -= left.mean(axis=(1, 2), keepdims=True)
    rows = left.mean(axis=2)
    assert rows.std() < 0.6 * lines.std()
    assert np.mean(context.kept["corrections"]["2_kV_streaks_rms"]) > 0.6 * lines.std()
    kept = Level(streaks=False).correct(images_of(clean + lines)).data[0] - clean
    assert kept.mean(axis=2).std() > 0.9 * lines.std()


def test_single_streaks_that_begin_within_a_row_are_removed(clean):
    """As charging makes them: two lines each, to the end of the scan."""
    grey = clean.copy()
    for z in range(32):
        row = 10 + 37 * z % 100
        grey[z, row : row + 2, 40:] += 25.0 if z % 3 else -25.0
    before, after = grey - clean, Level().correct(images_of(grey)).data[0] - clean
    streak = np.abs(before) > 0
    signs = np.sign(before[streak])
    assert np.mean(signs * after[streak]) < 0.35 * 25.0


def bad_stack(clean: np.ndarray) -> np.ndarray:
    """Return a stack with slices that are blurred (5), repeated (11), blank (17) and dim (23)."""
    from scipy.ndimage import gaussian_filter

    grey = clean.copy()
    grey[5] = gaussian_filter(grey[5], 2.5) + np.random.default_rng(3).normal(0, 6, grey[5].shape)
    grey[11] = grey[10]
    grey[17] = 30.0
    grey[23] = DARK + 0.6 * (grey[23] - DARK)
    return grey


def test_bad_slices_are_found_and_interpolated(clean, solid, caplog):
    context = Context()
    with caplog.at_level(logging.WARNING):
        result = Level().correct(images_of(bad_stack(clean)), context=context)
    table = context.kept["corrections"]
    assert np.flatnonzero(table["repaired"]).tolist() == [5, 11, 17]
    assert np.flatnonzero(table["dim"]).tolist() == [23]
    assert np.flatnonzero(table["repeated"]).tolist() == [11]
    assert np.flatnonzero(table["outlier"]).tolist() == [5, 11, 17, 23]
    assert "slices 5, 11, 17 are out of focus" in caplog.text
    between = (clean[16] + clean[18]) / 2
    assert np.abs(result.data[0, 17] - between).mean() < 1.5
    assert np.allclose(levels(result.data[0], solid)[23], levels(clean, solid)[23], atol=2)


def test_bad_slices_are_left_out_of_images_and_labels(clean, solid):
    labels = Labels(solid.astype(np.uint8), SIZE)
    given = images_of(bad_stack(clean))
    context = Context()
    level = Level(repair="leave_out")
    result = level.correct(given, labels=labels, context=context)
    left = np.delete(np.arange(32), [5, 11, 17])
    assert result.shape == (29, 128, 144)
    assert np.array_equal(context.kept["labels"].data, labels.data[left])
    table = context.kept["corrections"]
    assert np.array_equal(np.flatnonzero(table["kept"]), left)
    assert np.allclose(table["z_nm"], 5.0 * np.arange(32))
    assert level.forecast("correct", {"images": given.spec}).output is None
    assert Level().forecast("correct", {"images": given.spec}).output == given.spec
    kept = Level(repair="keep").correct(given)
    assert np.abs(kept.data[0, 17].astype(float) - kept.data[0, 16]).mean() > 20


def test_a_fit_is_applied_to_the_same_stack_and_kept_in_a_model(clean):
    given = images_of(clean + np.linspace(-20, 20, 32)[:, None, None])
    level = Level(streaks=False).fit(given)
    again = Level.from_model(level.model)
    result = again.correct(given)
    assert np.array_equal(result.data, Level(streaks=False).correct(given).data)
    with pytest.raises(FibError, match="fit another one"):
        again.correct(images_of(clean[:20]))


def test_each_channel_has_levels_of_its_own_and_threads_do_not_matter(clean, solid):
    ramp = np.linspace(-15, 15, 32)[:, None, None]
    both = np.stack([images_of(clean + ramp).data[0], images_of(0.5 * clean - ramp + 60).data[0]])
    both[:, 9] = 7
    given = Images(both, SIZE, kv=(1.0, 2.0))
    one, two = (Level().correct(given, context=Context(threads=n)) for n in (1, 2))
    assert np.array_equal(one.data, two.data)
    for channel, contrast in zip(one.data, (1.0, 0.5), strict=True):
        assert spread(channel, solid) < 1.5 * contrast


def test_few_slices(clean, caplog):
    for depth in (1, 2, 3):
        given = images_of(clean[:depth])
        result = Level().correct(given)
        assert np.abs(result.data.astype(float) - given.data).max() <= 1
        assert "cannot be compared" in Level().forecast("fit", {"images": given.spec}).warnings[0]
    twice = images_of(clean[[0, 0, 1]])
    with caplog.at_level(logging.WARNING):
        Level().correct(twice)
    assert "slice 1 is out of focus, repeated" in caplog.text


def test_what_cannot_be_levelled_is_refused(clean):
    with pytest.raises(FibError, match="the same grey value everywhere"):
        Level().correct(images_of(np.full((5, 40, 40), 9.0)))
    with pytest.raises(FibError, match="at least 16 x 16"):
        Level().forecast("correct", {"images": images_of(clean[:, :9]).spec})
    lost = clean.astype(np.float32)
    lost[3, 4, 5] = np.nan
    with pytest.raises(FibError, match="slice 3 holds values that are not finite"):
        Level().correct(Images(lost, SIZE, kv=(2.0,)))
    labels = Labels(np.zeros((5, 128, 144), np.uint8), SIZE)
    with pytest.raises(FibError, match="same voxels"):
        Level().correct(images_of(clean), labels=labels)
