import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift

from fib_plugins.adapters.translation.structure_loss import structure_loss

SIZE = 96


def blobs(seed: int = 0) -> np.ndarray:
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(SIZE, SIZE)), 3.0)
    return gaussian_filter(np.where(field > 0, 1.0, -1.0), 0.7)


def loss(before: np.ndarray, after: np.ndarray) -> float:
    one, two = (torch.from_numpy(image)[None, None].float() for image in (before, after))
    return float(structure_loss(one, two))


def moved(image: np.ndarray, pixels: float) -> np.ndarray:
    return shift(image, (0, pixels), order=1, mode="reflect")


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.0), (0.5, 0.3), (2.0, -1.0)])
def test_brightness_and_contrast_may_change(gain: float, offset: float) -> None:
    assert loss(blobs(), gain * blobs() + offset) < 0.06  # but for windows that show nothing


def test_it_is_0_to_2_from_alike_to_inverted() -> None:
    strong = 100 * blobs()  # next to which the flatness is nothing
    assert loss(strong, strong) == pytest.approx(0.0, abs=1e-4)
    assert loss(strong, -strong) == pytest.approx(2.0, abs=1e-4)
    assert loss(blobs(), -blobs()) > 1.9


def test_it_grows_with_the_distance_that_edges_have_moved() -> None:
    found = [loss(blobs(), moved(blobs(), pixels)) for pixels in (0, 0.5, 1, 2, 3, 4)]
    assert np.all(np.diff(found) > 0.005)
    assert found[-1] > 0.5


def test_another_structure_is_as_wrong_as_none() -> None:
    assert loss(blobs(), blobs(1)) == pytest.approx(1.0, abs=0.25)
    assert loss(blobs(), np.zeros((SIZE, SIZE))) == pytest.approx(1.0, abs=1e-3)


def test_moderate_noise_counts_less_than_a_shift_by_two_pixels() -> None:
    noise = np.random.default_rng(5).normal(0, 0.2, (SIZE, SIZE))
    assert loss(blobs(), blobs() + noise) < 0.5 * loss(blobs(), moved(blobs(), 2.0))


def test_it_agrees_with_windows_cut_by_hand() -> None:
    before, after = blobs(), moved(blobs(), 1.0) + 0.1 * blobs(2)
    total, weights = 0.0, 0.0
    for y in range(0, SIZE - 8, 3):
        for x in range(0, SIZE - 8, 3):
            one, two = before[y : y + 9, x : x + 9], after[y : y + 9, x : x + 9]
            covariance = np.mean((one - one.mean()) * (two - two.mean()))
            correlation = covariance / np.sqrt((one.var() + 0.01) * (two.var() + 0.01))
            total, weights = total + one.var() * correlation, weights + one.var()
    assert loss(before, after) == pytest.approx(1.0 - total / (weights + 0.01), abs=1e-4)


def test_going_down_its_gradient_brings_structure_back() -> None:
    before = torch.from_numpy(blobs())[None, None].float()
    after = torch.from_numpy(moved(blobs(), 2.0))[None, None].float().requires_grad_(True)
    first = structure_loss(before, after)
    for _ in range(20):
        (gradient,) = torch.autograd.grad(structure_loss(before, after), after)
        after = (after - 200.0 * gradient).detach().requires_grad_(True)
    assert structure_loss(before, after).item() < 0.5 * first.item()


def test_flat_images_give_no_infinite_gradient() -> None:
    flat = torch.zeros(1, 1, 32, 32)
    after = flat.clone().requires_grad_(True)
    structure_loss(flat, after).backward()
    assert after.grad is not None
    assert torch.isfinite(after.grad).all()
