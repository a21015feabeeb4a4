"""Statistics of batch normalisation, taken anew from the stack to be segmented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.unet.batch_norm import adapt
from fib_plugins.segmenters.unet.network import build_network
from fib_plugins.segmenters.unet.plugin import UNet
from fibcore import Context, Images, Labels


def adapted(unet: UNet, images: Images, batch_size: int = 16, **context: Any) -> nn.Module:
    network = build_network(**unet.network_params(len(images.kv), 2), seed=0)
    network.train()
    adapt(unet, network, images, GreyScale.of(images), batch_size, Context(0, **context))
    return network


def first_layers(network: nn.Module) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return the first convolution, and mean and variance of the normalisation behind it."""
    convolution = next(m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    norm = next(m for m in network.modules() if isinstance(m, nn.BatchNorm2d | nn.BatchNorm3d))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    return convolution, norm.running_mean, norm.running_var


@pytest.mark.parametrize("dimensions", ["2d", "2.5d", "3d"])
def test_the_first_layer_has_mean_and_variance_of_its_features(
    small: Callable[..., UNet], images: Images, dimensions: str
) -> None:
    # A stack of the size of one patch: every patch shows all of it.
    unet = small(dimensions=dimensions, patch=32, patch_depth=8)
    shown = images.with_data(images.data[:, : 8 if dimensions == "3d" else 1, :32, :32])
    network = adapted(unet, shown)
    convolution, mean, found = first_layers(network)
    z_scores = (shown.data - shown.data.mean()) / shown.data.std()
    inputs = z_scores[np.newaxis] if dimensions == "3d" else z_scores
    if dimensions == "2.5d":
        inputs = np.repeat(inputs, 6, axis=1)  # the one slice stands for its neighbours
    features = convolution(torch.from_numpy(np.ascontiguousarray(inputs)).float())
    axes = tuple(axis for axis in range(features.ndim) if axis != 1)
    assert torch.allclose(mean, features.mean(axes), atol=1e-3)
    assert torch.allclose(found, features.var(axes), rtol=1e-2)


def test_many_patches_tell_the_statistics_of_the_stack(
    small: Callable[..., UNet], imaged: Any
) -> None:
    images = imaged(3, (20, 96, 96))
    convolution, mean, found = first_layers(adapted(small(dimensions="2d"), images))
    z_scores = (images.data - images.data.mean()) / images.data.std()
    features = convolution(torch.from_numpy(z_scores[0][:, np.newaxis]).float())
    variance = features.var((0, 2, 3))
    away = (mean - features.mean((0, 2, 3))).abs() / variance.sqrt()
    assert float(away.detach().max()) < 0.15
    assert torch.allclose(found, variance, rtol=0.15)


def test_it_makes_up_for_another_contrast_and_brightness(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    def share_wrong(images: Images, batch_norm: str) -> float:
        changes = {"normalization": "training", "batch_norm": batch_norm}
        found = UNet.from_model(fitted.model, **changes).predict(images)
        return float(np.mean(found.data != other_structure.data))

    changed = other_images.with_data(0.5 * other_images.data + 0.4)
    right = share_wrong(other_images, "training")
    assert share_wrong(changed, "training") > 3 * right
    assert share_wrong(changed, "stack") < 1.5 * right


def test_windows_batches_and_threads_do_not_matter(small: Callable[..., UNet], imaged: Any) -> None:
    images = imaged(3, (12, 72, 72))
    layouts = [
        (small(), {"threads": 1}),
        (small(window=16, overlap=0.5, batch_size=3), {"threads": 4}),
    ]
    one, two = (adapted(unet, images, 16, **context) for unet, context in layouts)
    for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("shape", [(1, 64, 64), (5, 21, 90)])
def test_small_and_odd_stacks_will_do(
    fitted: UNet, imaged: Any, shape: tuple[int, int, int]
) -> None:
    unet = UNet.from_model(fitted.model, batch_norm="stack")
    assert unet.predict(imaged(4, shape)).shape == shape


def test_the_model_stays_as_it_was(fitted: UNet, other_images: Images) -> None:
    before = fitted.predict(other_images).data
    renewed = UNet.from_model(fitted.model, batch_norm="stack").predict(other_images).data
    assert not np.array_equal(renewed, before)
    assert np.array_equal(fitted.predict(other_images).data, before)


def test_instance_normalisation_has_no_statistics_to_renew() -> None:
    with pytest.raises(ValidationError, match="leave batch_norm out"):
        UNet(norm="instance", batch_norm="stack")
