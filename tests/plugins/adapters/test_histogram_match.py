from __future__ import annotations

import logging

import numpy as np
import pytest
from skimage.exposure import match_histograms

from fib_plugins.adapters.histogram_match import HistogramMatch
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images
from fibcore.formats import read_model, write_model


def images(data, kv=(2.0,), **more):
    return Images(np.asarray(data), (10.0, 4.0, 4.0), kv=kv, **more)


def bimodal(shape, seed=0, low=60.0, high=150.0, noise=15.0):
    """Two phases with noise, float32."""
    rng = np.random.default_rng(seed)
    solid = np.cumsum(rng.normal(size=shape), axis=-1) > 0
    return (np.where(solid, high, low) + rng.normal(0, noise, shape)).astype(np.float32)


def as_uint8(data):
    return np.clip(np.rint(data), 0, 255).astype(np.uint8)


def matched(source, target, given=None, **params):
    plugin = HistogramMatch(**params).fit(source, target)
    return plugin.transform(source if given is None else given)


def test_it_keeps_the_contract():
    assert check_plugin(HistogramMatch) == []


def test_the_result_has_the_distribution_of_the_target():
    source = images(bimodal((6, 40, 40)))
    target = images(np.exp(0.02 * bimodal((5, 50, 30), 1, noise=30)))
    found = matched(source, target)
    shares = np.linspace(0.01, 0.99, 500)
    deviation = np.quantile(found.data, shares) - np.quantile(target.data, shares)
    assert np.abs(deviation).max() < 0.03 * target.data.std()
    assert found.spec == source.spec


def test_it_agrees_with_an_independent_implementation():
    source, target = bimodal((4, 40, 40)), 3 * bimodal((4, 40, 40), 1) + 5
    found = matched(images(source), images(target.astype(np.float32)), quantiles=4096).data[0]
    expected = match_histograms(source, target)
    assert np.abs(found - expected).mean() < 2e-3 * target.std()
    assert np.abs(found - expected).max() < 0.15 * target.std()  # sparse tails


@pytest.mark.parametrize("scope", ["stack", "slice"])
def test_the_map_never_decreases(scope):
    source = images(bimodal((3, 30, 30)))
    found = matched(source, images(as_uint8(bimodal((3, 30, 30), 1))), scope=scope)
    for z in range(3):
        order = np.argsort(source.data[0, z], axis=None)
        assert np.all(np.diff(found.data[0, z].ravel()[order].astype(int)) >= 0)


@pytest.mark.parametrize("count", [16, 1024])
def test_a_stack_matched_to_itself_stays_to_the_last_grey_value(count):
    source = images(as_uint8(bimodal((4, 30, 30))))
    np.testing.assert_array_equal(matched(source, source, quantiles=count).data, source.data)


def test_a_shift_of_16_bit_grey_values_is_found_exactly():
    source = images((200 * bimodal((4, 30, 30))).astype(np.uint16))
    target = images(source.data + np.uint16(1234))
    found = matched(source, target)
    assert found.data.dtype == np.uint16
    np.testing.assert_array_equal(found.data, target.data)


def test_a_value_that_many_voxels_share_goes_to_the_mean_of_its_share():
    rng = np.random.default_rng(0)
    data = rng.uniform(0.5, 1.0, (4, 50, 50)).astype(np.float32)
    empty = rng.random(data.shape) < 0.4
    data[empty] = 0.0
    target = rng.uniform(0, 100, (4, 50, 50)).astype(np.float32)
    found = matched(images(data), images(target)).data[0]
    share = empty.mean()
    assert np.unique(found[empty]).size == 1
    assert found[empty][0] == pytest.approx(100 * share / 2, abs=1)
    assert found[~empty].min() == pytest.approx(100 * share, abs=1)


def test_each_slice_gets_the_distribution_of_the_target_where_asked():
    drift = np.array([0.5, 1.0, 1.7], np.float32)[:, None, None]
    source = images(drift * bimodal((3, 60, 60)))
    target = images(bimodal((2, 60, 60), 1))
    shares = np.linspace(0.01, 0.99, 99)
    wanted = np.quantile(target.data, shares)
    apart = {}
    for scope in ("slice", "stack"):
        planes = matched(source, target, scope=scope).data[0]
        apart[scope] = max(np.abs(np.quantile(plane, shares) - wanted).max() for plane in planes)
    assert apart["slice"] < 0.02 * target.data.std()
    assert apart["stack"] > 0.2 * target.data.std()


