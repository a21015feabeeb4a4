"""Parameters of the twin's instrument for each channel."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.adapters.twin import Twin
from fibcore import Context, FibError, Images

VOXEL_NM = (6.0, 4.0, 2.0)


def blobs(shape=(5, 48, 64), channels=1, seed=0):
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 3.0)
    data = np.where(field > 0, 0.6, 0.15).astype(np.float32)
    return Images(np.stack([data] * channels), VOXEL_NM, kv=tuple(range(1, channels + 1)))


def recorded(images, seed=1, **params):
    return Twin(**params).transform(images, Context(seed))


PER_CHANNEL = {
    "white_level": 1.5,
    "halo": 0.8,
    "detector_deg": 100.0,
    "curtain_depth": 0.4,
    "shadowing": 0.5,
    "beam_electrons": 20.0,
    "electron_spread": 3.0,
    "amplifier_noise": 0.2,
    "mean_level": 0.6,
    "contrast_level": 0.05,
}


@pytest.mark.parametrize("name", PER_CHANNEL)
def test_a_parameter_of_one_channel_leaves_the_other_as_it_is(name):
    images = blobs(channels=2)
    usual = Twin(preset="typical")
    (own,) = getattr(usual, name) or (1.0,)
    same = recorded(images, preset="typical", **{name: [own, own]})
    np.testing.assert_array_equal(same.data, recorded(images, preset="typical").data)
    found = recorded(images, preset="typical", **{name: [own, PER_CHANNEL[name]]})
    np.testing.assert_array_equal(found.data[0], same.data[0])
    assert (found.data[1] != same.data[1]).mean() > 0.05
    swapped = recorded(images, preset="typical", **{name: [PER_CHANNEL[name], own]})
    np.testing.assert_array_equal(swapped.data[1], same.data[1])


def test_every_parameter_of_channels_is_tested():
    assert {*PER_CHANNEL, "black_level"} == set(Twin.per_channel)


def test_curtains_lie_at_the_same_place_in_all_channels_and_differ_in_depth():
    params = {"curtains_per_um": 100.0, "curtain_depth": [0.0, 0.02, 0.06], "bits": None}
    images = Images(np.full((3, 6, 60, 300), 0.5, np.float32), VOXEL_NM, kv=(1.0, 2.0, 3.0))
    none, weak, strong = np.log(recorded(images, **params).data / 0.5)
    assert not none.any()
    assert weak.min() < -0.02
    np.testing.assert_allclose(strong, 3.0 * weak, atol=1e-5)


def test_black_and_white_are_those_of_each_channel():
    grey = np.full((2, 1, 4, 4), 3.0, np.float32)
    images = Images(grey, VOXEL_NM, kv=(2.0, 2.0), detectors=("bse", "se"))
    found = recorded(images, bits=None, black_level=[2.0, 0.0], white_level=[4.0, 12.0])
    np.testing.assert_allclose(found.data[:, 0, 0, 0], [0.5, 0.25])


def test_numbers_for_other_channels_are_refused_before_the_run():
    twin = Twin(halo=[0.1, 0.2, 0.3])
    message = "halo is given for 3 channels, the images have 2: give one number for all"
    with pytest.raises(FibError, match=message):
        twin.forecast("transform", {"images": blobs(channels=2).spec})
    with pytest.raises(FibError, match=message):
        twin.transform(blobs(channels=2))
