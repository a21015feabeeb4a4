from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from fib_plugins.adapters.translation.normalization import PatchNorm, PixelNorm, take_statistics


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(2.0, 3.0, shape)).float()


def set_at_random(layer: PixelNorm | PatchNorm) -> None:
    with torch.no_grad():
        layer.weight.copy_(features(len(layer.weight), seed=1))
        layer.bias.copy_(features(len(layer.bias), seed=2))


def test_pixel_norm_is_layer_norm_over_the_channels_of_each_pixel() -> None:
    layer = PixelNorm(5)
    set_at_random(layer)
    given = features(2, 5, 3, 4)
    made = layer(given)
    values = given.numpy().astype(float)
    mean = values.mean(axis=1, keepdims=True)
    deviation = np.sqrt(values.var(axis=1, keepdims=True) + 1e-5)
    weight, bias = (t.detach().numpy()[:, None, None] for t in (layer.weight, layer.bias))
    expected = (values - mean) / deviation * weight + bias
    np.testing.assert_allclose(made.detach().numpy(), expected, rtol=1e-4, atol=1e-4)
    one_pixel = layer(given[:, :, 1:2, 2:3])
    torch.testing.assert_close(one_pixel, made[:, :, 1:2, 2:3])


def test_patch_norm_in_training_is_instance_normalisation() -> None:
    layer = PatchNorm(3).train()
    set_at_random(layer)
    instance = nn.InstanceNorm2d(3, affine=True)
    instance.weight, instance.bias = layer.weight, layer.bias
    given = features(2, 3, 8, 8)
    torch.testing.assert_close(layer(given), instance(given))
    before = layer.running_mean.clone()
    layer(given)
    assert torch.equal(layer.running_mean, before)  # steps leave no trace


def test_statistics_are_means_over_the_patches() -> None:
    layer = PatchNorm(3)
    patches = [features(1, 3, 8, 8, seed=n) * (n + 1) for n in range(5)]
    take_statistics(nn.Sequential(layer), [features(1, 3, 4, 4)])  # forgotten by the next
    take_statistics(nn.Sequential(layer), patches)
    means = np.mean([p.numpy().mean(axis=(0, 2, 3)) for p in patches], axis=0)
    variances = np.mean([p.numpy().var(axis=(0, 2, 3)) for p in patches], axis=0)
    assert not layer.training
    np.testing.assert_allclose(layer.running_mean.numpy(), means, rtol=1e-4)
    np.testing.assert_allclose(layer.running_var.numpy(), variances, rtol=1e-4)

    given = features(1, 3, 5, 7, seed=9)
    expected = (given.numpy() - means[:, None, None]) / np.sqrt(variances + 1e-5)[:, None, None]
    np.testing.assert_allclose(layer(given).detach().numpy(), expected, rtol=1e-4, atol=1e-4)


def test_statistics_of_later_layers_are_those_behind_normalised_earlier_ones() -> None:
    network = nn.Sequential(PatchNorm(3), nn.ReLU(), PatchNorm(3))
    patch = features(1, 3, 16, 16)
    network.train()
    expected = network(patch)
    take_statistics(network, [patch])
    torch.testing.assert_close(network(patch), expected, rtol=1e-4, atol=1e-4)


def test_a_network_without_statistics_looks_at_no_patch() -> None:
    def patches() -> Iterator[torch.Tensor]:
        pytest.fail("a patch was cut for nothing")
        yield

    network = nn.Sequential(PixelNorm(3)).train()
    take_statistics(network, patches())
    assert not network.training
