import numpy as np
import pytest

from fib_plugins.segmenters.random_forest.voxel_sample import draw_voxels
from fibcore import Context, Labels

SHAPE = (5, 6, 7)


def structure(share: float = 0.3) -> Labels:
    solid = np.random.default_rng(0).random(SHAPE) < share
    return Labels(solid.astype(np.uint8), (5.0, 5.0, 5.0))


def classes_of(labels: Labels) -> np.ndarray:
    table = np.zeros(256, np.uint8)
    table[sorted(labels.phases)] = np.arange(len(labels.phases))
    return table


def drawn(labels: Labels, number: int, balanced: bool, seed: int = 0) -> np.ndarray:
    """Number of times that each voxel is drawn."""
    times = np.zeros((SHAPE[0], SHAPE[1] * SHAPE[2]), np.int64)
    parts = draw_voxels(labels, classes_of(labels), number, balanced, Context(seed))
    for z, voxels in enumerate(parts):
        np.add.at(times[z], voxels, 1)
    return times.reshape(SHAPE)


@pytest.mark.parametrize("number", [7, 100, 209])
def test_as_many_as_asked_for_none_twice_and_evenly_from_all_slices(number: int) -> None:
    times = drawn(structure(), number, balanced=False)
    assert times.sum() == number
    assert times.max() == 1
    assert np.ptp(times.sum(axis=(1, 2))) <= 1


def test_a_stack_with_fewer_voxels_is_taken_whole() -> None:
    assert (drawn(structure(), 1000, balanced=False) == 1).all()
    assert (drawn(structure(), 1000, balanced=True) == 1).all()


def test_balanced_draws_as_many_of_each_phase() -> None:
    labels = structure()
    times = drawn(labels, 80, balanced=True)
    assert (times[labels.solid].sum(), times[~labels.solid].sum()) == (40, 40)
    assert times.max() == 1


def test_a_rare_phase_gives_all_it_has() -> None:
    labels = structure(0.05)
    rare = int(labels.solid.sum())
    assert 0 < rare < 30
    times = drawn(labels, 60, balanced=True)
    assert times[labels.solid].all()
    assert times[~labels.solid].sum() == 30


@pytest.mark.parametrize("balanced", [False, True])
def test_every_voxel_of_a_group_is_as_likely_as_another(balanced: bool) -> None:
    labels, seeds, number = structure(), 2000, 42
    times = sum(drawn(labels, number, balanced, seed) for seed in range(seeds))
    for phase in (0, 1):
        own = times[labels.data == phase]
        expected = seeds * (number / 2 / own.size if balanced else number / times.size)
        # Six standard deviations of a binomial count.
        assert np.abs(own - expected).max() < 6 * np.sqrt(expected)


def test_the_seed_decides() -> None:
    labels = structure()
    one, again, other = (drawn(labels, 50, False, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)
