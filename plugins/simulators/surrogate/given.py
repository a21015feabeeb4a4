"""Batches from given labels and images, or from counts of windows of one structure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.planes import Planes, Surroundings, batch_of
from fib_plugins.simulators.surrogate.training import Batch

WINDOW = 48
"""Edge of the windows, pixels; whole grains of the pyramid."""


@dataclass(frozen=True)
class Window:
    """The corner of a window: slice, and first row and column."""

    z: int
    y: int
    x: int


class Windows:
    """Windows of a structure as input of the network.

    Args:
        geometry: the pyramid.
        structure: the structure.
        media: number of media.
    """

    def __init__(self, geometry: Geometry, structure: Surroundings, media: int) -> None:
        self._geometry, self._structure, self._media = geometry, structure, media
        _, height, width = structure.shape
        self.edges = tuple(
            max(grain, min(WINDOW, n) // grain * grain)
            for n, grain in zip((height, width), geometry.grain, strict=True)
        )

    def at_random(self, rng: np.random.Generator, slices: range, number: int) -> list[Window]:
        """Return windows at random places of some slices."""
        highest = [n - e for n, e in zip(self._structure.shape[1:], self.edges, strict=True)]
        z = rng.integers(slices.start, slices.stop, number)
        y, x = (rng.integers(0, max(0, most), number, endpoint=True) for most in highest)
        return [Window(*map(int, place)) for place in zip(z, y, x, strict=True)]

    def around(self, pixels: np.ndarray) -> list[Window]:
        """Return windows with given pixels, (pixel, 3), in their middle, as far as possible."""
        corners = pixels[:, 1:] - np.array(self.edges) // 2
        most = np.array(self._structure.shape[1:]) - self.edges
        corners = np.clip(corners, 0, np.maximum(most, 0))
        return [
            Window(int(z), int(y), int(x)) for z, (y, x) in zip(pixels[:, 0], corners, strict=True)
        ]

    def batch(self, windows: list[Window], yields: np.ndarray, depths_nm: np.ndarray) -> Batch:
        """Return windows with their images, (window, channel, y, x)."""
        margin_y, margin_x = self._geometry.margin
        height, width = self.edges
        below = self._geometry.depth
        planes = []
        for window in windows:
            media = self._structure.cut(
                (window.z, window.z + below),
                (window.y - margin_y, window.y + height + margin_y),
                (window.x - margin_x, window.x + width + margin_x),
            )
            pyramid = Planes(self._geometry, torch.from_numpy(media), self._media, margins=True)
            planes.append(pyramid.at(0))
        images = [torch.from_numpy(part) for part in (yields, depths_nm)]
        return Batch(batch_of(planes), images[0], images[1], repeats=False)

    def sides(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows and columns of a window, which a small structure has more than once."""
        height, width = self.edges
        return self._structure.sides((window.y, window.y + height), (window.x, window.x + width))

    def pixels(self, window: Window) -> np.ndarray:
        """Return the pixels of a window, int64 (pixel, 3) in axes (z, y, x), in C order."""
        y, x = (side.ravel() for side in np.meshgrid(*self.sides(window), indexing="ij"))
        return np.stack([np.full(y.size, window.z), y, x], axis=1)


def batches_of_images(
    windows: Windows,
    images: np.ndarray,
    slices: range,
    batch_size: int,
    rng: np.random.Generator,
    number: int,
) -> Iterator[Batch]:
    """Yield so many batches of random windows of given images, (channel, z, y, x)."""
    for _ in range(number):
        chosen = windows.at_random(rng, slices, batch_size)
        sides = [(w.z, *windows.sides(w)) for w in chosen]
        cut = [images[:, z][:, rows[:, None], columns] for z, rows, columns in sides]
        yields = np.stack(cut).astype(np.float32)
        yield windows.batch(chosen, yields, np.zeros_like(yields))
