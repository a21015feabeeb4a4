from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.image_statistics.noise_level import noise_level, noise_of_slice

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("sigma", [0.01, 7.0, 300.0])
def test_white_noise_is_found_within_two_percent(sigma):
    assert noise_of_slice(RNG.normal(5, sigma, (256, 256))) == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize(("sigma", "tolerance"), [(10.0, 0.12), (40.0, 0.06)])
def test_noise_on_a_sharp_structure_is_found(blobs, sigma, tolerance):
    structure = 100.0 * blobs((6, 128, 128), sigma=4.0)  # a fifth of the pixels at an edge
    noisy = structure + RNG.normal(0, sigma, structure.shape)
    assert noise_level(noisy) == pytest.approx(sigma, rel=tolerance)


def test_edges_as_blurred_as_a_beam_leaves_them_hardly_count(blobs):
    structure = gaussian_filter(100.0 * blobs((4, 128, 128), sigma=4.0), (0, 0.7, 0.7))
    noisy = structure + RNG.normal(0, 10, structure.shape)
    assert noise_level(noisy) == pytest.approx(10, rel=0.04)
    assert noise_level(np.rint(noisy + 80).astype(np.uint8)) == pytest.approx(10, rel=0.05)


def test_gradients_stripes_and_a_structure_without_noise_are_no_noise(blobs):
    y, x = np.indices((100, 120))
    stripes = RNG.normal(0, 50, 120)
    assert noise_of_slice(3.0 * y - 2.0 * x + stripes) < 1e-4
    assert noise_level(100 * blobs((3, 128, 128), sigma=6.0)) == 0


def test_one_bad_slice_does_not_count():
    data = RNG.normal(0, 3, (5, 100, 100))
    data[2] *= 50
    assert noise_level(data, threads=2) == pytest.approx(3, rel=0.05)
