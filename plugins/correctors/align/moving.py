"""Moves a slice: by cubic B-splines, linearly, or by whole pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

Interpolation = Literal["cubic", "linear", "nearest"]


def whole(shift: np.ndarray) -> np.ndarray:
    """Return the nearest whole pixels; halves are rounded up."""
    return np.floor(np.asarray(shift) + 0.5)


def places(size: int, shift: float) -> np.ndarray:
    """Return where each pixel of a moved axis lies in the given one; kept within it."""
    return np.clip(np.arange(size) - shift, 0.0, size - 1.0)


def moved_by_whole_pixels(plane: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Return a slice (..., y, x) moved by whole pixels (y, x); edges repeat the nearest pixel."""
    rows, columns = (
        places(size, by).astype(np.int64)
        for size, by in zip(plane.shape[-2:], whole(shift), strict=True)
    )
    return np.asarray(plane)[..., rows[:, np.newaxis], columns]


def mover(kind: Interpolation) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function that moves a slice (y, x) by a shift (y, x) in pixels.

    It returns float32, or the element type of the slice where pixels are only copied.
    """
    if kind == "nearest":
        return moved_by_whole_pixels
    return _moved_cubic if kind == "cubic" else _moved_linear


def _moved_cubic(plane: np.ndarray, shift: np.ndarray) -> np.ndarray:
    from fib_plugins.correctors.align import kernels

    if not np.any(shift):
        return np.asarray(plane)
    values = np.array(plane, dtype=np.float32, order="C")
    if plane.shape[0] > 1:
        kernels.spline_rows(values, np.empty(plane.shape[1], np.float32))
    if plane.shape[1] > 1:
        kernels.spline_columns(values)
    return _weighted(values, shift, 4)


def _moved_linear(plane: np.ndarray, shift: np.ndarray) -> np.ndarray:
    if not np.any(shift):
        return np.asarray(plane)
    return _weighted(np.array(plane, dtype=np.float32, order="C"), shift, 2)


def _weighted(values: np.ndarray, shift: np.ndarray, taps: int) -> np.ndarray:
    from fib_plugins.correctors.align import kernels

    between, out = np.empty_like(values), np.empty_like(values)
    kernels.weighted_rows(values, *_taps(values.shape[0], float(shift[0]), taps), between)
    kernels.weighted_columns(between, *_taps(values.shape[1], float(shift[1]), taps), out)
    return out


def _taps(size: int, shift: float, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which samples make each pixel, and their shares; axes (pixel, tap)."""
    at = places(size, shift)
    first = np.floor(at).astype(np.int64)
    t = at - first
    if size == 1:
        return np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32)
    if count == 2:
        index, shares = first[:, np.newaxis] + [0, 1], np.stack([1.0 - t, t], axis=1)
    else:
        index = first[:, np.newaxis] + [-1, 0, 1, 2]
        cubes = [
            (1.0 - t) ** 3,
            3.0 * t**3 - 6.0 * t**2 + 4.0,
            -3.0 * t**3 + 3.0 * t**2 + 3.0 * t + 1.0,
            t**3,
        ]
        shares = np.stack(cubes, axis=1) / 6.0
    last = size - 1
    index = last - np.abs(last - np.abs(index))  # mirrored at both ends
    return np.clip(index, 0, last), shares.astype(np.float32)
