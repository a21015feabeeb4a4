"""A reduced copy of a stack, on which all is estimated, and what slices are compared by."""

from __future__ import annotations

import numpy as np

from fib_plugins.correctors.level.loops import binned, sharpness
from fib_plugins.correctors.level.outliers import Features
from fib_plugins.correctors.level.sizes import bin_size, blocks_of, reduced_shape
from fib_plugins.correctors.level.streaks import offsets_of
from fib_plugins.correctors.streaming import in_order
from fibcore import Context, FibError, Images

SMOOTHING_PX = 1.5
"""Gaussian against noise, in pixels of the stack; bins do as much if they are larger."""
SAMPLED_ROWS = 512


class Reduced:
    """A stack reduced in plane.

    Args:
        images: the stack.
        with_offsets: whether offsets of rows are measured.
        context: threads and progress.

    Attributes:
        data: float32, axes (channel, z, y, x); a memory-mapped file if it is large.
        features: of the slices.
        offsets: of the rows of full slices, see `streaks.offsets_of`, axes (channel, z, row,
            block); without blocks if they are not wanted, or slices are too small.

    Raises:
        FibError: values that are not finite.
    """

    def __init__(self, images: Images, with_offsets: bool, context: Context) -> None:
        channels, depth, height, width = images.data.shape
        size = bin_size((height, width))
        shape = reduced_shape((height, width))
        self.data = context.empty("reduced", (channels, depth, *shape), np.float32)
        sharp = np.zeros((channels, depth))
        blocks = blocks_of((height, width)) if with_offsets else 0
        self.offsets = context.empty("offsets", (channels, depth, height, blocks), np.float32)

        def work(z: int) -> np.ndarray:
            made = np.empty((channels, *shape), np.float32)
            for channel in range(channels):
                plane = np.asarray(images.data[channel, z])
                binned(plane, size, made[channel])
                sharp[channel, z] = sharpness(plane, max(1, height // SAMPLED_ROWS))
                made[channel] = _smooth(made[channel], size)
                if blocks:
                    self.offsets[channel, z] = offsets_of(plane, blocks)
            return made

        each = 8 * channels * shape[0] * shape[1]
        deviation = np.zeros((channels, depth))
        change, near, far = (np.zeros((channels, depth)) for _ in range(3))
        last: list[np.ndarray] = []
        done = in_order(work, range(depth), context, "slices reduced", each)
        for z, made in enumerate(done):
            if not np.isfinite(made).all():
                raise FibError(
                    f"slice {z} holds values that are not finite (NaN or infinite); replace them, "
                    f"e.g. by the mean grey value, or leave the slice out"
                )
            self.data[:, z] = made
            for channel in range(channels):
                deviation[channel, z] = made[channel].std()
                if last:
                    before = last[-1][channel]
                    change[channel, z] = np.abs(made[channel] - before).mean()
                    near[channel, z] = _correlation(made[channel], before)
                    if len(last) > 1:
                        far[channel, z - 1] = _correlation(made[channel], last[-2][channel])
            last = [*last[-1:], made]
        near[:, 0] = 1.0
        far[:, [0, -1]] = 1.0
        change[:, 0] = change[:, min(1, depth - 1)]
        self.features = Features(sharp, deviation, change, near, far)


def _smooth(plane: np.ndarray, size: int) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    sigma = (max(0.0, SMOOTHING_PX**2 - (size**2 - 1) / 12.0)) ** 0.5 / size
    return gaussian_filter(plane, sigma) if sigma > 0.2 else plane


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt(np.vdot(first, first) * np.vdot(second, second)))
    return float(np.vdot(first, second)) / norm if norm > 0.0 else 0.0
