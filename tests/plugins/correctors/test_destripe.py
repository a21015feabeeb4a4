"""Curtains are removed as far as they differ from structure, and nothing else is."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from fib_plugins import Destripe
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images

VOXEL = (5.0, 5.0, 5.0)


def structure(shape=(12, 160, 128), seed=0, grain=(4.0, 4.0, 4.0)):
    """Two phases at 80 and 160 with noise, float32."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), grain, mode="wrap")
    signal = gaussian_filter((field > 0).astype(np.float32), (0, 0.7, 0.7))
    return (80 + 80 * signal + rng.normal(0, 3, shape)).astype(np.float32)


def curtains(shape, deviation, seed=1, slope=0.0):
    """Stripes of width 2 px, independent from slice to slice, that change slowly along y."""
    rng = np.random.default_rng(seed)
    depth, rows, width = shape
    wide = gaussian_filter(rng.standard_normal((depth, rows, 2 * width)), (0, 60, 1.5))
    wide += 0.1 * gaussian_filter1d(rng.standard_normal((depth, 1, 2 * width)), 1.5, axis=2)
    shift = np.rint(width / 2 - slope * np.arange(rows)).astype(int)
    lines = np.stack([wide[:, y, s : s + width] for y, s in enumerate(shift)], axis=1)
    lines -= lines.mean(axis=(1, 2), keepdims=True)
    return (lines * (deviation / lines.std())).astype(np.float32)


def images(data, **changes):
    return Images(data, VOXEL, **{"kv": (2.0,), **changes})


def corrected(data, **parameters):
    context = Context(0)
    result = Destripe(**parameters).correct(images(data), context)
    return result.data[0], context


def test_contract():
    assert check_plugin(Destripe) == []


@pytest.mark.parametrize("deviation", [10.0, 20.0])
def test_most_of_the_curtains_is_removed_and_structure_stays(deviation):
    clean = structure()
    stripes = curtains(clean.shape, deviation)
    result, context = corrected(clean + stripes)
    assert np.std(result - clean) < 0.45 * deviation
    table = context.kept["corrections"]
    removed = np.asarray(table["2 kV_removed_grey"])
    assert removed.mean() == pytest.approx(deviation, rel=0.25)
    assert len(removed) == len(clean)


def test_a_stack_without_curtains_is_returned_as_it_is(caplog):
    clean = structure()
    result, _ = corrected(clean)
    assert np.array_equal(result, clean)
    assert "no curtains are visible" in caplog.text


def test_structure_that_persists_from_slice_to_slice_is_kept():
    walls = gaussian_filter(np.random.default_rng(4).standard_normal((24, 1, 128)), (6, 0, 4))
    noise = np.random.default_rng(5).normal(0, 3, (24, 160, 128))
    clean = (80 + 80 * (walls > 0) + noise).astype(np.float32)
    result, _ = corrected(clean)
    assert np.std(result - clean) < 0.02 * clean.std()


def test_a_single_slice_is_corrected_with_a_warning(caplog):
    clean = structure()[:1]
    recorded = clean + curtains(clean.shape, 20.0)
    result, context = corrected(recorded)
    assert np.std(result - clean) < 0.75 * np.std(recorded - clean)
    assert len(context.kept["corrections"]["slice"]) == 1
    assert "a single slice" in caplog.text


def test_a_slant_is_found():
    clean = structure()
    stripes = curtains(clean.shape, 15.0, slope=np.tan(np.radians(3.0)))
    fitted = Destripe().fit(images(clean + stripes))
    assert fitted.model.info["slant_deg"][0] == pytest.approx(3.0, abs=0.4)
    result = fitted.correct(images(clean + stripes)).data[0]
    upright, _ = corrected(clean + stripes, slant_deg=0.0)
    assert np.std(result - clean) < 0.8 * np.std(upright - clean)


def test_curtains_that_are_a_fraction_of_the_signal_are_found_to_be():
    clean = structure()
    relative = curtains(clean.shape, 0.2)
    recorded = clean + relative * (clean - 60)
    fitted = Destripe(slant_deg=0.0).fit(images(recorded))
    assert fitted.model.info["black_level"][0] is not None
    result = fitted.correct(images(recorded)).data[0]
    even, _ = corrected(recorded, slant_deg=0.0, black_level=None)
    assert np.std(result - clean) < 0.8 * np.std(even - clean)
    added = clean + curtains(clean.shape, 15.0)
    assert Destripe(slant_deg=0.0).fit(images(added)).model.info["black_level"] == [None]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_element_types_stay_and_threads_do_not_matter(dtype):
    clean = structure()
    factor = 200 if dtype == "uint16" else 1
    recorded = np.rint((clean + curtains(clean.shape, 15.0)) * factor).astype(dtype)
    both = [
        Destripe(slant_deg=0.0).correct(images(recorded), Context(0, threads=n)).data[0]
        for n in (1, 3)
    ]
    assert both[0].dtype == recorded.dtype
    assert np.array_equal(*both)
    assert np.std(both[0] / factor - clean) < 7.0


