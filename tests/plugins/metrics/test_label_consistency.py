from __future__ import annotations

import logging
from typing import ClassVar

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from fib_plugins.metrics.label_consistency import LabelConsistency
from fib_plugins.report import curves
from fib_plugins.segmenters.kmeans import KMeans
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels, Model, Segmenter
from fibcore.contracts import Product, slots
from fibcore.registry import registry

VOXEL_NM = (10.0, 4.0, 4.0)


def images(*channels):
    data = np.stack([np.asarray(channel, np.float32) for channel in channels])
    return Images(data, VOXEL_NM, kv=(1.0, 2.0, 4.0)[: len(channels)])


@pytest.fixture(scope="module")
def labels(blobs):
    return Labels(blobs((8, 96, 112), sigma=4.0), VOXEL_NM)


@pytest.fixture(scope="module")
def clean(labels):
    """The labels as grey values: solid bright, slightly blurred, with little noise."""
    rng = np.random.default_rng(0)
    sharp = 80 + 90.0 * labels.data
    return gaussian_filter(sharp, (0, 0.7, 0.7)) + rng.normal(0, 9, labels.shape)


def row_of(*given, metric=None, **more):
    return (metric or LabelConsistency()).measure(*given, **more).rows()[0]


def problems_of(translated, labels, before=None, **limits):
    metric = LabelConsistency(**limits)
    row = row_of(translated, labels, before, metric=metric)
    return metric.problems(row)


def test_it_keeps_the_contract_with_inputs_of_its_own():
    assert check_plugin(LabelConsistency) == []
    found = slots(LabelConsistency, "measure")
    assert [name for name, slot in found.items() if slot.required] == ["images", "labels"]
    assert found["segmenter"].as_plugin
    assert found["segmenter"].takes(Product(Model, "segmenter"))


def test_faithful_images_are_found_faithful(labels, clean):
    row = row_of(images(clean), labels)
    assert row["inverted_slices"] == row["inverted_edges_percent"] == 0
    assert row["contrast"] > 0.9
    assert row["edge_shift_pixels"] < 0.1
    assert abs(row["edge_growth_pixels"]) < 0.1
    assert row["slices"] == row["slices_measured"] == 8
    assert LabelConsistency().problems(row) == []


def test_labels_as_images_tell_all_of_themselves(labels):
    row = row_of(images(labels.data), labels)
    share = labels.data.mean(axis=(1, 2))
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    assert row["contrast"] == pytest.approx(1)
    assert row["mutual_information_share"] == pytest.approx(1)
    assert row["mutual_information_bits"] == pytest.approx(entropy.mean(), rel=1e-3)


@pytest.mark.parametrize("pixels", [1, 2])
def test_images_of_labels_that_have_moved_are_displaced_by_as_much(labels, clean, pixels):
    moved = images(np.roll(clean, pixels, axis=2))
    row = row_of(moved, labels, images(clean))
    assert row["edge_shift_pixels"] == pytest.approx(pixels, abs=0.1)
    assert row["mean_shift_x_pixels"] == pytest.approx(pixels, abs=0.05)
    assert row["mean_shift_y_pixels"] == pytest.approx(0, abs=0.05)
    (found, *_) = [p for p in LabelConsistency().problems(row) if "edges have moved" in p]
    assert f"by {pixels}.0 pixels" in found
    assert not problems_of(moved, labels, max_edge_shift_pixels=2.5)


def test_a_solid_that_was_thickened_is_caught_without_having_moved(labels, clean):
    level = gaussian_filter(labels.data.astype(float), (0, 2, 2))
    thicker = images(80 + 90 * (level > 0.25))
    row = row_of(thicker, labels, images(clean))
    assert row["edge_growth_pixels"] > 0.7
    assert abs(row["mean_shift_x_pixels"]) < 0.2
    assert "brighter phase has become thicker" in " ".join(LabelConsistency().problems(row))


def test_inverted_slices_are_counted_and_said(labels, clean, caplog):
    swapped = clean.copy()
    swapped[[1, 4, 5]] = 250 - swapped[[1, 4, 5]]
    with caplog.at_level(logging.WARNING, logger="fib"):
        row = row_of(images(swapped), labels, images(clean))
    assert row["inverted_slices"] == 3
    assert row["inverted_edges_percent"] == pytest.approx(100 * 3 / 8, abs=3)
    assert row["before_inverted_slices"] == 0
    assert "phases are inverted: in 3 of 8 slices" in caplog.text
    assert not problems_of(images(swapped), labels, images(clean), max_inverted_slices=3,
                           max_inverted_edges_percent=50)  # fmt: skip


def test_of_several_voltages_one_that_is_inverted_is_enough(labels, clean):
    row = row_of(images(clean, 250 - clean), labels)
    assert row["inverted_slices"] == 8
    assert row["inverted_edges_percent"] == 50


def test_inversion_in_a_part_of_the_slices_is_caught(labels, clean):
    part = np.where(np.arange(112) < 30, 250 - clean, clean)
    found = problems_of(images(part), labels, images(clean))
    assert "phases are inverted in places" in found[0]
    assert not any("edges have moved" in problem for problem in found)


def test_what_was_dark_before_may_stay_dark(labels, clean):
    negative = images(250 - clean)
    assert problems_of(negative, labels, negative) == []
    assert "phases are inverted" in problems_of(negative, labels)[0]
    assert problems_of(negative, labels, dark_to_bright=(1, 0)) == []


def test_without_images_before_the_heavier_phase_is_expected_to_be_bright(labels, clean):
    gold_pores = Labels(
        labels.data, VOXEL_NM, {0: registry().material("Au"), 1: registry().material("epoxy")}
    )
    assert "phases are inverted" in problems_of(images(clean), gold_pores)[0]
    assert problems_of(images(250 - clean), gold_pores) == []


