"""A picture of the solid in three dimensions: an orthographic view from one corner, with light.

The structure is reduced to at most `MOST_VOXELS` along its longest side and smoothed by one voxel.
Along each line of sight the first place where the solid's share passes one half is its surface.
Lambert's law with two lights gives the brightness; what is further away is darker.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from fib_plugins.report import palette
from fibcore.volumes import Labels

MOST_VOXELS = 160
PICTURE_PX = 460
"""Diagonal of the box in the picture."""
AROUND_DEG, DOWN_DEG = 35.0, 30.0
"""Direction of view: turned about the milling direction, and looking down onto the first slice."""
LIGHTS = (((-0.5, -0.8, -0.5), 0.6), ((0.8, -0.3, -0.5), 0.45))
"""Directions to lights, (right, down, away), and their strength."""
AMBIENT = 0.25
FAR = 0.6
"""Brightness of the furthest surfaces relative to the nearest."""
ROWS = 32
"""Rows of the picture at a time."""


def solid_picture(labels: Labels) -> np.ndarray:
    """Return a picture of the solid phases, uint8 (row, column, red green blue alpha).

    Args:
        labels: the structure; where no solid is in sight the picture is transparent.
    """
    blocks = np.pad(_reduced(labels), 2)
    share = ndimage.gaussian_filter((blocks > 0).astype(np.float32), 0.7)
    turn = _view() * float(np.linalg.norm(blocks.shape)) / PICTURE_PX  # voxels for each pixel
    centre = (np.array(blocks.shape) - 1) / 2
    offset = centre - turn @ np.full(3, (PICTURE_PX - 1) / 2)
    depth = np.concatenate(
        [
            _depths(share, turn, offset, row, min(ROWS, PICTURE_PX - row))
            for row in range(0, PICTURE_PX, ROWS)
        ]
    )
    rows, columns = np.nonzero(depth >= 0)
    picture = np.zeros((PICTURE_PX, PICTURE_PX, 4), np.uint8)
    if not len(rows):
        return picture[:1, :1]
    away = depth[rows, columns]
    places = turn @ np.stack([away, rows, columns]) + offset[:, None]
    bright = _brightness(share, turn, places)
    bright *= 1 - (1 - FAR) * (away - away.min()) / max(float(np.ptp(away)), 1.0)
    colours = np.array([palette.rgb(palette.phase(n)) for n in range(256)], float)
    picture[rows, columns, :3] = np.clip(
        colours[_phases_at(blocks, places)] * bright[:, None], 0, 255
    )
    picture[rows, columns, 3] = 255
    return picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def _depths(
    share: np.ndarray, turn: np.ndarray, offset: np.ndarray, row: int, rows: int
) -> np.ndarray:
    """Return how many pixels away the surface is, (row, column); -1 where there is none."""
    start = offset + turn @ np.array([0.0, row, 0.0])
    shape = (PICTURE_PX, rows, PICTURE_PX)
    seen = ndimage.affine_transform(share, turn, start, shape, order=1)
    inside = seen > 0.5
    first = inside.argmax(axis=0)
    high = np.take_along_axis(seen, first[None], axis=0)[0]
    low = np.take_along_axis(seen, np.maximum(first - 1, 0)[None], axis=0)[0]
    between = np.where(high > low, (high - 0.5) / np.maximum(high - low, 1e-6), 0.0)
    return np.where(inside.any(axis=0), first - between.clip(0, 1), -1.0)


def _brightness(share: np.ndarray, turn: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the brightness of surfaces at places (z, y, x), by Lambert's law."""
    smooth = ndimage.gaussian_filter(share, 0.8)
    slopes = [ndimage.map_coordinates(slope, places, order=1) for slope in np.gradient(smooth)]
    normals = -(turn.T @ np.stack(slopes))  # out of the solid: away, down, right
    normals /= np.maximum(np.linalg.norm(normals, axis=0), 1e-9)
    bright = np.full(places.shape[1], AMBIENT)
    for (right, down, away), strength in LIGHTS:
        light = np.array([away, down, right])
        bright += strength * np.clip(light / np.linalg.norm(light) @ normals, 0, None)
    return bright


def _reduced(labels: Labels) -> np.ndarray:
    """Return the phases at the centres of cubes, (z, y, x)."""
    edge_nm = max(max(labels.extent_nm) / MOST_VOXELS, min(labels.voxel_size_nm))
    index = []
    for n, voxel_nm in zip(labels.shape, labels.voxel_size_nm, strict=True):
        count = max(1, round(n * voxel_nm / edge_nm))
        index.append(((np.arange(count) + 0.5) * n / count).astype(int))
    return np.stack([labels.data[z][np.ix_(index[1], index[2])] for z in index[0]])


def _view() -> np.ndarray:
    """Return the matrix from (away, down, right) to (z, y, x); its columns are unit vectors."""
    around, down = np.radians(AROUND_DEG), np.radians(DOWN_DEG)
    right = np.array([0.0, -np.sin(around), np.cos(around)])
    away = np.array([np.sin(down), np.cos(down) * np.cos(around), np.cos(down) * np.sin(around)])
    downwards = np.array(
        [np.cos(down), -np.sin(down) * np.cos(around), -np.sin(down) * np.sin(around)]
    )
    return np.stack([away, downwards, right], axis=1)


def _phases_at(blocks: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the phase of the solid nearest to places (z, y, x) on its surface."""
    nearest = ndimage.distance_transform_edt(
        blocks == 0, return_distances=False, return_indices=True
    )
    index = tuple(
        np.clip(np.rint(place).astype(int), 0, n - 1)
        for place, n in zip(places, blocks.shape, strict=True)
    )
    return blocks[tuple(axis[index] for axis in nearest)]
