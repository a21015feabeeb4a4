"""Open pores: each pixel shows the first solid along the beam, darker the deeper it lies."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fibcore import Images

VOXEL_NM = (5.0, 5.0, 5.0)
DECAY_SLICES = 8.0
"""Depth at which solid is 1 / e as bright as in the face."""

Open = Callable[..., Images]


def first_hit(truth: np.ndarray, tilt_deg: float = 0.0) -> np.ndarray:
    """Grey values 0 to 1: exp(-depth / DECAY_SLICES) of the first solid in the line of sight."""
    depth = np.full(truth.shape, np.inf)
    shift = math.tan(math.radians(tilt_deg))
    for z in range(len(truth)):
        for k in range(len(truth) - z):
            seen = np.roll(truth[z + k], -round(k * shift), axis=0) & np.isinf(depth[z])
            depth[z][seen] = k
    return np.exp(-depth / DECAY_SLICES)


@pytest.fixture(scope="session")
def open_pores() -> Open:
    """Makes noisy images, by truth."""

    def image(
        truth: np.ndarray, noise: float = 0.04, dtype: str = "float32", tilt_deg: float = 0.0
    ) -> Images:
        grey = 0.2 + 0.6 * first_hit(truth, tilt_deg)
        grey += np.random.default_rng(5).normal(scale=noise, size=truth.shape)
        if dtype != "float32":
            grey = grey.clip(0, 1) * np.iinfo(dtype).max
        return Images(grey.astype(dtype), VOXEL_NM, kv=(2.0,))

    return image


@pytest.fixture(scope="session")
def ball() -> np.ndarray:
    """Truth: a ball of radius 8 in the middle of 32 slices."""
    z, y, x = np.ogrid[:32, :40, :40]
    return np.asarray((z - 18) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 64)


@pytest.fixture(scope="session")
def blobs() -> np.ndarray:
    """Truth: a random structure with 40 % solid."""
    field = gaussian_filter(np.random.default_rng(3).normal(size=(24, 48, 48)), 3.0, mode="wrap")
    return np.asarray(field > np.quantile(field, 0.6))
