import numpy as np
import pytest
import torch
from torch import nn

from fib_plugins.adapters.translation.discriminator import (
    build_discriminator,
    discriminator_loss,
    generator_loss,
)
from fib_plugins.adapters.translation.method import frozen


class Outputs(nn.Module):
    """A discriminator with given outputs for bright images, which are real, and for dark ones."""

    def __init__(self, real: float, made: float) -> None:
        super().__init__()
        self.real, self.made = real, made

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        outputs = torch.where(images.mean(dim=(1, 2, 3)) > 0, self.real, self.made)
        return [torch.full((2, 2), torch.nan), outputs[:, None, None, None].expand(-1, 1, 3, 3)]


BRIGHT, DARK = torch.ones(2, 1, 8, 8), -torch.ones(2, 1, 8, 8)


@pytest.mark.parametrize(
    ("real", "made", "loss"), [(1.0, 0.0, 0.0), (0.5, 0.5, 0.25), (0.0, 1.0, 1.0), (1.0, 1.0, 0.5)]
)
def test_discriminator_loss_is_0_if_always_right_and_a_quarter_for_guesses(
    real: float, made: float, loss: float
) -> None:
    assert float(discriminator_loss(Outputs(real, made), BRIGHT, DARK)) == pytest.approx(loss)


@pytest.mark.parametrize(("output", "loss"), [(1.0, 0.0), (0.5, 0.25), (0.0, 1.0)])
def test_generator_loss_is_the_square_distance_from_real(output: float, loss: float) -> None:
    assert float(generator_loss(Outputs(1.0, output), DARK)) == pytest.approx(loss)


def images(seed: int, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).float()


def test_outputs_of_patches_are_independent() -> None:
    discriminator = build_discriminator(2, 4, "instance", seed=1)
    both = images(0, 3, 2, 32, 32)
    together = discriminator(both)[-1]
    alone = torch.cat([discriminator(image[None])[-1] for image in both])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_outputs_depend_on_70_pixels() -> None:
    discriminator = build_discriminator(1, 4, "instance", seed=1)
    for name, layer in list(discriminator.named_modules()):
        if isinstance(layer, nn.InstanceNorm2d):  # which looks at everything
            parent, _, own = name.rpartition(".")
            setattr(discriminator.get_submodule(parent), own, nn.Identity())
    image = images(0, 1, 1, 160, 160).requires_grad_(True)
    output = discriminator(image)[-1]
    output[0, 0, output.shape[2] // 2, output.shape[3] // 2].backward()
    assert image.grad is not None
    rows, columns = torch.nonzero(image.grad[0, 0], as_tuple=True)
    assert int(rows.max() - rows.min()) + 1 == 70
    assert int(columns.max() - columns.min()) + 1 == 70


def test_weights_depend_on_the_seed_alone() -> None:
    def first(seed: int) -> torch.Tensor:
        discriminator = build_discriminator(1, 4, "spectral", seed)
        return torch.cat([tensor.flatten() for tensor in discriminator.state_dict().values()])

    state = torch.random.get_rng_state()
    one = first(1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    assert torch.equal(first(1), one)
    assert not torch.equal(first(2), one)


def test_either_side_learns_for_itself() -> None:
    discriminator = build_discriminator(1, 4, "instance", seed=1)
    made = images(1, 1, 1, 32, 32).requires_grad_(True)
    with frozen(discriminator):
        generator_loss(discriminator, made).backward()
    assert made.grad is not None
    assert float(made.grad.abs().sum()) > 0
    assert all(weights.grad is None for weights in discriminator.parameters())

    made.grad = None
    discriminator_loss(discriminator, images(2, 1, 1, 32, 32), made).backward()
    assert made.grad is None
    assert all(weights.grad is not None for weights in discriminator.parameters())


def test_grey_values_count_with_spectral_and_not_with_instance_normalisation() -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 1, 64, 64))).float()
    changes = {}
    for norm in ("spectral", "instance"):
        discriminator = build_discriminator(1, 8, norm, seed=3)  # type: ignore[arg-type]
        with torch.no_grad():
            outputs = [discriminator(factor * image)[-1] for factor in (1.0, 2.0)]
        changes[norm] = float((outputs[1] - outputs[0]).abs().mean() / outputs[0].std())
    assert changes["instance"] < 0.5 * changes["spectral"]


def test_spectrally_normalised_weights_have_a_largest_singular_value_of_1() -> None:
    discriminator = build_discriminator(1, 8, "spectral", seed=3)
    image = torch.zeros(1, 1, 64, 64)
    for _ in range(30):  # each look improves the estimate of the singular value
        discriminator(image)
    for layer in discriminator.modules():
        if isinstance(layer, torch.nn.Conv2d):
            largest = torch.linalg.svdvals(layer.weight.detach().flatten(1))[0]
            assert float(largest) == pytest.approx(1.0, rel=0.05)
