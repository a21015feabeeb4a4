"""Every corrector keeps the channels of its images, and what is fitted belongs to a channel."""

import logging

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins import Destripe, Level
from fibcore import Context, Images, Trainable
from fibcore.registry import registry

PARAMS = {
    "corrector/crop": {"region": {"x": [4, 60]}},
    "corrector/resample": {"voxel_size_nm": [6.0, 6.0, 6.0]},
    "corrector/thickness": {"method": "given", "mean_nm": 7.0},
    "corrector/tilt": {"angle_deg": 52.0, "mode": "resample"},
}
CORRECTORS = [entry.identifier for entry in registry().entries("corrector")]
FITTED = [name for name in CORRECTORS if issubclass(registry().plugin(name), Trainable)]
DARK, BRIGHT = 60.0, 170.0
"""Mean grey value of BSE and of SE."""


@pytest.fixture(scope="module")
def stack():
    """BSE without curtains, SE with strong ones and drift of brightness."""
    rng = np.random.default_rng(4)
    field = gaussian_filter(rng.standard_normal((12, 96, 112)), (2.0, 4.0, 4.0))
    solid = field > 0
    curtains = gaussian_filter(rng.standard_normal((12, 1, 112)), (0, 0, 1.5))
    bse = DARK + 20.0 * (solid - 0.5)
    se = BRIGHT + 40.0 * (solid - 0.5) + 40.0 * curtains + 8.0 * rng.standard_normal((12, 1, 1))
    grey = np.stack([bse, se]) + 2.0 * rng.standard_normal((2, 12, 96, 112))
    data = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    return Images(data, (6.0, 6.0, 6.0), kv=(2.0, 2.0), detectors=("bse", "se"))


def made(name):
    return registry().plugin(name)(**PARAMS.get(name, {}))


def swapped(images):
    return images.take([1, 0])


@pytest.mark.parametrize("name", CORRECTORS)
@pytest.mark.parametrize("turn", [lambda images: images, swapped], ids=["as given", "swapped"])
def test_channels_stay_with_their_images(name, turn, stack):
    images = turn(stack)
    found = made(name).correct(images, context=Context(1))
    assert found.channels == images.channels
    assert found.names == images.names
    output = made(name).forecast("correct", {"images": images.spec}).output
    assert output is None or output.channels == images.channels
    means = found.data.reshape(2, -1).mean(axis=1)
    np.testing.assert_allclose(turn_back(means, images), (DARK, BRIGHT), atol=20)


def turn_back(means, images):
    return means if images.detectors == ("bse", "se") else means[::-1]


@pytest.mark.parametrize("name", FITTED)
def test_a_fit_is_applied_to_the_channels_that_it_is_of(name, stack):
    fitted = made(name).fit(stack, context=Context(1))
    expected = fitted.correct(stack, context=Context(1))
    again = type(fitted).from_model(fitted.model)
    found = again.correct(swapped(stack), context=Context(1))
    assert found.channels == expected.channels[::-1]
    np.testing.assert_array_equal(found.data[::-1], expected.data)


@pytest.mark.parametrize("corrector", [Destripe, Level])
def test_a_fit_to_other_detectors_is_warned_of(corrector, stack, caplog):
    fitted = corrector().fit(stack, context=Context(1))
    other = stack.spec.channels
    renamed = Images(stack.data, stack.voxel_size_nm, kv=(2.0, 2.0), detectors=("bse", "in_lens"))
    with caplog.at_level(logging.WARNING):
        found = fitted.correct(renamed, context=Context(1))
    assert "was fitted to images of" in caplog.text
    assert found.channels == renamed.channels != other
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        fitted.correct(swapped(stack), context=Context(1))
    assert "was fitted to" not in caplog.text
