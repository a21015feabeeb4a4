from typing import Any

import numpy as np
import pytest
import torch

from fib_plugins.adapters.translation.generators import (
    Generator,
    Translation,
    build_generator,
    set_upright,
)
from fib_plugins.adapters.translation.noise import NoiseLaw
from fib_plugins.adapters.translation.normalization import take_statistics


def generator(name: str = "unet", **changes: object) -> Generator:
    settings: dict[str, Any] = {
        "channels": 1, "base_channels": 4, "depth": 1, "blocks": 1,
        "norm": "pixel", "noise": True, "seed": 0,
    }  # fmt: skip
    return build_generator(name, **settings | changes)


@pytest.mark.parametrize("name", ["unet", "resnet"])
@pytest.mark.parametrize("norm", ["pixel", "instance"])
@pytest.mark.parametrize(
    ("depth", "blocks", "shape"), [(1, 0, (2, 6)), (2, 1, (8, 12)), (3, 2, (16, 24))]
)
def test_translations_have_the_shape_of_what_was_translated(
    name: str, norm: str, depth: int, blocks: int, shape: tuple[int, int]
) -> None:
    images = torch.zeros(2, 3, shape[0] + 8, shape[1] + 8)
    network = generator(name, channels=3, norm=norm, depth=depth, blocks=blocks)
    made = network(images)
    assert made.mean.shape == images.shape
    assert made.deviation.shape == images.shape
    levels = network.features(images)
    assert [level.shape[1] for level in levels] == network.widths
    assert [images.shape[3] // level.shape[3] for level in levels] == [
        2**n for n in range(depth + 1)
    ]
    assert network.multiple == 2**depth


@pytest.mark.parametrize("name", ["unet", "resnet"])
@pytest.mark.parametrize(
    ("norm", "depth", "blocks"),
    [("pixel", 1, 0), ("pixel", 1, 3), ("pixel", 2, 2), ("instance", 2, 0), ("instance", 3, 1)],
)
def test_the_reach_is_how_far_a_pixel_changes_others(
    name: str, norm: str, depth: int, blocks: int
) -> None:
    network = generator(name, norm=norm, depth=depth, blocks=blocks).double()
    multiple, reach = network.multiple, network.reach
    middle = (reach + multiple) // multiple * multiple
    size = 2 * middle + multiple
    # A band rather than a square: what holds along x holds along y, by symmetry of the layers.
    band = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 16, size)))
    with torch.no_grad():
        take_statistics(network, [band])
        before = torch.cat(network(band), dim=1)
        distances = []
        for place in range(middle, middle + multiple):  # strides make some places reach further
            changed = band.clone()
            changed[0, 0, :, place] += 3.0
            after = torch.cat(network(changed), dim=1)
            columns = torch.nonzero((after != before).any(dim=2)[0].any(dim=0))[:, 0]
            distances.append(int((columns - place).abs().max()))
    assert max(distances) == reach  # less would show, more would cost time


def test_layers_reach_as_far_along_y_as_along_x() -> None:
    network = generator(depth=2, blocks=1)
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            for sizes in (layer.kernel_size, layer.stride, layer.padding, layer.dilation):
                assert len(set(sizes)) == 1


def test_weights_depend_on_the_seed_alone() -> None:
    def flat(network: Generator) -> torch.Tensor:
        return torch.cat([weights.flatten() for weights in network.parameters()])

    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first = flat(generator(seed=1))
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(6)
    assert torch.equal(flat(generator(seed=1)), first)
    assert not torch.equal(flat(generator(seed=2)), first)


def test_noise_is_as_strong_as_its_law_says_for_the_grey_value() -> None:
    network = generator()
    span = np.array([[-0.5, 0.5]], np.float32)
    law = NoiseLaw(np.array([[0.04, 0.01, -0.02]], np.float32), span, np.array([0.2], np.float32))
    assert network.added is not None
    network.added.follow(law)
    images = torch.from_numpy(np.random.default_rng(1).normal(size=(1, 1, 32, 32))).float()
    with torch.no_grad():
        made = network(20.0 * images)
    grey = made.mean.clamp(-0.5, 0.5)
    assert made.deviation is not None
    torch.testing.assert_close(made.deviation, (0.04 + 0.01 * grey - 0.02 * grey**2).sqrt())
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 32, 32)))
    assert torch.equal(made.with_noise(noise) - made.mean != 0, noise != 0)


def test_without_noise_a_translation_is_its_mean() -> None:
    made = generator(noise=False)(torch.zeros(1, 1, 16, 16))
    assert made.deviation is None
    assert made.with_noise(torch.ones(1, 1, 16, 16)) is made.mean


def test_halves_are_the_translations_of_either_half() -> None:
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 1, 16, 16))).float()
    for noise in (True, False):
        network = generator(noise=noise)
        first, second = network(images).halves()
        assert isinstance(first, Translation)
        for half, part in ((first, images[:2]), (second, images[2:])):
            alone = network(part)
            torch.testing.assert_close(half.mean, alone.mean)
            if noise:
                torch.testing.assert_close(half.deviation, alone.deviation)
            else:
                assert half.deviation is None


def test_the_reference_is_that_of_zhu_et_al() -> None:
    # 11.37 million weights: the figure known of their implementation, three channels, biases.
    network = generator("resnet", channels=3, base_channels=64, depth=2, blocks=9,
                        norm="instance", noise=False)  # fmt: skip
    convolutions = [
        weights
        for layer in network.modules()
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d)
        for weights in layer.parameters()
    ]
    assert sum(w.numel() for w in {id(w): w for w in convolutions}.values()) == 11_378_179


@pytest.mark.parametrize("seed", range(4))
def test_an_untrained_generator_can_be_set_upright(seed: int) -> None:
    made = build_generator(
        "unet", channels=2, base_channels=4, depth=1, blocks=1, norm="pixel", noise=True, seed=seed
    )
    images = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(seed))

    set_upright(made, images)

    with torch.no_grad():
        mean = made(images).mean
    for channel in range(2):
        pair = torch.stack([images[0, channel].flatten(), mean[0, channel].flatten()])
        assert torch.corrcoef(pair)[0, 1] > 0