def test_channels_are_matched_one_by_one():
    source = images(np.stack([bimodal((3, 30, 30)), bimodal((3, 30, 30), 1)]), kv=(1.0, 2.0))
    target = images(np.stack([source.data[0] + 7, 2 * source.data[1]]), kv=(1.0, 2.0))
    found = matched(source, target)
    assert np.abs(found.data - target.data).max() < 2e-3 * target.data.std()


def test_the_map_is_that_of_the_source_whatever_it_is_applied_to():
    source = images(bimodal((4, 30, 30)))
    target = images(2 * source.data + 1)
    part = images(source.data[0, 1:2, :10])
    found = matched(source, target, part)
    np.testing.assert_allclose(found.data, 2 * part.data + 1, atol=0.01)


def test_the_model_survives_the_disk(tmp_path):
    source, target = images(bimodal((3, 20, 20))), images(as_uint8(bimodal((3, 20, 20), 1)))
    plugin = HistogramMatch().fit(source, target)
    write_model(plugin.model, tmp_path / "model.safetensors")
    again = HistogramMatch.from_model(read_model(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(again.transform(source).data, plugin.transform(source).data)
    assert again.forecast("transform", {"images": source.spec}).output.dtype == "uint8"


def test_before_the_fit_it_is_known_what_will_come_out():
    source = images(bimodal((3, 20, 20)))
    target = images(as_uint8(bimodal((3, 20, 20), 1)))
    told = HistogramMatch().forecast("fit", {"source": source.spec, "target": target.spec})
    made = HistogramMatch.from_model(told.model).forecast("transform", {"images": source.spec})
    assert made.output == HistogramMatch().fit(source, target).transform(source).spec
    assert made.output.dtype == "uint8"


def test_what_was_not_in_the_source_is_warned_of(caplog):
    source = images(bimodal((3, 20, 20)))
    plugin = HistogramMatch().fit(source, source)
    with caplog.at_level(logging.WARNING, logger="fib"):
        plugin.transform(source)
        assert not caplog.records
        plugin.transform(images(source.data + 500))
    assert "100 % of the 2 kV images is darker or brighter" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="fib"):
        plugin.transform(images(source.data, kv=(4.0,)))
    assert "fitted on a source that shows 2 kV BSE" in caplog.text


def test_large_results_are_written_to_disk(monkeypatch):
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 100)
    source = images(bimodal((3, 20, 20)))
    context = Context()
    plugin = HistogramMatch().fit(source, source)
    assert isinstance(plugin.transform(source, context).data, np.memmap)


def test_other_channel_counts_are_refused_before_the_run():
    one, two = images(bimodal((2, 20, 20))), images(np.ones((2, 2, 4, 4), np.uint8), (1.0, 2.0))
    with pytest.raises(FibError, match=r"2 channels .* target 1 .* choose the same number"):
        HistogramMatch().forecast("fit", {"source": two.spec, "target": one.spec})
    fitted = HistogramMatch().fit(one, one)
    with pytest.raises(FibError, match=r"2 channels .* fitted on 1"):
        fitted.forecast("transform", {"images": two.spec})
    other = images(one.data, kv=(4.0,))
    found = HistogramMatch().forecast("fit", {"source": one.spec, "target": other.spec})
    assert "matched in this order" in found.warnings[0]


def test_constant_and_broken_images_are_refused():
    good = images(bimodal((3, 20, 20)))
    flat = images(np.full((3, 20, 20), 7, np.uint8))
    broken = good.data.copy()
    broken[0, 1, 2, 3] = np.nan
    with pytest.raises(FibError, match="the target's 2 kV images have the same grey value"):
        HistogramMatch().fit(good, flat)
    with pytest.raises(FibError, match="the source's 2 kV images hold values that are not finite"):
        HistogramMatch().fit(images(broken), good)
    with pytest.raises(FibError, match="slice 1 of the 2 kV images holds values that are not"):
        HistogramMatch().fit(good, good).transform(images(broken))
    blank = good.data.copy()
    blank[0, 2] = 5
    with pytest.raises(FibError, match="slice 2 of the 2 kV images have the same grey value"):
        HistogramMatch(scope="slice").fit(good, good).transform(images(blank))
    with pytest.raises(FibError, match="has to be fitted first"):
        HistogramMatch().transform(good)


def test_a_target_of_one_slice_will_do():
    source = images(bimodal((3, 20, 20)))
    assert matched(source, images(2 * source.data[:, :1])).shape == (3, 20, 20)
