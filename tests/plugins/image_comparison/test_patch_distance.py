from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from fib_plugins.image_comparison.patch_distance import (
    directions,
    patch_distance,
    projections,
    random_patches,
)


def test_patches_lie_where_they_are_asked_for():
    data = np.random.default_rng(0).integers(0, 255, (2, 5, 20, 30)).astype(np.uint8)
    places = np.random.default_rng(1).random((50, 3))
    patches = random_patches(data, 7, places)
    assert patches.shape == (50, 2, 7, 7)
    for patch, place in zip(patches, places, strict=True):
        z, y, x = (int(part) for part in place * (5, 20 - 7 + 1, 30 - 7 + 1))
        np.testing.assert_array_equal(patch, data[:, z, y : y + 7, x : x + 7])


def test_the_outermost_patches_can_be_drawn():
    data = np.arange(60.0).reshape(1, 1, 6, 10)
    first, last = random_patches(data, 4, np.array([[0, 0, 0], [1, 1, 1 - 1e-9]]) * (1 - 1e-9))
    assert first[0, 0, 0] == 0
    assert last[0, -1, -1] == 59


def test_it_is_the_mean_distance_of_the_projections():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(200, 1, 3, 3)), rng.gamma(2, size=(200, 1, 3, 3))
    vectors = directions(rng, 20, 9)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)
    expected = [
        wasserstein_distance(one.reshape(200, 9) @ v, other.reshape(200, 9) @ v) for v in vectors
    ]
    found = patch_distance(projections(one, vectors), projections(other, vectors))
    assert found == pytest.approx(np.mean(expected), rel=1e-9)


def test_noise_of_another_strength_is_as_far_away_as_theory_says():
    rng = np.random.default_rng(3)
    vectors = directions(rng, 50, 64)
    one, other = (s * rng.normal(size=(20_000, 1, 8, 8)) for s in (1.0, 1.5))
    found = patch_distance(projections(one, vectors), projections(other, vectors))
    assert found == pytest.approx(0.5 * np.sqrt(2 / np.pi), rel=0.02)
