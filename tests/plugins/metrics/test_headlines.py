"""The few figures that a run prints of each metric."""

import inspect

import numpy as np
import pytest

from fib_plugins.metrics.anisotropy import Anisotropy
from fib_plugins.metrics.morphology import Morphology
from fib_plugins.metrics.overlap import Overlap
from fibcore import Context, Labels
from fibcore.registry import registry

METRICS = {
    entry.identifier: entry.item
    for entry in registry().entries("metric")
    if entry.distribution == "fibtomo"
}


@pytest.mark.parametrize("metric", [Anisotropy, Morphology, Overlap])
def test_every_main_figure_is_measured_if_there_is_a_truth(metric, blobs):
    labels = Labels(blobs((16, 20, 20)), (1.0, 1.0, 1.0))
    truth = labels.with_data(np.roll(labels.data, 1, axis=1))
    (row,) = metric().measure(labels, truth=truth, context=Context()).rows()
    assert set(metric.headline) <= set(row)
    assert len(row) > len(metric.headline)


@pytest.mark.parametrize("name", METRICS)
def test_main_figures_are_few_and_explained(name):
    metric = METRICS[name]
    assert 0 < len({figure.removeprefix("truth_") for figure in metric.headline}) <= 10
    text = inspect.getdoc(metric)
    for figure in metric.headline:
        plain = figure.removeprefix("truth_")
        assert f"``{plain}``" in text or (plain.endswith("_ratio") and "``..._ratio``" in text)
