"""What all translators share while they learn: averaged weights, noise that is corrected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fib_plugins.adapters.cut import CUT
from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation.method import Method, share_kept
from fib_plugins.adapters.translation.noise import NoiseLaw
from fib_plugins.training.runtime import fabric_on
from fib_plugins.training.team import Team
from fib_plugins.training.weights import tensors_of

SMALL = {"base_channels": 4, "depth": 1, "blocks": 0, "discriminator_channels": 4, "patch": 32}


def law(level: float) -> NoiseLaw:
    coefficients = np.array([[level**2, 0.5 * level**2, 0.0]], np.float32)
    return NoiseLaw(coefficients, np.array([[-1, 1]], np.float32), np.array([level], np.float32))


def method_of(adapter: CUT | CycleGAN, noise: tuple[NoiseLaw, NoiseLaw] | None = None) -> Method:
    return adapter.method()(adapter, 1, lambda name: len(name), Team(fabric_on("cpu", "32")), noise)


def learn(method: Method, steps: int) -> list[np.ndarray]:
    """Return the weights of the first layer after each step."""
    rng = np.random.default_rng(3)
    found = []
    for done in range(steps):
        source, target = torch.from_numpy(rng.normal(size=(2, 1, 1, 32, 32))).float()
        method.learn({"source": source, "target": target, **method.draw(rng, done)})
        method.step_done(done + 1)
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
    mean = 0.0
    for step in range(1, steps):
        kept = share_kept(0.9999, step)
        mean = kept * mean + (1 - kept) * float(step > steps / 2)
    assert mean > 0.98


class OneDevice(TorchDispatchMode):
    """Raises where an operation has to do with another device than the one that all is on."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device, self.operations = device, 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves((args, kwargs, made)):
            if isinstance(tensor, torch.Tensor):
                assert tensor.device.type == self.device, f"{operation} on {tensor.device}"
        self.operations += 1
        return made


@pytest.mark.parametrize("translator", [CycleGAN, CUT])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"noise": "none", "identity_weight": 0.0, "structure_weight": 1.0, "pool_size": 2},
        {"generator": "resnet", "norm": "instance", "discriminator_norm": "instance"},
    ],
)
def test_a_step_neither_reads_back_from_its_device_nor_needs_another(
    translator: type, changes: dict[str, Any]
) -> None:
    """Tensors of the device `meta` have no values: whatever asks for one raises."""
    method = method_of(translator(**SMALL | changes, batch_size=2))
    drawn = method.draw(np.random.default_rng(0), 0)
    patches = {"source": torch.zeros(method.shape), "target": torch.zeros(method.shape)}
    inputs = {name: tensor.to("meta") for name, tensor in {**patches, **drawn}.items()}
    for module in (*method.networks.values(), *method.pools.values(), method.generator):
        module.to("meta")  # the optimisers, which do read back on the CPU, keep the old weights
    with OneDevice("meta") as watch:
        losses = method.learn(inputs)
        method.step_done(1)
        method.step_done(2)
    assert watch.operations > 100
    assert all(loss.shape == () and loss.device.type == "meta" for loss in losses.values())
    weights = [w for n in method.networks.values() for w in n.parameters() if w.grad is not None]
    assert len(weights) > 20, "the step was not taken"


@pytest.mark.parametrize("translator", [CycleGAN, CUT])
@pytest.mark.parametrize("norm", ["spectral", "instance"])
def test_a_step_changes_everything_at_its_place_in_memory(translator: type, norm: str) -> None:
    """What a GPU repeats by itself reads and writes the places of the step that was recorded."""
    method = method_of(translator(**SMALL, discriminator_norm=norm, pool_size=1))

    def tensors() -> list[torch.Tensor]:
        modules = (*method.networks.values(), *method.pools.values(), method.generator)
        states = [s for o in method.optimizers.values() for s in o.state.values()]
        return [t for m in modules for t in tensors_of(m).values()] + tree_leaves(states)

    learn(method, 2)
    before, values = tensors(), [tensor.detach().clone() for tensor in tensors()]
    learn(method, 1)
    after = tensors()
    assert [t.data_ptr() for t in after] == [t.data_ptr() for t in before]
    changed = [not torch.equal(a, b) for a, b in zip(after, values, strict=True)]
    assert np.mean(changed) > 0.9


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