def test_noise_in_place_of_structure_is_lost_structure(labels, clean):
    noise = np.random.default_rng(5).normal(100, 20, labels.shape)
    row = row_of(images(noise), labels, images(clean))
    assert row["mutual_information_share"] < 0.01
    assert row["information_ratio"] < 0.01
    found = " ".join(LabelConsistency().problems(row))
    assert "inverted" not in found
    assert "phases can hardly be distinguished" in found
    assert "structure was lost: grey values hold 0 %" in found


def test_what_the_images_before_did_not_show_either_is_no_fault(labels, clean):
    rng = np.random.default_rng(2)
    drifted = np.roll(clean, 1, axis=1)
    bad = images(drifted + rng.normal(0, 40, labels.shape))
    still_bad = images(drifted + rng.normal(0, 40, labels.shape))
    assert problems_of(still_bad, labels)
    assert problems_of(still_bad, labels, bad) == []


class Shadows(Segmenter):
    """Takes for solid what is brighter than 125, and keeps something besides."""

    name: ClassVar[str] = "shadows"

    def predict(self, images: Images, context: Context | None = None) -> Labels:
        context = Context.of(context)
        context.keep("probability", images)
        assert context.scratch.is_dir()
        return Labels((images.data[0] > 125).astype(np.uint8), images.voxel_size_nm)


def test_a_segmenter_tells_how_much_of_the_labels_it_still_finds(labels, clean):
    darker = images(clean - 20)
    context = Context()
    row = row_of(darker, labels, images(clean), segmenter=Shadows(), context=context)
    for prefix, grey in (("", clean - 20), ("before_", clean)):
        found, truth = grey > 125, labels.data > 0
        dice = [
            2 * np.sum(a & b) / (a.sum() + b.sum()) for a, b in ((found, truth), (~found, ~truth))
        ]
        assert row[f"{prefix}mds"] == pytest.approx(np.mean(dice))
    assert set(context.kept) == {"contrasts", "slices"}
    assert LabelConsistency().problems(row) == []
    loss = row["before_mds"] - row["mds"]
    assert LabelConsistency(max_mds_loss=1.1 * loss).problems(row) == []
    assert "a segmenter finds less" in LabelConsistency(max_mds_loss=0.9 * loss).problems(row)[0]


def test_a_real_segmenter_will_do(labels, clean):
    assert row_of(images(clean), labels, segmenter=KMeans())["mds"] > 0.97


def test_every_slice_is_judged_but_edges_in_some(labels, clean):
    swapped = clean.copy()
    swapped[7] = 250 - swapped[7]
    context = Context()
    few = LabelConsistency(max_slices=3)
    row = row_of(images(swapped), labels, images(clean), metric=few, context=context)
    assert row["slices_measured"] == 3
    assert row["inverted_slices"] == 1
    contrasts, measured = context.kept["contrasts"], context.kept["slices"]
    assert contrasts["z"].tolist() == 2 * list(range(8))
    assert np.flatnonzero(contrasts["inverted"]).tolist() == [7]
    assert measured["z"].tolist() == 2 * [0, 3, 6]
    (panel,) = curves.panels(contrasts)
    assert [series.label for series in panel.series] == ["images", "before"]
    assert [p.y_label for p in curves.panels(measured)] == [
        "edge shift (pixels)", "edge growth (pixels)", "mutual information bits",
    ]  # fmt: skip


def test_the_result_does_not_depend_on_threads(labels, clean):
    found = []
    for threads in (1, 3):
        context = Context(threads=threads)
        table = LabelConsistency().measure(
            images(clean), labels, images(clean + 1), context=context
        )
        found.append([table.to_csv(), *(kept.to_csv() for kept in context.kept.values())])
    assert found[0] == found[1]


def test_slices_without_edges_are_passed_over(labels, clean):
    data, grey = labels.data.copy(), clean.copy()
    data[:2] = 0
    grey[:2] = np.random.default_rng(0).normal(80, 9, grey[:2].shape)
    row = row_of(images(grey), Labels(data, VOXEL_NM))
    assert row["inverted_slices"] == 0
    assert row["edge_shift_pixels"] < 0.1


def test_inputs_that_do_not_fit_are_refused_before_the_run(labels, clean):
    metric = LabelConsistency()
    one = images(clean)
    inputs = {"images": one.spec, "labels": labels.spec}
    assert metric.forecast("measure", inputs).memory_bytes > 0
    with pytest.raises(FibError, match="they must show the same volume"):
        metric.forecast("measure", {**inputs, "images": images(clean[1:]).spec})
    with pytest.raises(FibError, match=r"the images have 1 channel .*, those before 2"):
        metric.forecast("measure", {**inputs, "before": images(clean, clean).spec})
    with pytest.raises(FibError, match="set search_pixels to 2 at most"):
        metric.forecast("measure", {"images": images(clean[:, :12]).spec})
    with pytest.raises(ValidationError, match="name each phase once"):
        LabelConsistency(dark_to_bright=(1, 1))


def test_labels_of_one_phase_and_broken_images_are_refused(labels, clean):
    with pytest.raises(FibError, match="the labels hold phase 0 only"):
        LabelConsistency().measure(images(clean), Labels(0 * labels.data, VOXEL_NM))
    with pytest.raises(FibError, match=r"dark_to_bright names \[0, 2\]: add \[1\]"):
        LabelConsistency(dark_to_bright=(0, 2)).measure(images(clean), labels)
    broken = clean.copy()
    broken[3, 0, 0] = np.nan
    with pytest.raises(FibError, match="slice 3 of the 1 kV images of 'images'"):
        LabelConsistency().measure(images(broken), labels)
