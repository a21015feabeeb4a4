"""Sliced Wasserstein distance between the patches of two image sets.

Patches are points in a space of as many dimensions as they have pixels. Along a random direction
two sets with the same number of points have the Wasserstein distance mean |a - b| over their sorted
projections; the mean over many directions is the sliced distance (Rabin, Peyre, Delon and Bernot,
Scale Space and Variational Methods in Computer Vision 2011, 435-446). It includes the relations of
neighbouring pixels and of several voltages.
"""

from __future__ import annotations

import numpy as np


def directions(rng: np.random.Generator, count: int, dimensions: int) -> np.ndarray:
    """Return `count` random unit vectors, axes (direction, dimension)."""
    vectors = rng.standard_normal((count, dimensions))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def random_patches(data: np.ndarray, edge: int, places: np.ndarray) -> np.ndarray:
    """Return square patches of slices, float64 in axes (patch, channel, y, x).

    Args:
        data: grey values, axes (channel, z, y, x); may be memory-mapped. Each slice is read once.
        edge: edge of a patch in pixels; at most that of the slices.
        places: of the patches, axes (patch, 3): slice and corner (y, x), each as a fraction from 0
            to below 1 of the possible ones.
    """
    possible = np.array([data.shape[1], data.shape[2] - edge + 1, data.shape[3] - edge + 1])
    z, y, x = (places * possible).astype(np.intp).T
    patches = np.empty((len(places), len(data), edge, edge))
    step = np.arange(edge)
    for number in np.unique(z):
        here = np.flatnonzero(z == number)
        rows = y[here, None, None] + step[:, None]
        columns = x[here, None, None] + step
        patches[here] = np.moveaxis(data[:, number][:, rows, columns], 0, 1)
    return patches


def projections(patches: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the sorted projections of patches on unit vectors, axes (direction, patch)."""
    flat = patches.reshape(len(patches), -1)
    # Not a matrix product: its libraries may add in another order on more threads.
    return np.sort(np.einsum("dk,pk->dp", vectors, flat, optimize=False), axis=1)


def patch_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the sliced Wasserstein distance of two sets of `projections` of one size."""
    return float(np.mean(np.abs(one - other)))
