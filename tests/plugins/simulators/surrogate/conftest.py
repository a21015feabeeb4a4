"""Small surrogates, which learn in a second and are not accurate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tiny_surrogates import TINY

from fib_plugins import Surrogate
from fibcore import Context, Labels
from fibcore.materials import EPOXY, GOLD


@pytest.fixture(scope="session")
def tiny() -> dict[str, Any]:
    """Parameters of a surrogate that learns in a second."""
    return TINY


@pytest.fixture(scope="session")
def taught() -> Surrogate:
    """A surrogate of gold in epoxy that has learned next to nothing."""
    return Surrogate(**TINY).fit(context=Context(1, threads=1))


@pytest.fixture(scope="session")
def structure() -> Callable[..., Labels]:
    """Function that makes gold blocks in epoxy."""

    def make(shape: tuple[int, int, int] = (6, 21, 19), seed: int = 0, **fields: Any) -> Labels:
        coarse = np.random.default_rng(seed).integers(0, 2, [-(-n // 3) for n in shape])
        z, y, x = shape
        data = np.kron(coarse, np.ones((3, 3, 3)))[:z, :y, :x].astype(np.uint8)
        given = {"voxel_size_nm": 4.0, "phases": {0: EPOXY, 1: GOLD}} | fields
        return Labels(np.ascontiguousarray(data), **given)

    return make
