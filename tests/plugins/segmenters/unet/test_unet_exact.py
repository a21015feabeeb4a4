"""Inference in exact tiles, in 32 bits and in bfloat16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.unet import exact, tiles
from fib_plugins.segmenters.unet.inference import with_neighbours
from fib_plugins.segmenters.unet.network import build_network, folded
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.training import runtime
from fib_plugins.training.runtime import cpu_threads, multiplies_bfloat16
from fib_plugins.training.weights import set_weights
from fibcore import Context, FibError, Images, Labels

Imaged = Callable[[int, tuple[int, int, int]], Images]

CPU = torch.device("cpu")
needs_bfloat16 = pytest.mark.skipif(
    not multiplies_bfloat16(), reason="this CPU does not multiply bfloat16"
)


@pytest.fixture(scope="module")
def wide(imaged: Imaged) -> Images:
    """Images of a structure that takes several of the smallest tiles."""
    return imaged(5, (6, 190, 230))


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "TENSOR_BYTES", 1)


def predicted(
    unet: UNet, images: Images, threads: int = 1, **changes: object
) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities."""
    context = Context(1, threads=threads)
    labels = UNet.from_model(unet.model, save_probability=True, **changes).predict(images, context)
    return labels.data, context.kept["probability"].data


def plain(unet: UNet, images: Images) -> np.ndarray:
    """Return probabilities of whole slices by the network as it was trained."""
    network = build_network(**unet.network_params(len(images.kv), 2), seed=0).eval()
    set_weights(network, unet.model.weights)
    every = np.arange(images.shape[0])
    inputs = with_neighbours(unet, images, GreyScale.of(images), every, CPU)
    with cpu_threads(1), torch.inference_mode():
        made = network(inputs).softmax(dim=1).numpy()
    return made[..., : images.shape[1], : images.shape[2]].swapaxes(0, 1)


def test_the_whole_slice_is_seen_as_by_the_trained_network(fitted: UNet, wide: Images) -> None:
    assert np.allclose(predicted(fitted, wide)[1], plain(fitted, wide), atol=1e-5)


@pytest.mark.usefixtures("small_tiles")
def test_tiles_change_nothing_but_rounding(fitted: UNet, wide: Images) -> None:
    assert len(tiles.tiles(wide.shape[1:], fitted.depth, 1)) > 1
    assert np.allclose(predicted(fitted, wide)[1], plain(fitted, wide), atol=1e-5)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("precision", ["32", pytest.param("bf16", marks=needs_bfloat16)])
def test_no_number_of_threads_changes_a_byte(fitted: UNet, wide: Images, precision: str) -> None:
    expected = predicted(fitted, wide, 1, cpu_threads=1, precision=precision)
    for threads, each in ((3, 1), (1, 2), (2, 3)):
        made = predicted(fitted, wide, threads, cpu_threads=each, precision=precision)
        assert all(map(np.array_equal, made, expected))


@needs_bfloat16
def test_in_bfloat16_tiles_change_no_byte(
    fitted: UNet, wide: Images, request: pytest.FixtureRequest
) -> None:
    whole = predicted(fitted, wide, precision="bf16")
    request.getfixturevalue("small_tiles")
    assert all(map(np.array_equal, predicted(fitted, wide, precision="bf16"), whole))


@needs_bfloat16
@pytest.mark.parametrize("dimensions", ["2.5d", "3d"])
def test_bfloat16_changes_few_labels(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    other_images: Images,
    dimensions: str,
) -> None:
    params = {"patch_depth": 8, "batch_size": 4} if dimensions == "3d" else {}
    unet = small(dimensions=dimensions, epochs=1, **params).fit(images, structure)
    labels, probability = predicted(unet, other_images)
    reduced, reduced_probability = predicted(unet, other_images, precision="bf16")
    assert 0 < np.mean(reduced != labels) < 0.01
    assert np.abs(reduced_probability - probability).mean() < 5e-3
    assert np.allclose(reduced_probability.sum(axis=0), 1.0, atol=1e-5)


def test_a_cpu_that_would_emulate_bfloat16_is_refused(
    fitted: UNet, other_images: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "multiplies_bfloat16", lambda: False)
    with pytest.raises(FibError, match=r"needs a CPU that multiplies bfloat16 .* use '32'"):
        predicted(fitted, other_images, precision="bf16")
    predicted(fitted, other_images, precision="32")


@pytest.mark.parametrize("dimensions", ["2d", "2.5d"])
@pytest.mark.parametrize("voltages", [1, 2])
def test_channels_are_those_of_training(wide: Images, dimensions: str, voltages: int) -> None:
    unet = UNet.model_validate({"dimensions": dimensions, "slices_above": 1, "slices_below": 2})
    images = Images.stack([wide, replace(wide, data=wide.data**2, kv=(4.0,), names=())][:voltages])
    scale = GreyScale.of(images)
    own = range(1, 5)
    rows, columns = slice(0, 192), slice(80, 232)
    inputs = exact._inputs(unet, images, scale, own, rows, columns)
    expected = with_neighbours(unet, images, scale, np.array(own), CPU)[..., rows, columns]
    for first, number in ((0, 4), (1, 2), (3, 4)):
        made = exact._with_neighbours(unet, inputs, first, number)
        assert torch.equal(made, expected[first : first + number])
        assert made.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("flat", [True, False])
def test_folding_changes_rounding_only_and_not_the_network(flat: bool) -> None:
    network = build_network(
        flat=flat, channels=3, classes=2, base_channels=4, depth=2, norm="batch", seed=3
    )
    generator = torch.Generator().manual_seed(4)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            for values in (layer.weight.data, layer.bias.data, layer.running_mean):
                values.copy_(torch.randn(len(values), generator=generator))
            layer.running_var.copy_(0.5 + torch.rand(len(values), generator=generator))
    inputs = torch.randn(1, 3, *(16,) * (2 if flat else 3), generator=generator)
    with torch.inference_mode():
        expected = network.eval()(inputs)
        assert torch.allclose(folded(network)(inputs), expected, atol=1e-4, rtol=1e-4)
        assert torch.equal(network(inputs), expected)


def test_memory_grows_with_the_tile_and_not_with_the_stack() -> None:
    def memory(shape: tuple[int, int, int], **params: object) -> int:
        spec = Images(np.zeros(shape, np.uint8), (5.0, 5.0, 5.0), (2.0,)).spec
        return UNet.model_validate(params).forecast("predict", {"images": spec}).memory_bytes

    assert memory((2000, 128, 128)) == memory((1000, 128, 128))
    assert memory((200, 64, 64)) <= memory((200, 512, 512)) <= memory((200, 2048, 3072)) < 2**33