def test_saturated_pixels_do_not_count_and_do_not_change():
    clean = structure()
    recorded = clean + curtains(clean.shape, 15.0)
    recorded = np.clip(np.rint(2.5 * (recorded - 75)), 0, 255).astype(np.uint8)
    dark = recorded == 0
    assert 0.05 < dark.mean() < 0.6
    result, _ = corrected(recorded, black_level=None)
    assert not result[dark].any()
    target = 2.5 * (clean - 75)
    seen = (recorded > 0) & (recorded < 255)
    before, after = (np.std((part - target)[seen]) for part in (recorded.astype(float), result))
    assert after < 0.6 * before


def test_a_fit_serves_other_images():
    clean = structure()
    recorded = clean + curtains(clean.shape, 15.0)
    fitted = Destripe().fit(images(recorded))
    restored = Destripe.from_model(fitted.model)
    other = structure(seed=7) + curtains(clean.shape, 15.0, seed=8)
    both = Images(np.stack([other, recorded]), VOXEL, kv=(1.0, 2.0))
    result = restored.correct(both)
    assert np.std(result.data[0] - structure(seed=7)) < 7.0
    assert np.array_equal(result.data[1], Destripe().correct(images(recorded)).data[0])
    two = Destripe().fit(both)
    with pytest.raises(FibError, match="2 channels, this one has 1"):
        two.correct(images(recorded))


def test_strength_by_hand():
    clean = structure()
    recorded = clean + curtains(clean.shape, 15.0)
    same, _ = corrected(recorded, strength=0)
    assert np.array_equal(same, recorded)
    little, some = (
        np.std(corrected(recorded, strength=value, slant_deg=0.0)[0] - recorded)
        for value in (0.05, 0.4)
    )
    assert 0 < little < 0.7 * some


@pytest.mark.parametrize("method", ["variational", "column_median"])
def test_other_methods_remove_curtains_as_well(method):
    clean = structure()[:4]
    recorded = clean + curtains(clean.shape, 15.0)
    result, _ = corrected(recorded, method=method, slant_deg=0.0, strength=0.4, black_level=None)
    assert np.std(result - clean) < 0.9 * np.std(recorded - clean)


def test_constant_slices_are_returned_as_they_are(caplog):
    clean = structure()
    recorded = np.rint(clean + curtains(clean.shape, 15.0)).astype(np.uint8)
    recorded[9] = 90
    result, _ = corrected(recorded, slant_deg=0.0)
    assert np.array_equal(result[9], recorded[9])
    assert np.isfinite(result.astype(float)).all()
    assert "1 constant slice(s)" in caplog.text
    flat = np.full((3, 40, 40), 7, np.uint8)
    assert np.array_equal(corrected(flat)[0], flat)
    assert "are constant" in caplog.text


def test_images_of_stripes_alone(caplog):
    stripes = 120 + curtains((8, 160, 96), 20.0)
    noisy = (stripes + np.random.default_rng(0).normal(0, 1, stripes.shape)).astype(np.float32)
    result, _ = corrected(noisy)
    assert result.std() < 0.35 * noisy.std()
    assert "hardly anything but stripes" in caplog.text


def test_bad_input_is_refused():
    with pytest.raises(FibError, match="20 x 64 pixels"):
        corrected(np.ones((4, 20, 64), np.float32))
    broken = structure()
    broken[3, 5, 5] = np.nan
    with pytest.raises(FibError, match="not finite"):
        corrected(broken)
    with pytest.raises(FibError, match=r"slice 3 of 2 kV .* not finite"):
        Destripe().fit(images(structure() + curtains(broken.shape, 15.0))).correct(images(broken))


def test_forecast():
    spec = images(structure()).spec
    forecast = Destripe().forecast("correct", {"images": spec})
    assert forecast.output == spec
    single = images(structure()[:1]).spec
    assert "single slice" in Destripe().forecast("correct", {"images": single}).warnings[0]
