"""Small structures and images of them, in which what lies below shines through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins.segmenters.unet.plugin import UNet
from fibcore import Context, Images, Labels

VOXEL_NM = (5.0, 5.0, 5.0)

SMALL: dict[str, Any] = {
    "patch": 32,
    "base_channels": 8,
    "depth": 2,
    "batch_size": 16,
    "epochs": 3,
    "patches_per_epoch": 160,
    "learning_rate": 1e-2,
    "cpu_threads": 1,
}
"""Parameters with which a U-Net learns something in seconds."""


def blobs(seed: int, shape: tuple[int, int, int] = (24, 64, 64)) -> Labels:
    """A random two-phase structure with 40 % solid."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 3.0, mode="wrap")
    return Labels((field > np.quantile(field, 0.6)).astype(np.uint8), VOXEL_NM)


def shine_through(labels: Labels, seed: int = 0, depth: int = 6) -> Images:
    """Each slice as a weighted sum of itself and those below it, with noise."""
    weights = np.exp(-np.arange(depth) / 3.0)
    solid = np.concatenate([labels.data, np.repeat(labels.data[-1:], depth, axis=0)])
    number = len(labels.data)
    grey = sum(w * solid[k : k + number] for k, w in enumerate(weights / weights.sum()))
    noise = np.random.default_rng(1000 + seed).normal(scale=0.04, size=labels.shape)
    return Images((grey + noise).astype(np.float32), labels.voxel_size_nm, kv=(2.0,))


Imaged = Callable[[int, tuple[int, int, int]], Images]


@pytest.fixture(scope="session")
def imaged() -> Imaged:
    """Makes images of a random structure, by seed and shape."""
    return lambda seed, shape: shine_through(blobs(seed, shape), seed)


@pytest.fixture(scope="session")
def structure() -> Labels:
    """The structure to train on."""
    return blobs(1)


@pytest.fixture(scope="session")
def images(structure: Labels) -> Images:
    """Images of the structure to train on."""
    return shine_through(structure, 1)


@pytest.fixture(scope="session")
def other_structure() -> Labels:
    """Another structure, to test on."""
    return blobs(2)


@pytest.fixture(scope="session")
def other_images(other_structure: Labels) -> Images:
    """Images of the structure to test on."""
    return shine_through(other_structure, 2)


@pytest.fixture(scope="session")
def small() -> Callable[..., UNet]:
    """Makes a small U-Net, not fitted."""
    return lambda **changes: UNet(**{**SMALL, **changes})


@pytest.fixture(scope="session")
def history() -> dict[str, np.ndarray]:
    """Filled by `fitted`: the columns of its training history."""
    return {}


@pytest.fixture(scope="session")
def fitted(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    history: dict[str, np.ndarray],
) -> UNet:
    """A small 2.5-D U-Net, trained with seed 1."""
    context = Context(1)
    unet = small().fit(images, structure, context=context)
    history.update(context.kept["history"].columns)
    return unet
