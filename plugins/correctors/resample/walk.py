"""Resamples stacks slice by slice."""

from __future__ import annotations

import numpy as np

from fib_plugins.correctors.resample.kernels import along_x, along_y, along_z, largest_share
from fib_plugins.correctors.resample.weights import Weights
from fib_plugins.correctors.streaming import as_dtype, in_order
from fibcore import Context

Axes = tuple[Weights, Weights, Weights]


def resampled(data: np.ndarray, axes: Axes, context: Context) -> np.ndarray:
    """Return grey values (channel, z, y, x) with the weights of z, y and x, in their own type."""
    z, y, x = axes
    rows, columns = data.shape[2:]
    out = context.empty("resampled", (len(data), len(z), len(y), len(x)), data.dtype)
    whole = all(axis.identity for axis in axes)

    def work(k: int) -> np.ndarray:
        slices = slice(int(z.first[k]), int(z.first[k]) + z.shares.shape[1])
        if whole:
            return np.asarray(data[:, slices.start])
        made = np.empty((len(data), len(y), len(x)), data.dtype)
        for channel, stack in enumerate(data):
            image = np.empty((rows, columns), np.float32)
            along_z(np.asarray(stack[slices]), z.shares[k], image)
            if not y.identity:
                given, image = image, np.empty((len(y), columns), np.float32)
                along_y(given, y.first, y.shares, image)
            if not x.identity:
                given, image = image, np.empty((len(y), len(x)), np.float32)
                along_x(given, x.first, x.shares, image)
            made[channel] = as_dtype(image, data.dtype)
        return made

    bytes_each = 12 * rows * columns
    for k, made in enumerate(in_order(work, range(len(z)), context, "resampling", bytes_each)):
        out[:, k] = made
    return out


def resampled_labels(data: np.ndarray, axes: Axes, context: Context) -> np.ndarray:
    """Return the phase (z, y, x) with the largest share of each new voxel."""
    z, y, x = axes
    out = context.empty("resampled_labels", (len(z), len(y), len(x)), np.uint8)

    def work(k: int) -> np.ndarray:
        slices = np.asarray(data[int(z.first[k]) : int(z.first[k]) + z.shares.shape[1]])
        made = np.empty((len(y), len(x)), np.uint8)
        largest_share(slices, z.shares[k], y.first, y.shares, x.first, x.shares, made)
        return made

    bytes_each = len(y) * len(x)
    for k, made in enumerate(in_order(work, range(len(z)), context, "labels", bytes_each)):
        out[k] = made
    return out
