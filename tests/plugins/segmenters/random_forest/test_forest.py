from collections.abc import Callable

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from fib_plugins.segmenters.random_forest.forest import VOXELS_AT_ONCE, Forest
from fibcore import FibError

FEATURES = 5


def sample(classes: int, number: int = 3000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(number, FEATURES)).astype(np.float32)
    score = inputs[:, 0] + inputs[:, 1] ** 2 + 0.5 * rng.normal(size=number)
    return inputs, np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))


def fitted(classes: int = 3, **params: object) -> RandomForestClassifier:
    return RandomForestClassifier(12, random_state=0, **params).fit(*sample(classes))


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("params", [{}, {"max_depth": 4}, {"min_samples_leaf": 7}])
def test_probabilities_are_those_of_scikit_learn(classes: int, params: dict[str, object]) -> None:
    classifier = fitted(classes, **params)
    inputs, _ = sample(classes, VOXELS_AT_ONCE + 1001, seed=1)
    found = Forest.of(classifier, classes).probability(np.ascontiguousarray(inputs.T))
    assert found.dtype == np.float32
    assert np.allclose(found.T, classifier.predict_proba(inputs), rtol=0, atol=3e-7)


def test_a_class_without_training_voxels_is_never_found() -> None:
    inputs, targets = sample(2)
    classifier = RandomForestClassifier(5, random_state=0).fit(inputs, 2 * targets)
    found = Forest.of(classifier, 4).probability(np.ascontiguousarray(inputs.T))
    assert not found[[1, 3]].any()
    assert np.allclose(found[[0, 2]].T, classifier.predict_proba(inputs), atol=3e-7)


def test_grey_values_next_to_each_other_are_told_apart() -> None:
    # The mean of two neighbouring float32 numbers is none: thresholds have to be rounded right.
    values = np.linspace(4.0, 8.0, 50, dtype=np.float32)
    following = np.nextafter(values, np.float32(9.0))
    inputs = np.repeat(np.concatenate([values, following]), 5)[:, None]
    targets = np.repeat([0, 1], 250)
    classifier = RandomForestClassifier(1, bootstrap=False, random_state=0).fit(inputs, targets)
    found = Forest.of(classifier, 2).probability(np.ascontiguousarray(inputs.T))
    assert np.array_equal(found.argmax(axis=0), targets)


def test_axes_are_kept() -> None:
    forest = Forest.of(fitted(), 3)
    features = np.random.default_rng(2).normal(size=(FEATURES, 2, 3, 4)).astype(np.float32)
    found = forest.probability(features)
    assert found.shape == (3, 2, 3, 4)
    alone = forest.probability(np.ascontiguousarray(features[:, 1, 2, 3:]))
    assert np.array_equal(found[:, 1, 2, 3:], alone)


def changed(name: str, change: Callable[[np.ndarray], object]) -> dict[str, np.ndarray]:
    weights = {key: array.copy() for key, array in Forest.of(fitted(), 3).weights().items()}
    new = change(weights[name])
    if new is not None:
        weights[name] = np.asarray(new)
    return weights


def put(index: object, value: float) -> Callable[[np.ndarray], None]:
    return lambda array: array.__setitem__(index, value)


DAMAGES: dict[str, tuple[str, Callable[[np.ndarray], object]]] = {
    "a walk in a circle": ("children", put((5, 0), 0)),
    "a way out of the forest": ("children", put((5, 1), 10**6)),
    "a way into another tree": ("children", put((5, 1), 4000)),
    "a step before the beginning": ("children", put((5, 0), -1)),
    "a feature too many": ("feature", put(0, FEATURES)),
    "a negative feature": ("feature", put(0, -1)),
    "a threshold that is no number": ("threshold", put(3, np.nan)),
    "shares that are too large": ("share", put((3, 0), 2.0)),
    "shares that are no number": ("share", put((3, 0), np.nan)),
    "no trees": ("tree_start", lambda starts: starts[:1]),
    "nodes of no tree": ("tree_start", lambda starts: starts[:-1]),
    "trees that overlap": ("tree_start", put(1, 10**6)),
    "whole numbers that are broken": ("feature", lambda feature: feature.astype(np.float32)),
    "another rank": ("threshold", lambda threshold: threshold[:, None]),
    "no array": ("threshold", lambda threshold: threshold[0]),
    "too few nodes": ("feature", lambda feature: feature[:-1]),
}


@pytest.mark.parametrize(("name", "change"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_forests_are_refused(name: str, change: Callable[[np.ndarray], object]) -> None:
    Forest.of_weights(changed(name, lambda array: None), FEATURES, 3)
    with pytest.raises(FibError, match=r"no forest for 5 features and 3 phases.*train another"):
        Forest.of_weights(changed(name, change), FEATURES, 3)


def test_forests_for_something_else_are_refused() -> None:
    weights = Forest.of(fitted(), 3).weights()
    with pytest.raises(FibError, match="4 features and 3 phases"):
        Forest.of_weights(weights, FEATURES - 1, 3)
    with pytest.raises(FibError, match="5 features and 2 phases"):
        Forest.of_weights(weights, FEATURES, 2)
    with pytest.raises(FibError, match="made by another program"):
        Forest.of_weights({"conv.weight": np.zeros((3, 3))}, FEATURES, 3)
