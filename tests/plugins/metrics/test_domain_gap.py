from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.adapters.histogram_match import HistogramMatch
from fib_plugins.image_comparison.stack_statistics import DISTANCES
from fib_plugins.metrics.domain_gap import DomainGap
from fib_plugins.report import curves
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images
from fibcore.contracts import slots

SMALL = DomainGap(patches=512, projections=32)


def images(data, pixel_nm=4.0, kv=(2.0,)):
    data = np.asarray(data)
    data = data if data.dtype.kind == "u" else data.astype(np.float32)
    return Images(data, (10.0, pixel_nm, pixel_nm), kv=kv)


@pytest.fixture(scope="module")
def looks(blobs):
    """Images of a structure of its own, with more or less noise and blur."""

    def make(seed, noise=0.3, blur=0.0, shape=(6, 64, 80)):
        sharp = gaussian_filter(blobs(shape, sigma=3.0, seed=seed).astype(float), (0, blur, blur))
        rng = np.random.default_rng(seed)
        return images(100 + 60 * (sharp + noise * rng.standard_normal(shape)))

    return make


def row_of(*given, metric=SMALL, context=None, **more):
    return metric.measure(*given, context=context, **more).rows()[0]


def test_it_keeps_the_contract_with_inputs_of_its_own():
    assert check_plugin(DomainGap) == []
    found = slots(DomainGap, "measure")
    assert {name: slot.required for name, slot in found.items()} == {
        "images": True,
        "reference": True,
        "before": False,
    }


def test_identical_sets_have_no_distance(looks):
    row = row_of(looks(0), looks(0), looks(0))
    assert all(row[prefix + name] == 0 for name in DISTANCES for prefix in ("", "before_"))
    assert row["noise_ratio"] == 1
    assert row["grey_distance_ratio"] is None  # nothing was left to lose


def test_a_shift_of_grey_values_is_a_distance_in_deviations_of_the_reference():
    dots = np.random.default_rng(0).permutation(np.arange(4 * 64 * 64) % 2)
    reference = images(60 * dots.reshape(4, 64, 64))  # standard deviation 30
    row = row_of(images(reference.data[0] + 12), reference, images(reference.data[0] - 48))
    assert row["grey_distance"] == pytest.approx(12 / 30, rel=1e-3)
    assert row["before_grey_distance"] == pytest.approx(48 / 30, rel=1e-3)
    assert row["grey_distance_ratio"] == pytest.approx(0.25, rel=1e-3)
    for name in DISTANCES[1:]:
        assert row[name] == pytest.approx(0, abs=1e-4), name


def test_16_bit_and_8_bit_images_of_one_look_differ_in_plain_grey_values_only(looks):
    one = looks(0)
    deep = images(np.rint(200 * one.data[0]).astype(np.uint16))
    row = row_of(deep, one)
    assert row["grey_distance"] > 100
    assert row["scaled_grey_distance"] < 1e-3
    assert row["spectrum_distance"] < 1e-3
    assert row["noise_distance"] < 1e-3


def test_noise_is_told_as_a_part_of_the_contrast(looks):
    noise = np.random.default_rng(0).standard_normal((4, 64, 64))
    reference = images(100 + 5 * noise)
    weaker = images(10 + np.cumsum(np.ones(64)) / 10 + 0.5 * noise)
    row = row_of(weaker, reference)
    assert row["reference_noise"] == pytest.approx(1, rel=0.02)
    deviation = np.sqrt(0.5**2 + 6.4**2 / 12)
    assert row["noise"] == pytest.approx(0.5 / deviation, rel=0.03)
    assert row["noise_ratio"] == pytest.approx(row["noise"] / row["reference_noise"])
    assert row["noise_distance"] == pytest.approx(abs(row["noise"] - row["reference_noise"]))


def test_a_translation_that_brings_the_look_of_the_reference_leaves_little_of_each_distance(looks):
    reference, before, after = looks(0), looks(1, noise=0.05, blur=1.5), looks(1)
    row = row_of(after, reference, before, metric=DomainGap(projections=64))
    most = {"spectrum_distance": 0.2, "noise_distance": 0.2, "patch_distance": 0.7}
    for name, ratio in most.items():
        assert row[f"{name}_ratio"] < ratio, name
        assert row[f"{name}_ratio"] == row[name] / row[f"before_{name}"]


def test_histogram_matching_takes_the_distance_of_grey_values_and_nothing_else(looks):
    reference, before = looks(0), looks(1, noise=0.05, blur=1.5)
    matched = HistogramMatch().fit(before, reference).transform(before)
    row = row_of(matched, reference, before)
    assert row["grey_distance_ratio"] < 0.02
    assert row["spectrum_distance_ratio"] > 0.5


