import numpy as np
import torch

from fib_plugins.adapters.translation.image_pool import ImagePool


def numbered(*numbers: int) -> torch.Tensor:
    """Images that hold nothing but their number."""
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, 1, 2, 2)


def number_of(image: torch.Tensor) -> int:
    assert torch.equal(image, image.flatten()[0].expand(image.shape))
    return int(image.flatten()[0])


def test_half_of_what_comes_back_are_images_of_earlier_steps() -> None:
    pool, rng = ImagePool(20), np.random.default_rng(0)
    given = [number_of(pool.exchange(numbered(n), rng)[0]) for n in range(2020)]
    assert given[:20] == list(range(20))  # until it is full
    later = np.array(given[20:])
    old = later != np.arange(20, 2020)
    assert abs(old.mean() - 0.5) < 0.05  # 4.5 standard deviations
    assert len(set(later[old])) == old.sum()  # each is taken out when it is given
    age = np.arange(20, 2020)[old] - later[old]
    assert np.all(age > 0)
    assert 30 < age.mean() < 50  # a place is taken over every 2 x 20 steps on average
    assert len(pool.images) == 20


def test_no_pool_hands_images_on() -> None:
    given = numbered(1, 2)
    assert torch.equal(ImagePool(0).exchange(given, np.random.default_rng(0)), given)


def test_a_batch_comes_back_as_a_batch_without_gradients() -> None:
    pool, rng = ImagePool(3), np.random.default_rng(0)
    for step in range(10):
        batch = numbered(2 * step, 2 * step + 1).clone().requires_grad_(True)
        given = pool.exchange(batch, rng)
        assert given.shape == batch.shape
        assert not given.requires_grad
        assert max(number_of(image) for image in given) <= 2 * step + 1


def test_what_is_kept_does_not_change_with_what_was_given() -> None:
    pool, rng = ImagePool(1), np.random.default_rng(0)
    image = numbered(1).clone()
    pool.exchange(image, rng)
    image += 1
    assert number_of(pool.images[0]) == 1


def test_a_pool_goes_on_from_its_state() -> None:
    pool, rng = ImagePool(5), np.random.default_rng(0)
    for n in range(12):
        pool.exchange(numbered(n), rng)
    again = ImagePool(5)
    again.load_state_dict(pool.state_dict())

    def go_on(one: ImagePool) -> list[int]:
        own = np.random.default_rng(1)
        return [number_of(one.exchange(numbered(n), own)[0]) for n in range(12, 40)]

    assert go_on(again) == go_on(pool)
