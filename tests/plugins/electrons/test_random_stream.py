"""Counted random numbers against the published generator and the laws of chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fib_plugins.electrons.random_stream import GOLDEN, scramble, stream_of

KEY = np.uint64(0x0123456789ABCDEF)
DRAWS, ELECTRONS = 16, 1024


def places_of(stream: int, draws: int = 1) -> list[int]:
    """Return how many steps of `GOLDEN` lie between the key and each draw of a stream."""
    inverse = pow(int(GOLDEN), -1, 2**64)
    return [(stream + int(GOLDEN) * draw - int(KEY)) * inverse % 2**64 for draw in range(draws)]


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """The first numbers of neighbouring electrons, uint64 (electron, draw)."""
    streams = [int(stream_of(KEY, np.uint64(n))) for n in range(ELECTRONS)]
    steps = [int(GOLDEN) * k for k in range(DRAWS)]
    numbers = [[scramble(np.uint64((a + b) % 2**64)) for b in steps] for a in streams]
    return np.array(numbers, np.uint64)


def test_the_numbers_are_those_of_the_published_generator():
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    steps = [int(GOLDEN) * k % 2**64 for k in (1, 2, 3)]
    assert [int(scramble(np.uint64(step))) for step in steps] == published


@pytest.mark.parametrize("electron", [0, 1, 77_777, 2**40, 2**48 - 2])
def test_an_electron_has_65536_numbers_that_no_other_one_has(electron):
    here, following = (int(stream_of(KEY, np.uint64(n))) for n in (electron, electron + 1))
    assert places_of(here, 3) == [65_536 * electron + k for k in range(3)]
    assert places_of(following) == [65_536 * (electron + 1)]


def test_every_bit_is_as_often_0_as_1(drawn):
    ones = np.array([np.sum(drawn >> np.uint64(bit) & np.uint64(1)) for bit in range(64)])
    number = drawn.size
    chi_square = np.sum((ones - number / 2) ** 2 / (number / 4))
    assert 1e-4 < stats.chi2.sf(chi_square, 64) < 1 - 1e-4


@pytest.mark.parametrize("lowest", [0, 8, 20, 40, 56])
def test_numbers_of_8_bits_are_equally_frequent(drawn, lowest):
    numbers = (drawn >> np.uint64(lowest) & np.uint64(255)).astype(int)
    frequencies = np.bincount(numbers.ravel(), minlength=256)
    assert 1e-4 < stats.chisquare(frequencies).pvalue < 1 - 1e-4


@pytest.mark.parametrize("axis", [0, 1], ids=["electrons", "draws"])
def test_a_number_tells_nothing_of_that_of_the_next_electron_or_draw(drawn, axis):
    coarse = (drawn >> np.uint64(60)).astype(int)
    this, following = np.delete(coarse, -1, axis), np.delete(coarse, 0, axis)
    pairs = np.bincount((16 * this + following).ravel(), minlength=256)
    assert 1e-4 < stats.chisquare(pairs).pvalue < 1 - 1e-4