def test_channels_are_compared_one_by_one_and_averaged(looks):
    one, other = looks(0), looks(1, noise=0.1)
    both = images(np.concatenate([one.data, other.data]), kv=(1.0, 2.0))
    reference = images(np.concatenate([one.data, one.data]), kv=(1.0, 2.0))
    context = Context()
    row = row_of(both, reference, context=context)
    alone = row_of(other, one)
    for name in DISTANCES:
        if name != "patch_distance":
            assert row[name] == pytest.approx(alone[name] / 2, rel=1e-9), name
    table = context.kept["channels"]
    assert table["channel"].tolist() == ["1 kV", "1 kV", "2 kV", "2 kV"]
    assert table["spectrum_distance"][0] == 0
    assert table["spectrum_distance"][2] == alone["spectrum_distance"]


def test_pixels_of_another_size_are_compared_over_physical_frequency(looks):
    fine = looks(0, noise=0.0, blur=2.0, shape=(4, 128, 128))
    coarse = images(fine.data[0, :, ::2, ::2], pixel_nm=8.0)
    wrong = images(coarse.data[0], pixel_nm=4.0)
    assert row_of(coarse, fine)["spectrum_distance"] < 0.25
    assert row_of(wrong, fine)["spectrum_distance"] > 1
    found = SMALL.forecast("measure", {"images": coarse.spec, "reference": fine.spec})
    assert "patches and noise pixel by pixel" in found.warnings[0]


def test_of_large_stacks_every_nth_slice_is_measured(looks):
    stack, reference = looks(0, shape=(10, 48, 48)), looks(1, shape=(10, 48, 48))
    few = DomainGap(patches=256, projections=16, max_slices=4)
    row = row_of(stack, reference, metric=few)
    assert row["slices_measured"] == row["reference_slices_measured"] == 4
    part = images(stack.data[0, ::3]), images(reference.data[0, ::3])
    assert row_of(*part, metric=few) == row


def test_the_result_does_not_depend_on_threads(looks):
    found = []
    for threads in (1, 3):
        context = Context(seed=4, threads=threads)
        table = SMALL.measure(looks(0), looks(1), looks(2), context)
        found.append([table.to_csv(), *(kept.to_csv() for kept in context.kept.values())])
    assert found[0] == found[1]


def test_spectra_and_histograms_are_kept_to_be_drawn(looks):
    context = Context()
    row_of(looks(0), looks(1), looks(2), context=context)
    for name in ("spectra", "histograms", "scaled_histograms"):
        (panel,) = curves.panels(context.kept[name])
        assert [series.label for series in panel.series] == ["images", "reference", "before"]
    assert panel.y_label == "share"
    histograms = context.kept["histograms"]
    own = histograms["stack"] == "images"
    mean = np.average(histograms["grey_value"][own], weights=histograms["share"][own])
    assert mean == pytest.approx(looks(0).data.mean(), rel=0.01)
    spectra = context.kept["spectra"]
    assert spectra.names == ["channel", "stack", "frequency_per_nm", "log10_power"]


def test_two_voltages_are_drawn_with_the_voltage_in_the_legend(looks):
    both = images(np.concatenate([looks(0).data, looks(1).data]), kv=(1.0, 2.0))
    context = Context()
    row_of(both, both, context=context)
    (panel,) = curves.panels(context.kept["spectra"])
    assert "2 kV, reference" in [series.label for series in panel.series]


def test_stacks_that_cannot_be_compared_are_refused(looks):
    one = looks(0)
    two = images(np.concatenate([one.data, one.data]), kv=(1.0, 2.0))
    with pytest.raises(FibError, match=r"have 2 channels .* the reference 1"):
        SMALL.forecast("measure", {"images": two.spec, "reference": one.spec})
    small = images(np.random.default_rng(0).random((3, 6, 60)))
    with pytest.raises(FibError, match="too few for a patch of 8"):
        SMALL.forecast("measure", {"images": one.spec, "reference": small.spec})
    with pytest.raises(FibError, match="too few frequencies"):
        DomainGap(patch_pixels=4).measure(small, one)
    other = images(one.data[0], kv=(4.0,))
    found = SMALL.forecast("measure", {"images": one.spec, "reference": other.spec})
    assert "compared in this order" in found.warnings[0]
    assert found.memory_bytes > 0


def test_constant_and_broken_images_are_refused(looks):
    one = looks(0)
    with pytest.raises(FibError, match="the 2 kV images of 'reference' have the same grey value"):
        SMALL.measure(one, images(np.full((3, 64, 64), 5.0)))
    data = one.data[0].copy()
    data[:, 3, 3] = np.inf
    with pytest.raises(FibError, match="the 2 kV images of 'images' hold values that are not fin"):
        SMALL.measure(images(data), one)
    spot = np.zeros((3, 64, 64))
    spot[0, 0, 0] = 1
    with pytest.raises(FibError, match="almost everywhere; there is nothing to compare"):
        SMALL.measure(one, images(spot))
