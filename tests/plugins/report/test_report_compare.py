from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from fib_plugins.report.compare import confusion, errors, fractions, outline
from fibcore import Labels


@pytest.fixture
def blobs():
    """Two random structures on the same grid."""
    noise = np.random.default_rng(3).normal(size=(2, 9, 20, 24))
    smooth = ndimage.gaussian_filter(noise, (0, 1.5, 1.5, 1.5))
    return [Labels((part > 0).astype(np.uint8), 4.0) for part in smooth]


def test_the_outline_is_the_solid_less_its_erosion(blobs):
    solid = blobs[0].data[4] > 0
    inside = ndimage.binary_erosion(solid, border_value=1)
    assert np.array_equal(outline(solid), solid & ~inside)


def test_errors_distinguish_missed_from_false_solid(blobs):
    predicted, true = (labels.data[4] > 0 for labels in blobs)
    found = errors(predicted, true)
    assert np.array_equal(found == 1, true & ~predicted)
    assert np.array_equal(found == 2, predicted & ~true)


def test_confusion_counts_every_voxel_once(blobs):
    prediction, truth = blobs
    counts = confusion(prediction, truth)
    assert counts["missed solid"] == np.sum((truth.data == 1) & (prediction.data == 0))
    assert counts["false solid"] == np.sum((truth.data == 0) & (prediction.data == 1))
    assert sum(counts.values()) == truth.data.size


def test_confusion_of_solids_among_each_other_is_no_error():
    data = np.ones((2, 3, 4), np.uint8)
    assert confusion(Labels(data, 1.0), Labels(2 * data, 1.0))["correct"] == data.size


def test_fractions_count_phases_that_have_no_material():
    data = np.zeros((4, 5, 5), np.uint8)
    data[0] = 1
    data[3, 0] = 7
    assert fractions(Labels(data, 2.0)) == pytest.approx({0: 0.7, 1: 0.25, 7: 0.05})
