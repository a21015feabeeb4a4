from __future__ import annotations

import numpy as np
import pytest
import torch

from fib_plugins.adapters.translation.image_pool import ImagePool
from fib_plugins.training.weights import set_tensors, tensors_of


def numbered(*numbers: int) -> torch.Tensor:
    """Images that hold nothing but their number, from 1 on."""
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None, None].expand(-1, 1, 2, 2)


def numbers_of(images: torch.Tensor) -> list[int]:
    first = images[:, 0, 0, 0]
    assert torch.equal(images, first[:, None, None, None].expand(images.shape))
    return [int(number) for number in first]


def pool_of(size: int, batch: int = 1) -> ImagePool:
    return ImagePool(size, (batch, 1, 2, 2))


def exchange(pool: ImagePool, rng: np.random.Generator, steps: range) -> list[int]:
    """Put image after image in, a batch each step; return the numbers of what comes back."""
    found = []
    for step in steps:
        own = range(1 + step * pool.batch, 1 + (step + 1) * pool.batch)
        found += numbers_of(pool(numbered(*own), *pool.draw(rng, step * pool.batch)))
    return found


def one_by_one(size: int, rng: np.random.Generator, count: int) -> tuple[list[int], list[int]]:
    """The pool of Shrivastava et al. as a list, image by image: what comes back, what is kept."""
    pool: list[int] = []
    back = []
    for number in range(1, count + 1):
        if len(pool) < size:
            pool.append(number)
            back.append(number)
        elif rng.random() < 0.5:
            place = int(rng.integers(size))
            back.append(pool[place])
            pool[place] = number
        else:
            back.append(number)
    return back, pool


@pytest.mark.parametrize(
    ("size", "batch"), [(3, 1), (50, 1), (5, 3), (4, 4), (2, 3), (1, 4), (3, 7)]
)
def test_batches_are_exchanged_as_image_after_image_would_be(size: int, batch: int) -> None:
    pool, rng, own = pool_of(size, batch), np.random.default_rng(0), np.random.default_rng(0)
    steps = 200 // batch
    back, kept = one_by_one(size, own, steps * batch)
    assert exchange(pool, rng, range(steps)) == back
    assert numbers_of(pool.images[:size]) == kept
    assert rng.random() == own.random()


def test_half_of_what_comes_back_are_images_of_earlier_steps() -> None:
    given = exchange(pool_of(20), np.random.default_rng(0), range(2020))
    assert given[:20] == list(range(1, 21))  # until it is full
    later = np.array(given[20:])
    old = later != np.arange(21, 2021)
    assert abs(old.mean() - 0.5) < 0.05  # 4.5 standard deviations
    assert len(set(later[old])) == old.sum()  # each is taken out when it is given
    age = np.arange(21, 2021)[old] - later[old]
    assert np.all(age > 0)
    assert 30 < age.mean() < 50  # a place is taken over every 2 x 20 steps on average


def test_decisions_can_be_drawn_long_before_the_images_are_there() -> None:
    pool, rng = pool_of(3, 2), np.random.default_rng(0)
    drawn = [pool.draw(rng, 2 * step) for step in range(20)]
    found = []
    for step, decided in enumerate(drawn):
        found += numbers_of(pool(numbered(2 * step + 1, 2 * step + 2), *decided))
    assert found == exchange(pool_of(3, 2), np.random.default_rng(0), range(20))


def test_a_batch_comes_back_as_a_batch_without_gradients() -> None:
    pool, rng = pool_of(3, 2), np.random.default_rng(0)
    for step in range(10):
        batch = numbered(2 * step + 1, 2 * step + 2).clone().requires_grad_(True)
        given = pool(batch, *pool.draw(rng, 2 * step))
        assert given.shape == batch.shape
        assert not given.requires_grad
        assert not pool.images.requires_grad


def test_what_is_kept_does_not_change_with_what_was_given() -> None:
    pool = pool_of(1)
    image = numbered(1).clone()
    given = pool(image, *pool.draw(np.random.default_rng(0), 0))
    image += 1
    given += 1
    assert numbers_of(pool.images[:1]) == [1]


def test_a_pool_stays_where_it_is_in_memory() -> None:
    """What a GPU repeats by itself finds it at the same place."""
    pool, rng = pool_of(2), np.random.default_rng(0)
    place = pool.images.data_ptr()
    exchange(pool, rng, range(9))
    assert pool.images.data_ptr() == place


def test_a_pool_goes_on_from_its_state() -> None:
    pool = pool_of(5, 2)
    exchange(pool, np.random.default_rng(0), range(7))
    again = pool_of(5, 2)
    set_tensors(again, {name: tensor.clone() for name, tensor in tensors_of(pool).items()})
    go_on = range(7, 30)
    expected = exchange(pool, np.random.default_rng(1), go_on)
    assert exchange(again, np.random.default_rng(1), go_on) == expected
