"""The referee finds wrong images, and passes right ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fib_plugins import Surrogate
from fib_plugins.simulators.surrogate import refinement, run
from fib_plugins.simulators.surrogate.counting import Counts
from fib_plugins.simulators.surrogate.referee import compare, draw_pixels, first_other_nm
from fibcore import Context, FibError, Labels
from fibcore.materials import EPOXY, GOLD

YIELDS = np.array([0.06, 0.45])


@pytest.fixture
def params(tiny):
    return Surrogate(**tiny | {"energies_kev": (2.0,)})


def comparison_of(params, labels, seed, error=0.0):
    """Judge predictions that are the true yields, up to an error."""
    rng = np.random.default_rng(seed)
    pixels = draw_pixels([(0, n) for n in labels.shape], 0.005, rng)
    solid = np.asarray(labels.data)[tuple(pixels.T)] > 0
    truth = YIELDS[solid.astype(int)] + rng.uniform(-0.03, 0.03, len(pixels))
    counted = (rng.binomial(20, truth) / 20).astype(np.float32)[None]
    predicted = (truth + np.where(solid, error, 0.0)).astype(np.float32)[None]
    return compare(params, labels, pixels, predicted, Counts(counted, counted))


def blocks(share=0.5, shape=(20, 60, 60), **fields):
    data = (np.random.default_rng(3).random(shape) < share).astype(np.uint8)
    return Labels(data, 4.0, {0: EPOXY, 1: GOLD}, **fields)


@pytest.mark.parametrize("share", [0.5, 0.02, 0.0], ids=str)
def test_right_yields_pass_with_every_seed(params, share):
    for seed in range(20):
        for shape in ((20, 60, 60), (1, 2, 3)):
            comparison = comparison_of(params, blocks(share, shape), seed)
            assert comparison.faults == []


def test_right_yields_explain_their_deviations_by_counting(params):
    rows = [comparison_of(params, blocks(), seed).rows[0] for seed in range(20)]
    assert np.mean([row["chi_square"] for row in rows]) == pytest.approx(1.0, abs=0.05)
    normal = np.array([row["bias"] / row["bias_error"] for row in rows])
    assert 0.6 < normal.std() < 1.5
    squared = [row["mean_square_error"] for row in rows]
    assert abs(np.mean(squared)) < 3 * np.std(squared) / 20**0.5 + 1e-5


@pytest.mark.parametrize("error", [0.1, -0.1, float("nan")])
def test_wrong_yields_of_a_phase_are_found_with_every_seed(params, error):
    for seed in range(20):
        faults = comparison_of(params, blocks(), seed, error).faults
        assert any("Au at 2 kV" in fault for fault in faults)
        assert not any("epoxy" in fault for fault in faults)


def test_pixels_are_all_over_the_box_and_no_fewer_than_200():
    box = [(3, 9), (10, 30), (5, 45)]
    pixels = draw_pixels(box, 0.1, np.random.default_rng(1))
    assert len(pixels) == 480
    assert (pixels.min(0), pixels.max(0)) == (
        pytest.approx([3, 10, 5], abs=1),
        pytest.approx([8, 29, 44], abs=1),
    )
    assert len(draw_pixels(box, 1e-6, np.random.default_rng(1))) == 200
    assert len(draw_pixels([(0, 1), (2, 4), (0, 3)], 0.01, np.random.default_rng(1))) == 6


def test_the_depth_of_the_next_phase_is_that_of_a_plain_search():
    labels = blocks(0.2, (12, 7, 6))
    pixels = np.argwhere(labels.data < 2)
    expected = []
    for z, y, x in pixels:
        column = labels.data[z:, y, x]
        other = np.flatnonzero(column != column[0])
        expected.append(4.0 * other[0] if len(other) and 4.0 * other[0] <= 20.0 else np.inf)
    found = first_other_nm(labels, pixels, 20.0)
    np.testing.assert_array_equal(np.where(found > 20.0, np.inf, found), expected)


def test_phases_of_one_material_share_their_rows(params):
    data = np.arange(4 * 8 * 8, dtype=np.uint8).reshape(4, 8, 8) % 3
    labels = Labels(data, 4.0, {0: EPOXY, 1: GOLD, 2: GOLD})
    table = comparison_of(params, labels, 1).table
    keys = list(zip(table["phase"], table["other_phase_below"], strict=True))
    assert len(keys) == len(set(keys))
    assert {"all", "epoxy", "Au"} == set(table["phase"].tolist())


def damaged(surrogate):
    """Return the surrogate with the yields of one channel raised."""
    weights = {name: array.copy() for name, array in surrogate.model.weights.items()}
    weights["last.bias"][1] += 2.0
    return replace(surrogate.model, weights=weights)


def test_a_damaged_network_fails_its_step_and_says_by_how_much(taught, structure):
    surrogate = Surrogate.from_model(damaged(taught))
    with pytest.raises(FibError, match=r"all at 2 kV: yields deviate by \+0.*on_failure 'refine'"):
        surrogate.simulate(structure(), context=Context(1, threads=1))


def test_a_warning_keeps_images_and_table(taught, structure, caplog):
    surrogate = Surrogate.from_model(damaged(taught), on_failure="warn")
    context = Context(1, threads=1)
    images = surrogate.simulate(structure(), context=context)
    assert images.shape == structure().shape
    assert "the surrogate is wrong on this structure" in caplog.text
    table = context.kept["referee"]
    row = {name: column[table["channel"] == "2 kV"][0] for name, column in table.columns.items()}
    assert row["phase"] == "all"
    assert row["bias"] == pytest.approx(row["yield_surrogate"] - row["yield_monte_carlo"], abs=1e-6)
    assert row["bias"] > 10 * row["bias_error"]
    assert row["chi_square"] > 3


def test_without_a_referee_images_count_as_unchecked(taught, structure, caplog):
    surrogate = Surrogate.from_model(damaged(taught), referee_share=0.0)
    context = Context(1, threads=1)
    surrogate.simulate(structure(), context=context)
    assert "count as unchecked" in caplog.text
    assert context.kept["referee"]["pixels"].tolist() == [0]


@pytest.fixture
def quick(monkeypatch):
    """Function that makes refinements short."""

    def make(windows, steps):
        monkeypatch.setattr(refinement, "WINDOWS", windows)
        monkeypatch.setattr(refinement, "STEPS", steps)
        monkeypatch.setattr(refinement, "RATE", 5.0)
        monkeypatch.setattr(run, "MOST_REFINEMENTS", 1)

    return make


def refined(taught, labels, **accepted):
    surrogate = Surrogate.from_model(damaged(taught), on_failure="refine", **accepted)
    context = Context(1, threads=1)
    images = surrogate.simulate(labels, context=context)
    return np.array(images.data), context.kept["referee"]


def test_refinement_repairs_a_damaged_network_on_this_structure(taught, structure, quick):
    quick(24, 60)
    _, table = refined(taught, structure(), referee_bias=0.08, referee_rms=0.2)
    assert (abs(table["bias"][table["phase"] == "all"]) < 0.08).all()


def test_refinement_on_a_structure_smaller_than_a_window_is_deterministic(taught, structure, quick):
    quick(6, 40)
    labels = structure((2, 3, 2))
    found = [refined(taught, labels, referee_bias=0.2, referee_rms=1.0)[0] for _ in range(2)]
    np.testing.assert_array_equal(*found)


def test_a_refinement_that_does_not_suffice_fails_the_step(taught, structure, quick):
    quick(6, 1)
    with pytest.raises(FibError, match=r"refined the network 1 x.*Use on_failure .warn."):
        refined(taught, structure())
