"""Presets of instruments for pixels of any size."""

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from fib_plugins.adapters.acquisition import Acquisition
from fib_plugins.adapters.twin import Twin
from fibcore import Context, Images

VOXEL_NM = (6.0, 4.0, 2.0)


def blobs(shape=(5, 48, 64), channels=1, seed=0):
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 3.0)
    data = np.where(field > 0, 0.6, 0.15).astype(np.float32)
    return Images(np.stack([data] * channels), VOXEL_NM, kv=tuple(range(1, channels + 1)))


@pytest.mark.parametrize("instrument", [Twin, Acquisition])
@pytest.mark.parametrize("preset", ["typical", "bad"])
def test_a_preset_for_pixels_of_another_size_makes_images_of_the_same_look(instrument, preset):
    def images(scale):
        size = tuple(scale * nm for nm in VOXEL_NM)
        return Images(blobs((4, 64, 64)).data, size, kv=(2.0,))

    params = {"preset": preset, "bits": None}
    fine = instrument(**params).transform(images(1), Context(1))
    coarse = instrument(**params, preset_pixel_nm=24).transform(images(8), Context(1))
    np.testing.assert_allclose(coarse.data, fine.data, atol=2e-4)
    assert (
        np.abs(instrument(**params).transform(images(8), Context(1)).data - fine.data).max() > 0.1
    )


def test_lengths_of_a_preset_follow_its_pixels_where_they_are_not_given():
    coarse = Twin(preset="typical", preset_pixel_nm=30, probe_nm=7, raw=True)
    usual = Twin(preset="typical", raw=True)
    assert coarse.probe_nm == 7
    for name, power in Twin.lengths.items():
        if name != "probe_nm":
            assert getattr(coarse, name) == pytest.approx(10**power * getattr(usual, name)), name
    assert set(Twin.lengths) | {"bad_dimming"} >= {
        name for name in Twin.model_fields if name.endswith(("_nm", "_per_um"))
    } - {"slice_nm", "preset_pixel_nm"}
    assert Twin(**coarse.model_dump(mode="json")) == coarse
    assert Twin(preset="typical", preset_pixel_nm=3.0) == Twin(preset="typical")


@pytest.mark.parametrize("instrument", [Twin, Acquisition])
def test_a_preset_for_much_finer_pixels_is_warned_of(instrument):
    def warnings(**params):
        spec = Images(blobs().data, (40.0, 40.0, 40.0), kv=(2.0,)).spec
        return instrument(**params).forecast("transform", {"images": spec}).warnings

    (text,) = warnings(preset="bad")
    assert "for pixels of 3 nm, those of the images are 40 nm: set preset_pixel_nm to 40" in text
    assert not warnings(preset="bad", preset_pixel_nm=40)
    assert not warnings(preset="bad", curtain_width_nm=50)
    assert not warnings()


@pytest.mark.parametrize("pixel_nm", [0, -3.0, 1e9, "3 nm", None, float("nan")])
def test_the_size_of_a_presets_pixels_is_checked(pixel_nm):
    with pytest.raises(ValidationError, match="preset_pixel_nm"):
        Twin(preset="typical", preset_pixel_nm=pixel_nm)
