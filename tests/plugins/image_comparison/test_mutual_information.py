from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.image_comparison.mutual_information import information_bits, joint_counts

RNG = np.random.default_rng(0)


def measured(grey, labels):
    return information_bits(joint_counts(np.asarray(grey), labels.astype(np.uint8)))


@pytest.mark.parametrize("share", [0.5, 0.2, 0.005])
def test_of_an_image_that_is_its_labels_it_is_their_entropy(share):
    labels = RNG.random((200, 200)) < share
    p = labels.mean()
    entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
    for grey in (labels.astype(np.uint8), 250 - 30.0 * labels):
        found, of_labels = measured(grey, labels)
        assert found == pytest.approx(of_labels, rel=1e-9)
        assert found == pytest.approx(entropy, rel=1e-3)


def test_three_phases_are_told_apart():
    labels = RNG.integers(0, 3, (100, 100))
    found, of_labels = measured(np.array([90, 10, 50])[labels], labels)
    assert found == pytest.approx(of_labels, rel=1e-9)
    assert found == pytest.approx(np.log2(3), rel=1e-2)


def test_of_noise_it_is_nothing_although_samples_are_small():
    labels = RNG.random((50, 60, 60)) < 0.3
    found = [measured(RNG.normal(size=plane.shape), plane)[0] for plane in labels]
    assert np.mean(found) < 0.002  # without correction 63 / (2 * 3600 * ln 2) = 0.0126


def test_of_a_binary_channel_it_is_what_shannon_says():
    labels = RNG.random((400, 400)) < 0.5
    flipped = labels ^ (RNG.random(labels.shape) < 0.11)
    expected = 1 + 0.11 * np.log2(0.11) + 0.89 * np.log2(0.89)
    assert measured(flipped.astype(np.uint8), labels)[0] == pytest.approx(expected, abs=0.01)


def test_of_noisy_images_it_is_the_integral_over_grey_values():
    labels = RNG.random((500, 500)) < 0.5
    grey = labels + RNG.normal(0, 0.5, labels.shape)
    x = np.linspace(-4, 5, 4001)
    pore, solid = (np.exp(-2 * (x - mean) ** 2) / np.sqrt(np.pi / 2) for mean in (0, 1))
    both = (pore + solid) / 2
    expected = sum(
        np.sum(0.5 * p * np.log2(p / both, out=np.zeros_like(p), where=p > 0))
        for p in (pore, solid)
    ) * (x[1] - x[0])
    assert measured(grey, labels)[0] == pytest.approx(expected, rel=0.02)
