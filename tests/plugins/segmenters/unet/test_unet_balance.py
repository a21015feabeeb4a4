"""Grey scales with the phases in the shares of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.unet.balance import mixed, moments, sampled
from fib_plugins.segmenters.unet.plugin import UNet
from fibcore import Context, Images, Labels

GREY = np.array([0.2, 0.6])
NOISE = 0.08


def two_levels(share: float, seed: int, shape: tuple[int, int, int] = (16, 48, 48)) -> Any:
    """Return images of two noisy levels and their labels, with a share of the bright phase."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), 3)
    labels = (field > np.quantile(field, 1 - share)).astype(np.uint8)
    grey = GREY[labels] + NOISE * rng.standard_normal(shape)
    return Images(grey.astype(np.float32), (5.0,) * 3, kv=(2,)), Labels(labels, (5.0,) * 3)


@pytest.mark.parametrize("per_slice", [False, True])
def test_a_mixture_in_the_shares_of_training_has_the_moments_of_the_analytic_one(
    per_slice: bool,
) -> None:
    images, labels = two_levels(0.7, 1)
    own = GreyScale.of(images, per_slice=per_slice)
    slices = np.arange(images.shape[0])
    scale = mixed(own, slices, moments(images, own, slices, labels.data), [0.6, 0.4], 16)
    assert scale.centre.shape == own.centre.shape
    centre = 0.6 * GREY[0] + 0.4 * GREY[1]
    spread = np.sqrt(0.6 * 0.4 * (GREY[1] - GREY[0]) ** 2 + NOISE**2)
    assert scale.centre == pytest.approx(centre, abs=0.01)
    assert scale.scale == pytest.approx(spread, abs=0.01)
    assert abs(own.centre.mean() - centre) > 0.1  # as they are, the stack is brighter


def test_own_shares_give_the_own_grey_scale() -> None:
    images, labels = two_levels(0.7, 1)
    own, slices = GreyScale.of(images), np.arange(16)
    shares = [1 - labels.solid.mean(), labels.solid.mean()]
    scale = mixed(own, slices, moments(images, own, slices, labels.data), shares, 16)
    assert scale.centre == pytest.approx(own.centre, rel=2e-3)
    assert scale.scale == pytest.approx(own.scale, rel=2e-3)


def test_slices_between_those_measured_are_interpolated() -> None:
    images, labels = two_levels(0.7, 1)
    drift = np.linspace(0, 0.5, 16)[:, None, None]
    drifting = images.with_data((images.data + drift).astype(np.float32))
    own = GreyScale.of(drifting, per_slice=True)
    slices = np.array([0, 1, 8, 14, 15])
    found = moments(drifting, own, slices, labels.data[slices])
    scale = mixed(own, slices, found, [0.5, 0.5], 16)
    expected = GREY.mean() + drift[:, 0, 0]
    assert np.abs(scale.centre[0] - expected).max() < 0.03  # shares of slices differ


def test_phases_that_are_hardly_there_change_nothing() -> None:
    images, labels = two_levels(0.7, 1)
    own, slices = GreyScale.of(images), np.arange(16)
    none = np.zeros_like(labels.data)
    assert mixed(own, slices, moments(images, own, slices, none), [0.5, 0.5], 16) is own


def test_thin_stacks_are_sampled_whole_and_thick_ones_in_blocks() -> None:
    assert [list(block) for block in sampled(5, 8)] == [[0, 1, 2, 3, 4]]
    blocks = sampled(1000, 8)
    assert [len(block) for block in blocks] == [8] * 6
    assert (blocks[0][0], blocks[-1][-1]) == (0, 999)


def test_a_stack_with_more_solid_than_in_training_is_segmented_as_well(
    small: Callable[..., UNet],
) -> None:
    images, labels = two_levels(0.4, 2, (12, 64, 64))
    unet = small(dimensions="2d", normalization="slice", epochs=6, learning_rate=3e-3)
    model = unet.fit(images, labels, context=Context(1)).model
    assert model.info["shares"] == pytest.approx([0.6, 0.4], abs=1e-3)
    other, truth = two_levels(0.85, 3, (12, 64, 64))

    def wrong(**params: Any) -> float:
        found = UNet.from_model(model, **params).predict(other, context=Context(1))
        return float(np.mean(found.data != truth.data))

    own, stack = wrong(grey_shares="own"), wrong(grey_shares="own", batch_norm="stack")
    assert wrong() < 0.7 * own  # the default for z-scores of slices
    assert stack > own  # statistics of the stack shift it further
    old = UNet.from_model(model)
    old.model.info.pop("shares")  # of a version that did not record them
    assert np.array_equal(
        old.predict(other, context=Context(1)).data,
        UNet.from_model(model, grey_shares="own").predict(other, context=Context(1)).data,
    )
