"""Disagreement of segmentations against counts by hand."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.metrics.disagreement import Disagreement
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Labels


def labels_of(data):
    return Labels(np.asarray(data, np.uint8), 4.0)


def measured(own, *others):
    context = Context(0)
    table = Disagreement().measure(labels_of(own), [labels_of(o) for o in others], context=context)
    return table.rows()[0], context.kept


def test_the_contract_is_kept():
    assert check_plugin(Disagreement) == []


def test_equal_segmentations_do_not_disagree():
    own = np.arange(24).reshape(2, 3, 4) % 2
    row, kept = measured(own, own, own)
    assert row["disagreement_percent"] == row["most_percent"] == row["outvoted_percent"] == 0
    assert not kept["map"].data.any()


def test_shares_are_those_counted_by_hand():
    own = [[[0, 0, 1, 1]]]
    one = [[[0, 1, 1, 0]]]
    two = [[[1, 1, 1, 1]]]
    row, kept = measured(own, one, two)
    assert row["most_percent"] == row["least_percent"] == row["disagreement_percent"] == 50
    assert row["outvoted_percent"] == 25  # both say 1 where it says 0: a tie outvotes nobody
    np.testing.assert_allclose(kept["map"].data[0], [[[0.5, 1, 0, 0.5]]])
    assert kept["map"].names == ("disagreement",)


def test_a_third_phase_takes_votes_from_a_majority():
    row, _ = measured([[[0]]], [[[1]]], [[[2]]], [[[0]]])
    assert row["outvoted_percent"] == 0
    assert row["disagreement_percent"] == pytest.approx(200 / 3)
    row, _ = measured([[[0]]], [[[2]]], [[[2]]], [[[0]]])
    assert row["outvoted_percent"] == 100


def test_networks_that_err_independently_disagree_as_often_as_chance_demands():
    rng = np.random.default_rng(4)
    truth = rng.integers(0, 2, (8, 64, 64))
    errors = (0.1, 0.05, 0.2)
    own, *others = (truth ^ (rng.random(truth.shape) < e) for e in errors)
    row, kept = measured(own, *others)
    expected = [100 * (errors[0] * (1 - e) + e * (1 - errors[0])) for e in errors[1:]]
    spread = 100 * np.sqrt(0.25 / truth.size)
    assert abs(row["least_percent"] - min(expected)) < 4 * spread
    assert abs(row["most_percent"] - max(expected)) < 4 * spread
    per_slice = kept["per_slice"]
    assert np.mean(per_slice["disagreement_percent"]) == pytest.approx(row["disagreement_percent"])


def test_volumes_of_different_shapes_are_refused():
    with pytest.raises(FibError, match=r"number 2 of the others \(1, 2, 2\)"):
        measured(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), np.zeros((1, 2, 2)))
