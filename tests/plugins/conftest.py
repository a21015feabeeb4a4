"""Structures that tests of several kinds of plugin need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from forked_helpers import instead_of_spawning


@pytest.fixture(scope="session")
def blobs() -> Callable[..., np.ndarray]:
    """Function that makes smooth random two-phase structures of a given shape."""

    def make(shape: tuple[int, int, int], sigma: float = 2.0, seed: int = 0) -> np.ndarray:
        from scipy.ndimage import gaussian_filter

        noise = np.random.default_rng(seed).standard_normal(shape)
        return (gaussian_filter(noise, sigma) > 0).astype(np.uint8)

    return make


@pytest.fixture
def forked_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helper processes of a training are forks of one that has loaded the libraries."""
    monkeypatch.setattr(
        "fib_plugins.training.worker_processes.multiprocessing", instead_of_spawning()
    )
