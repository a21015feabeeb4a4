"""Small stacks that look different, tiny translators, and generators whose weights are set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.noise import NoiseLaw
from fib_plugins.adapters.translation.translator import Translator
from fibcore import Context, Images, Labels, Model

VOXEL_NM = (5.0, 5.0, 5.0)
NOISE = 14.0
"""Standard deviation of the noise in the target, grey values of 256."""

TINY: dict[str, Any] = {
    "base_channels": 4,
    "depth": 1,
    "blocks": 1,
    "discriminator_channels": 4,
    "patch": 32,
    "epochs": 1,
    "steps_per_epoch": 1,
    "validation_slices": 2,
    "cpu_threads": 1,
}
"""Parameters with which a step takes a moment, for tests that need no good translator."""


def blobs(seed: int, shape: tuple[int, int, int] = (8, 48, 48)) -> Labels:
    """A random two-phase structure with 40 % solid."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), (1.5, 3, 3))
    return Labels((field > np.quantile(field, 0.6)).astype(np.uint8), VOXEL_NM)


def simulated(labels: Labels) -> Images:
    """What a simulator makes of a structure: float32, next to no noise."""
    grey = gaussian_filter(labels.data.astype(np.float32), (0, 0.7, 0.7))
    faint = np.random.default_rng(3).normal(0, 0.004, labels.shape)
    return Images((0.2 + 0.6 * grey + faint).astype(np.float32), VOXEL_NM, kv=(2.0,))


def measured(labels: Labels, seed: int = 0) -> Images:
    """What a microscope makes of it: uint8, with noise."""
    grey = gaussian_filter(labels.data.astype(np.float32), (0, 0.7, 0.7))
    noise = np.random.default_rng(100 + seed).normal(0, NOISE, labels.shape)
    return Images(np.clip(70 + 90 * grey + noise, 0, 255).astype(np.uint8), VOXEL_NM, kv=(2.0,))


def constant_noise(deviation: float) -> NoiseLaw:
    """The law of noise that is the same at every grey value."""
    coefficients = np.array([[deviation**2, 0.0, 0.0]], np.float32)
    span = np.array([[-1.0, 1.0]], np.float32)
    return NoiseLaw(coefficients, span, np.array([deviation], np.float32))


def set_by_hand(
    params: Translator, *, gain: float = 1.0, shift: tuple[int, int] = (0, 0), noise: float = 0.0
) -> dict[str, np.ndarray]:
    """Return weights of a U-Net with four channels that multiplies, shifts and adds noise.

    The stem's first channel is 0.1 x, the others 1, -1 and 0: `PixelNorm` then leaves about
    0.075 x / sqrt(0.5) of it, which the head, that sees it past all other layers, takes up.

    Args:
        params: the translator that the weights are for.
        gain: what scaled grey values are multiplied by; negative: bright becomes dark.
        shift: how far the image moves along y and x, pixels, at most 3.
        noise: standard deviation of the noise, as scaled for the network.
    """
    import torch

    from fib_plugins.adapters.translation.generators import build_generator, network_params
    from fib_plugins.training.weights import weights_of

    assert params.generator == "unet"
    assert params.base_channels == 4
    network: Any = build_generator(channels=1, **network_params(params), seed=0)
    convolution, norm, last = network.stem[1], network.stem[2], network.last
    factor = gain * math.sqrt(0.5) / 0.075
    with torch.no_grad():
        for tensor in (convolution.weight, last.weight, last.bias):
            tensor.zero_()
        convolution.weight[0, 0, 3, 3] = 0.1
        convolution.bias.copy_(torch.tensor([0.0, 1.0, -1.0, 0.0]))
        norm.bias.fill_(1.0)  # so that ReLU cuts nothing off
        last.weight[0, 4, 3 - shift[0], 3 - shift[1]] = factor
        last.bias[0] = -factor
        if network.added is not None:
            network.added.follow(constant_noise(noise))
    return weights_of(network)


@pytest.fixture(scope="session")
def structure() -> Labels:
    """The structure that the source shows."""
    return blobs(1)


@pytest.fixture(scope="session")
def source(structure: Labels) -> Images:
    """Images to be translated."""
    return simulated(structure)


@pytest.fixture(scope="session")
def target() -> Images:
    """Images of another structure, whose look is wanted."""
    return measured(blobs(2))


@pytest.fixture(scope="session")
def new_structure() -> Labels:
    """A structure that no training has seen."""
    return blobs(3)


Tiny = Callable[..., CycleGAN]


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    """Makes a tiny translator; parameters can be changed."""
    return lambda cls=CycleGAN, **changes: cls(**TINY | changes)


@pytest.fixture(scope="session")
def model(tiny: Tiny, source: Images, target: Images) -> Model:
    """Of a CycleGAN that had one step."""
    return tiny().fit(source, target, context=Context(1)).model


ByHand = Callable[..., CycleGAN]


@pytest.fixture(scope="session")
def by_hand(model: Model) -> ByHand:
    """Makes a fitted CycleGAN with weights set by `set_by_hand`; other parameters are its own."""

    def make(changes: dict[str, Any] | None = None, **weights: Any) -> CycleGAN:
        fitted = CycleGAN.from_model(model, **(changes or {}))
        made = Model(model.plugin, model.params, set_by_hand(fitted, **weights), model.info)
        return CycleGAN.from_model(made, **(changes or {}))

    return make


Play = Callable[[Iterable[dict[str, Any]]], None]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Lets steps of a CycleGAN follow a script in place of learning.

    Each entry of the script holds arguments of `set_by_hand`, and losses.
    """

    def begin(script: Iterable[dict[str, Any]]) -> None:
        import torch

        from fib_plugins.adapters.translation.cycle_steps import CycleSteps
        from fib_plugins.training.weights import set_weights

        entries = iter(script)

        def learn(self: CycleSteps, _: Any) -> dict[str, torch.Tensor]:
            losses = {"generator_loss": 1.0, "discriminator_loss": 0.2, "cycle_loss": 0.3}
            entry = dict(next(entries))
            losses |= {name: entry.pop(name) for name in losses if name in entry}
            set_weights(self.generator, set_by_hand(self.params, **entry))
            return {name: torch.tensor(value) for name, value in losses.items()}

        monkeypatch.setattr(CycleSteps, "learn", learn)
        monkeypatch.setattr(CycleSteps, "step_done", lambda *_: None)  # weights are set, not mean

    return begin


@pytest.fixture(scope="session")
def make() -> SimpleNamespace:
    """The functions of this file, for tests."""
    return SimpleNamespace(
        blobs=blobs,
        simulated=simulated,
        measured=measured,
        set_by_hand=set_by_hand,
        constant_noise=constant_noise,
    )
