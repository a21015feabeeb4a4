"""Structures that tests of several kinds of plugin need."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from processes import without_coverage


@pytest.fixture(scope="session")
def blobs() -> Callable[..., np.ndarray]:
    """Function that makes smooth random two-phase structures of a given shape."""

    def make(shape: tuple[int, int, int], sigma: float = 2.0, seed: int = 0) -> np.ndarray:
        from scipy.ndimage import gaussian_filter

        noise = np.random.default_rng(seed).standard_normal(shape)
        return (gaussian_filter(noise, sigma) > 0).astype(np.uint8)

    return make


@pytest.fixture
def untraced_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coverage does not follow processes that the test starts: they import torch, which is slow."""
    for name in os.environ.keys() - without_coverage().keys():
        monkeypatch.delenv(name)
