"""Stacks of images to train on and to translate: smooth structures under noise."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from fibcore import Images, Labels

VOXEL_NM = 3.26
DISTINCT = 16
"""Slices that differ; longer stacks repeat them."""


def stack(slices: int, edge: int, seed: int = 0, bright: float = 1.0) -> tuple[Images, Labels]:
    """Return images of a random structure of two phases, float32, and the structure.

    Args:
        slices: how many.
        edge: their height and width in pixels.
        seed: of structure and noise.
        bright: grey value of the solid; that of pores is 0.2, noise has a deviation of 0.1.
    """
    rng = np.random.default_rng(seed)
    distinct = min(slices, DISTINCT)
    noise = rng.standard_normal((distinct, edge, edge), np.float32)
    solid = gaussian_filter(noise, (2, 3, 3), mode="wrap") > 0
    grey = np.where(solid, np.float32(bright), np.float32(0.2))
    grey += np.float32(0.1) * rng.standard_normal(grey.shape, np.float32)
    order = np.arange(slices) % distinct
    labels = Labels(solid[order].astype(np.uint8), (VOXEL_NM,) * 3)
    return Images(grey[order][np.newaxis], labels.voxel_size_nm, kv=(2.0,)), labels
