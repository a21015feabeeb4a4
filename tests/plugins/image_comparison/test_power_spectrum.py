from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import fourier_gaussian

from fib_plugins.image_comparison.power_spectrum import Rings, radial_power, spectrum_distance
from fibcore import FibError


def rings_of(data, pixel_nm=(4.0, 4.0)):
    return Rings.common([data.shape], [(1.0, *pixel_nm)])


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(50, 3, (8, 128, 160))


def test_white_noise_has_its_variance_at_all_frequencies(noise):
    found = radial_power(noise, (4.0, 2.0), rings_of(noise, (4.0, 2.0)))
    assert found.mean() == pytest.approx(9 * 4 * 2, rel=0.02)
    np.testing.assert_allclose(found[len(found) // 2 :], 72, rtol=0.1)  # rings of many waves


def test_a_blur_multiplies_the_spectrum_by_its_squared_transfer_function(noise):
    sigma = 0.6
    spectrum = np.fft.fft2(noise)
    blurred = np.fft.ifft2([fourier_gaussian(plane, sigma) for plane in spectrum]).real
    rings = rings_of(noise)
    ratio = radial_power(blurred, (4.0, 4.0), rings) / radial_power(noise, (4.0, 4.0), rings)
    transfer = np.exp(-2 * (np.pi * sigma * 4.0 * rings.frequency_per_nm) ** 2)
    # Within a ring the transfer function falls; a ring is compared with its middle.
    np.testing.assert_allclose(ratio, transfer**2, rtol=0.08)


@pytest.mark.parametrize("pixel_nm", [2.0, 5.0])
def test_a_wave_lies_at_its_frequency_in_nm_whatever_the_pixels(pixel_nm):
    wavelength_nm = 42.0
    y, x = np.indices((200, 200)) * pixel_nm
    wave = np.sin(2 * np.pi * (0.6 * y + 0.8 * x) / wavelength_nm)[None]
    rings = Rings.common([(1, 200, 200), (1, 80, 80)], [(1.0, 2.0, 2.0), (1.0, 5.0, 5.0)])
    peak = rings.frequency_per_nm[np.argmax(radial_power(wave, (pixel_nm, pixel_nm), rings))]
    assert peak == pytest.approx(1 / wavelength_nm, abs=rings.width_per_nm / 2)


@pytest.mark.parametrize("shape", [(2, 21, 26), (1, 26, 25)])
def test_it_agrees_with_a_sum_over_the_whole_plane(shape):
    data = np.random.default_rng(1).random(shape)
    pixel_nm = (3.0, 2.5)
    rings = rings_of(data, pixel_nm)
    y, x = (np.arange(n) + 0.5 for n in shape[1:])
    window = np.outer(np.sin(np.pi * y / shape[1]) ** 2, np.sin(np.pi * x / shape[2]) ** 2)
    sums, members = np.zeros(rings.count), np.zeros(rings.count)
    for plane in data:
        power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
        for i, fy in enumerate(np.fft.fftfreq(shape[1], pixel_nm[0])):
            for j, fx in enumerate(np.fft.fftfreq(shape[2], pixel_nm[1])):
                ring = int(np.hypot(fy, fx) / rings.width_per_nm)
                if ring < rings.count:
                    sums[ring] += power[i, j]
                    members[ring] += 1
    expected = 3.0 * 2.5 / np.sum(window**2) * sums / members
    np.testing.assert_allclose(radial_power(data, pixel_nm, rings), expected[1:], rtol=1e-9)


def test_the_result_does_not_depend_on_threads(noise):
    rings = rings_of(noise)
    found = [radial_power(noise, (4.0, 4.0), rings, threads).tobytes() for threads in (1, 3)]
    assert found[0] == found[1]


def test_rings_end_where_the_coarsest_pixels_do():
    rings = Rings.common([(5, 64, 64), (5, 200, 300)], [(9.0, 4.0, 4.0), (9.0, 2.0, 2.0)])
    assert rings.width_per_nm == pytest.approx(2 / 256)
    assert rings.frequency_per_nm[-1] + rings.width_per_nm / 2 <= 1 / 8
    with pytest.raises(FibError, match="too few frequencies in common"):
        Rings.common([(5, 64, 64), (5, 16, 300)], [(9.0, 4.0, 4.0), (9.0, 4.0, 4.0)])


def test_spectra_of_another_height_are_that_many_decades_apart():
    one = np.geomspace(1, 1e-3, 30)
    assert spectrum_distance(one, one) == 0
    assert spectrum_distance(one, 100 * one) == pytest.approx(2)
