import logging

import numpy as np
import pytest

from fib_plugins.metrics.overlap import Overlap
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Labels
from fibcore.contracts import slots

SIZE_NM = (10.0, 4.0, 4.0)


def labels(data, voxel_size_nm=SIZE_NM):
    return Labels(np.asarray(data, np.uint8), voxel_size_nm)


def random_pair(phases=2, shape=(7, 9, 11)):
    rng = np.random.default_rng(1)
    truth = rng.integers(0, phases, shape)
    wrong = rng.random(shape) < 0.3
    return labels(np.where(wrong, rng.integers(0, phases, shape), truth)), labels(truth)


def test_overlap_keeps_the_contract():
    assert check_plugin(Overlap) == []


def test_scores_follow_equations_4_to_6():
    prediction, truth = random_pair()
    p, t = prediction.solid, truth.solid
    tp, tn = np.sum(p & t), np.sum(~p & ~t)
    fp, fn = np.sum(p & ~t), np.sum(~p & t)
    row = Overlap().measure(prediction, truth).rows()[0]
    assert row["mp_percent"] == pytest.approx(100 * (1 - (tp + tn) / p.size))
    assert row["mgp_percent"] == pytest.approx(100 * (1 - tp / (tp + fn)))
    assert row["dice_solid"] == pytest.approx(2 * tp / (2 * tp + fn + fp))
    assert row["dice_pore"] == pytest.approx(2 * tn / (2 * tn + fn + fp))
    assert row["mds"] == pytest.approx((row["dice_solid"] + row["dice_pore"]) / 2)
    assert row["precision"] == pytest.approx(tp / (tp + fp))
    assert row["false_positive_rate"] == pytest.approx(fp / (fp + tn))
    assert row["true_positives"] == tp
    assert row["true_negatives"] == tn
    assert row["false_positives"] == fp
    assert row["false_negatives"] == fn


def test_a_perfect_prediction_and_its_opposite_are_the_ends_of_the_scale():
    _, truth = random_pair()
    best = Overlap().measure(truth, truth).rows()[0]
    worst = Overlap().measure(labels(~truth.solid), truth).rows()[0]
    assert (best["mp_percent"], best["mgp_percent"], best["mds"]) == (0, 0, 1)
    assert (worst["mp_percent"], worst["mgp_percent"], worst["mds"]) == (100, 100, 0)


def test_further_phases_count_each_for_itself():
    prediction, truth = random_pair(phases=4)
    p, t = prediction.data, truth.data
    context = Context()
    row = Overlap().measure(prediction, truth, context).rows()[0]
    dices = [2 * np.sum((p == i) & (t == i)) / (np.sum(p == i) + np.sum(t == i)) for i in range(4)]
    assert row["mds"] == pytest.approx(np.mean(dices))
    assert row["mp_percent"] == pytest.approx(100 * np.mean(p != t))
    assert row["mgp_percent"] == pytest.approx(100 * np.mean((p != t)[t > 0]))
    assert row["true_positives"] == np.sum((p > 0) & (t > 0))
    table = context.kept["per_phase"]
    assert table["phase"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(table["dice"], dices)
    assert table["true_voxels"].tolist() == [np.sum(t == i) for i in range(4)]
    assert table["predicted_voxels"].tolist() == [np.sum(p == i) for i in range(4)]
    assert table["recall"][2] == pytest.approx(np.mean(p[t == 2] == 2))
    assert table["precision"][2] == pytest.approx(np.mean(t[p == 2] == 2))
    assert table["material"].tolist() == ["epoxy", truth.phases[1].name, "unknown", "unknown"]


def test_phases_that_do_not_occur_are_left_out_of_the_mean():
    data = np.zeros((2, 3, 3))
    data[0] = 5
    row = Overlap().measure(labels(data), labels(data)).rows()[0]
    assert row["mds"] == 1
    context = Context()
    Overlap().measure(labels(data), labels(np.zeros((2, 3, 3))), context)
    assert context.kept["per_phase"]["phase"].tolist() == [0, 1, 5]


def test_each_slice_is_scored():
    prediction, truth = random_pair()
    context = Context()
    whole = Overlap().measure(prediction, truth, context)
    table = context.kept["per_slice"]
    assert table["z"].tolist() == list(range(7))
    np.testing.assert_allclose(table["mp_percent"].mean(), whole["mp_percent"][0])
    for z in range(7):
        alone = Overlap().measure(labels(prediction.data[z : z + 1]), labels(truth.data[z : z + 1]))
        for column in ("mp_percent", "mgp_percent", "mds"):
            assert table[column][z] == alone[column][0]


def test_a_share_of_nothing_is_no_error():
    pore = labels(np.zeros((3, 4, 4)))
    row = Overlap().measure(pore, pore).rows()[0]
    assert row["mds"] == row["dice_solid"] == row["precision"] == 1
    assert row["mp_percent"] == row["mgp_percent"] == row["false_positive_rate"] == 0


def test_a_solid_that_was_invented_has_a_dice_score_of_zero():
    row = Overlap().measure(labels(np.ones((3, 4, 4))), labels(np.zeros((3, 4, 4)))).rows()[0]
    assert row["dice_solid"] == row["dice_pore"] == row["precision"] == 0
    assert row["false_positive_rate"] == 1


def test_a_missing_truth_and_another_shape_are_refused():
    prediction, _ = random_pair()
    assert slots(Overlap, "measure")["truth"].required
    with pytest.raises(FibError, match="same volume"):
        Overlap().measure(prediction, labels(np.zeros((7, 9, 10))))


def test_another_voxel_size_is_warned_of(caplog):
    prediction, truth = random_pair()
    with caplog.at_level(logging.WARNING, logger="fib"):
        Overlap().measure(prediction, labels(truth.data, (9.0, 4.0, 4.0)))
    assert "differ in voxel size" in caplog.text
