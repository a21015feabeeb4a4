"""What all translators share while they learn: averaged weights, noise that is corrected."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.method import Method, running_mean
from fib_plugins.adapters.translation.noise import NoiseLaw
from fib_plugins.training.runtime import fabric_on

SMALL = {"base_channels": 4, "depth": 1, "blocks": 0, "discriminator_channels": 4, "patch": 32}


def law(level: float) -> NoiseLaw:
    coefficients = np.array([[level**2, 0.5 * level**2, 0.0]], np.float32)
    return NoiseLaw(coefficients, np.array([[-1, 1]], np.float32), np.array([level], np.float32))


def method_of(adapter: CUT | CycleGAN, noise: tuple[NoiseLaw, NoiseLaw] | None = None) -> Method:
    return adapter.method()(adapter, 1, lambda name: len(name), fabric_on("cpu", "32"), noise)


def learn(method: Method, steps: int) -> list[np.ndarray]:
    """Return the weights of the first layer after each step."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(steps):
        source, target = torch.from_numpy(rng.normal(size=(2, 1, 1, 32, 32))).float()
        method.step(source, target, rng)
        found.append(method.networks["generator"].last.weight.detach().numpy().copy())
    return found


@pytest.mark.parametrize("translator", [CycleGAN, CUT])
def test_what_translates_is_the_running_mean_of_the_weights(translator: type) -> None:
    method = method_of(translator(**SMALL, averaging=0.3))
    weights = learn(method, 5)
    mean = weights[0]  # the first step's weights, then each new one's share
    for done, now in enumerate(weights[1:], 1):
        kept = min(0.3, (1 + done) / (10 + done))
        mean = kept * mean + (1 - kept) * now
    np.testing.assert_allclose(method.generator.last.weight.detach().numpy(), mean, atol=1e-6)


def test_without_averaging_the_last_step_translates() -> None:
    method = method_of(CycleGAN(**SMALL, averaging=0.0))
    last = learn(method, 3)[-1]
    np.testing.assert_array_equal(method.generator.last.weight.detach().numpy(), last)


@pytest.mark.parametrize("steps", [30, 3000])
def test_the_mean_forgets_the_beginning_however_many_steps_there_are(steps: int) -> None:
    """Weights that jump from 0 to 1 half-way are at 1 in the end."""
    follow = running_mean(0.9999)
    mean = torch.zeros(1)
    for step in range(1, steps):
        mean = follow(mean, torch.full((1,), float(step > steps / 2)), torch.tensor(step))
    assert float(mean) > 0.98


def noise_of(method: Method) -> list[float]:
    """Return the level of the noise of both copies of the generator."""
    networks = (method.networks["generator"], method.generator)
    return [float(network.added.level) for network in networks]


def test_noise_is_corrected_by_what_translations_have_too_much() -> None:
    method = method_of(CycleGAN(**SMALL), (law(0.0), law(0.1)))
    assert noise_of(method) == pytest.approx([0.1, 0.1])
    # The network itself makes texture of 0.06: together 0.1166, so 0.08 has to be added.
    method.correct_noise(law(np.hypot(0.1, 0.06)))
    assert noise_of(method) == pytest.approx([0.08, 0.08], rel=1e-5)
    assert method.generator.added is not None
    assert method.generator.added.coefficients[0].tolist() == pytest.approx(
        [0.08**2, 0.5 * 0.08**2, 0.0]
    )
    method.correct_noise(law(0.1))  # as strong as it should be
    assert noise_of(method) == pytest.approx([0.08, 0.08], rel=1e-5)
    method.correct_noise(law(0.06))  # the texture has faded
    assert noise_of(method)[0] == pytest.approx(np.sqrt(0.08**2 + 0.1**2 - 0.06**2), rel=1e-5)
    method.correct_noise(law(1.0))
    assert noise_of(method) == [0.0, 0.0]


def test_translators_without_noise_stay_so() -> None:
    method = method_of(CycleGAN(**SMALL, noise="none"), (law(0.0), law(0.1)))
    method.correct_noise(law(0.05))
    assert method.generator.added is None
