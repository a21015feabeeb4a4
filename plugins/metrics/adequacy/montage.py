"""The patches of a stack that look least like the world, and those of the world most like them."""

from __future__ import annotations

import numpy as np

from fibcore import Images

GAP = 2
"""Pixels between two patches that are shown side by side."""


def least_alike(
    probability: np.ndarray, corners: np.ndarray, edge: int, reach: int, most: int
) -> list[int]:
    """Return numbers of patches by descending probability, without those that overlap.

    Args:
        probability: of each patch to be of the stack rather than of the world.
        corners: axes (patch, 3), z, y, x in voxels.
        edge: edge of a patch, pixels.
        reach: number of slices that a patch has.
        most: largest number of patches.
    """
    chosen: list[int] = []
    extent = np.array([reach, edge, edge])
    for number in np.argsort(-probability, kind="stable").tolist():
        away = np.abs(corners[chosen] - corners[number])
        if bool(np.all(np.any(away >= extent, axis=1))):
            chosen.append(number)
        if len(chosen) == most:
            break
    return chosen


def montage(
    images: Images, shown: np.ndarray, look: np.ndarray, planes: np.ndarray, looks: np.ndarray
) -> Images:
    """Return a stack with one slice for each patch: on its left the patch, on its right the other.

    Args:
        images: the stack.
        shown: patches of it, axes (patch, channel, y, x).
        look: their scaled features, axes (patch, feature).
        planes: patches of the world, axes (patch, channel, y, x).
        looks: their scaled features.
    """
    nearest = [int(np.argmin(np.square(looks - each).sum(axis=1))) for each in look]
    count, channels, edge, _ = shown.shape
    dtype = images.data.dtype if planes.dtype == images.data.dtype else np.dtype(np.float32)
    data = np.zeros((channels, count, edge, 2 * edge + GAP), dtype)
    data[..., :edge] = np.moveaxis(shown, 1, 0)
    data[..., edge + GAP :] = np.moveaxis(planes[nearest], 1, 0)
    data[..., edge : edge + GAP] = data.min()
    return images.with_data(data)
