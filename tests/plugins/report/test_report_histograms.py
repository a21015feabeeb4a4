from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.report.histograms import best_threshold, bin_edges, histogram, unit_of
from fibcore import Images, Labels

RNG = np.random.default_rng(5)


def test_the_best_threshold_is_that_of_a_search_over_all_edges():
    edges = np.linspace(0, 1, 41)
    pore = np.histogram(RNG.normal(0.35, 0.12, 4000), edges)[0]
    solid = np.histogram(RNG.normal(0.6, 0.15, 2500), edges)[0]
    wrong = [pore[i:].sum() + solid[:i].sum() for i in range(len(edges))]
    found = best_threshold(pore, solid, edges)
    assert found.grey == edges[int(np.argmin(wrong))]
    assert found.wrong == pytest.approx(min(wrong) / (pore.sum() + solid.sum()))


def test_the_solid_may_be_the_darker_phase():
    edges = np.linspace(0, 1, 41)
    dark = np.histogram(RNG.normal(0.2, 0.05, 1000), edges)[0]
    bright = np.histogram(RNG.normal(0.8, 0.05, 1000), edges)[0]
    assert best_threshold(bright, dark, edges).wrong == 0
    assert 0.3 < best_threshold(bright, dark, edges).grey < 0.7


@pytest.mark.parametrize("top", [3, 255, 65535])
def test_bins_hold_equally_many_integer_grey_values(top):
    grey = np.arange(top + 1, dtype=np.uint16)
    counts = np.histogram(grey, bin_edges(grey))[0]
    assert len(counts) <= 128
    assert len(set(counts[1:-1].tolist())) <= 1


def test_bins_hold_equally_many_values_of_counted_electrons():
    counted = (np.arange(20, 221) / 300).astype(np.float32)
    assert unit_of(counted) == pytest.approx(1 / 300, rel=1e-3)
    counts = np.histogram(counted, bin_edges(counted))[0]
    assert len(set(counts[:-1].tolist())) == 1
    assert unit_of(RNG.normal(size=500).astype(np.float32)) is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_constant_images_have_a_histogram(dtype):
    images = Images(np.full((3, 4, 5), 7, dtype), 1.0, kv=(2.0,))
    assert "<svg" in histogram(images, 0, None).figure


def test_images_with_gaps_have_a_histogram():
    data = RNG.normal(size=(3, 8, 8)).astype(np.float32)
    data[0] = np.nan
    labels = Labels((data > 0).astype(np.uint8), 1.0)
    found = histogram(Images(data, 1.0, kv=(2.0,)), 0, labels)
    assert found.threshold is not None
    assert found.threshold.wrong < 0.02


def test_the_legend_names_the_materials():
    data = RNG.integers(0, 255, (3, 8, 8)).astype(np.uint8)
    labels = Labels((data > 100).astype(np.uint8), 1.0)
    figure = histogram(Images(data, 1.0, kv=(2.0,)), 0, labels).figure
    assert ">epoxy<" in figure
    assert ">Au<" in figure
