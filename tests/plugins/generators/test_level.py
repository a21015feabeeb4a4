import numpy as np
import pytest

from fib_plugins.generators import level, slabs
from fib_plugins.generators.level import keep_below, keep_smallest
from fibcore.context import Context


@pytest.fixture
def small_slabs(monkeypatch):
    monkeypatch.setattr(slabs, "SLAB_VOXELS", 100)


def slab_of(values):
    return lambda slab: values[slab[0] : slab[1]]


def smallest_by_sorting(values, inside, fraction):
    """The definition: the smallest values, first come first served among equals."""
    flat, candidates = values.ravel(), np.flatnonzero(inside.ravel())
    order = candidates[np.argsort(flat[candidates], kind="stable")]
    kept = np.zeros(flat.size, np.uint8)
    kept[order[: round(fraction * len(order))]] = 1
    return kept.reshape(values.shape)


@pytest.mark.usefixtures("small_slabs")
@pytest.mark.parametrize("fraction", [0.0001, 0.02, 0.35, 0.5, 0.97, 0.9999])
def test_smallest_are_kept_exactly(fraction):
    values = np.random.default_rng(0).standard_normal((40, 9, 11)).astype(np.float32)
    labels = np.ones(values.shape, np.uint8)
    keep_smallest(slab_of(values), labels, fraction, Context(threads=2))
    assert np.array_equal(labels, smallest_by_sorting(values, labels * 0 + 1, fraction))


@pytest.mark.usefixtures("small_slabs")
@pytest.mark.parametrize("fraction", [0.1, 0.4, 0.75])
def test_ties_go_to_the_first_voxels(fraction):
    values = np.random.default_rng(1).integers(0, 4, (30, 10, 10)).astype(np.float32)
    labels = np.ones(values.shape, np.uint8)
    keep_smallest(slab_of(values), labels, fraction, Context(threads=2))
    assert np.array_equal(labels, smallest_by_sorting(values, labels * 0 + 1, fraction))


@pytest.mark.usefixtures("small_slabs")
def test_only_voxels_in_question_count_and_are_kept():
    rng = np.random.default_rng(2)
    values = rng.standard_normal((30, 10, 10)).astype(np.float32)
    inside = (rng.random(values.shape) < 0.3).astype(np.uint8)
    labels = inside.copy()
    keep_smallest(slab_of(values), labels, 0.45, Context())
    assert np.array_equal(labels, smallest_by_sorting(values, inside, 0.45))


@pytest.mark.usefixtures("small_slabs")
def test_a_sample_that_misleads_is_recovered_from():
    # The slices that are sampled (every third of 100) hold quite other values than the rest.
    values = np.random.default_rng(3).standard_normal((100, 5, 5)).astype(np.float32)
    values[::3] += 100
    labels = np.ones(values.shape, np.uint8)
    keep_smallest(slab_of(values), labels, 0.3, Context())
    assert np.array_equal(labels, smallest_by_sorting(values, labels * 0 + 1, 0.3))


@pytest.mark.parametrize("constant", [0.0, np.inf])
def test_a_constant_field_is_cut_too(constant):
    values = np.full((10, 4, 4), constant, np.float32)
    labels = np.ones(values.shape, np.uint8)
    assert keep_smallest(slab_of(values), labels, 0.5, Context()) == constant
    assert labels.ravel().tolist() == [1] * 80 + [0] * 80


def test_nothing_in_question_leaves_nothing():
    labels = np.zeros((4, 4, 4), np.uint8)
    keep_smallest(slab_of(np.zeros((4, 4, 4), np.float32)), labels, 0.5, Context())
    assert not labels.any()


@pytest.mark.usefixtures("small_slabs")
def test_keep_below_is_a_comparison_within_what_was_there():
    rng = np.random.default_rng(4)
    values = rng.standard_normal((30, 10, 10)).astype(np.float32)
    inside = (rng.random(values.shape) < 0.5).astype(np.uint8)
    labels = inside.copy()
    keep_below(slab_of(values), labels, 0.2, Context(threads=2))
    assert np.array_equal(labels, (inside > 0) & (values < 0.2))


@pytest.mark.usefixtures("small_slabs")
@pytest.mark.parametrize("fraction", [0.0001, 0.02, 0.35, 0.97, 0.9999, 1.0])
@pytest.mark.parametrize("tied", [False, True])
def test_bounds_narrowed_by_counting_change_nothing(monkeypatch, fraction, tied):
    monkeypatch.setattr(level, "MOST_COLLECTED", 50)
    monkeypatch.setattr(level, "BINS", 8)
    monkeypatch.setattr(level, "SAMPLED_VALUES", 200)
    rng = np.random.default_rng(5)
    values = rng.standard_normal((60, 9, 11)).astype(np.float32)
    if tied:
        values = np.round(values, 1)
    inside = (rng.random(values.shape) < 0.8).astype(np.uint8)
    labels = inside.copy()
    keep_smallest(slab_of(values), labels, fraction, Context(threads=2))
    assert np.array_equal(labels, smallest_by_sorting(values, inside, fraction))


def test_few_values_are_collected_from_a_large_field(monkeypatch):
    monkeypatch.setattr(level, "MOST_COLLECTED", 50)
    values = np.random.default_rng(6).random((40, 50, 50)).astype(np.float32)
    labels = np.ones(values.shape, np.uint8)
    collected = []
    concatenate = np.concatenate
    monkeypatch.setattr(
        np, "concatenate", lambda parts: collected.append(concatenate(parts)) or collected[-1]
    )
    keep_smallest(slab_of(values), labels, 0.4, Context())
    assert len(collected[-1]) < 10  # of 100 000, of which 2000 lie between the first bounds
    assert labels.sum() == 40000
