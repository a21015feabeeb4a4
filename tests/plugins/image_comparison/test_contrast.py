from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.image_comparison.contrast import PhaseSums, by_atomic_number
from fibcore import FibError
from fibcore.registry import registry

RNG = np.random.default_rng(0)
LABELS = (RNG.random((4, 30, 40)) < 0.3).astype(np.uint8)


def sums(grey, labels=LABELS, threads=1):
    return PhaseSums.of(np.asarray(grey), labels, "the images", threads)


def test_contrast_is_the_correlation_with_the_brighter_phase():
    grey = 50 + 20 * LABELS + RNG.normal(0, 15, LABELS.shape)
    found = sums(grey).contrast((0, 1))
    expected = [np.corrcoef(g.ravel(), p.ravel())[0, 1] for g, p in zip(grey, LABELS, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(sums(grey).contrast((1, 0)), -found)


def test_perfect_and_inverted_images_have_contrast_one_and_minus_one():
    inverted = np.where(np.arange(4)[:, None, None] == 2, 1 - LABELS, LABELS)
    found = sums(60_000 + inverted.astype(float)).contrast((0, 1))
    np.testing.assert_allclose(found, [1, 1, -1, 1], rtol=1e-6)


def test_of_three_phases_the_worst_pair_counts():
    labels = RNG.integers(0, 3, (2, 40, 40)).astype(np.uint8)
    grey = np.array([10.0, 50.0, 40.0])[labels] + RNG.normal(0, 5, labels.shape)
    found = sums(grey, labels).contrast((0, 1, 2))
    pair = labels[0] > 0
    expected = np.corrcoef(grey[0][pair], labels[0][pair])[0, 1]
    assert found[0] == pytest.approx(expected)
    assert sums(grey, labels).contrast((0, 2, 1)).min() > 0.5


def test_slices_of_one_phase_or_one_grey_value_have_none():
    labels = LABELS.copy()
    labels[1] = 0
    grey = RNG.normal(size=labels.shape)
    grey[3] = 7.25
    assert np.isnan(sums(grey, labels).contrast((0, 1))).tolist() == [False, True, False, True]


def test_phases_are_put_in_order_by_what_the_images_show():
    labels = RNG.choice(np.array([0, 2, 5], np.uint8), (3, 20, 20))
    grey = {0: 80, 2: 20, 5: 50}
    found = sums(np.vectorize(grey.get)(labels) + RNG.normal(0, 5, labels.shape), labels)
    assert found.dark_to_bright() == (2, 5, 0)


def test_or_by_the_atomic_number_of_their_materials():
    phases = {i: registry().material(name) for i, name in enumerate(("Au", "epoxy", "Si"))}
    assert by_atomic_number(phases, [0, 1, 2]) == (1, 2, 0)
    with pytest.raises(FibError, match=r"phases \[3\] without a material"):
        by_atomic_number(phases, [0, 3])


def test_broken_values_are_refused_with_their_slice():
    grey = np.ones(LABELS.shape)
    grey[2, 0, 0] = np.nan
    with pytest.raises(FibError, match="slice 2 of the images holds values that are not finite"):
        sums(grey)


def test_sums_do_not_depend_on_threads():
    grey = RNG.normal(size=LABELS.shape)
    one, three = sums(grey), sums(grey, threads=3)
    np.testing.assert_array_equal(one.square, three.square)
