"""The part of each slice that is compared, and its Fourier transform."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.align.kernels import binned
from fib_plugins.correctors.align.regions import Window
from fib_plugins.correctors.streaming import in_order
from fibcore import Context, FibError, Images

BYTES_PER_PIXEL = 16
"""Memory of a thread per binned pixel and channel: the plane, times the window, its transform."""

ROUNDING = 1e-5
"""Grey values below this share of the largest one, when stripes are subtracted, are rounding."""


@dataclass(frozen=True)
class View:
    """What is compared of one slice.

    Attributes:
        z: its number.
        planes: binned grey values, float32 (channel, y, x).
        spectra: transforms of the planes times the window, complex64 (channel, y, x // 2 + 1).
    """

    z: int
    planes: np.ndarray
    spectra: np.ndarray


class Spectra:
    """Makes the views of slices.

    Args:
        images: the stack.
        window: what is compared of each slice.
    """

    def __init__(self, images: Images, window: Window) -> None:
        self.data = images.data
        self.window = window
        self.weights = window.weights()
        rows, columns = window.padded
        self.padded = (rows, columns)
        self.phase_y = (2.0 * np.pi * np.fft.fftfreq(rows)).astype(np.float32)
        self.phase_x = (2.0 * np.pi * np.fft.rfftfreq(columns)).astype(np.float32)

    @property
    def filled(self) -> float:
        """Share of the transforms' size that the window fills: independent frequencies."""
        return float(np.mean(self.weights)) * self.weights.size / (self.padded[0] * self.padded[1])

    @property
    def half(self) -> tuple[int, int]:
        """Shape of the transforms, (y, x)."""
        return self.padded[0], self.padded[1] // 2 + 1

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.data)

    def each(self, slices: range | list[int], context: Context, what: str) -> Iterator[View]:
        """Yield the views of slices, in order, made by several threads."""
        rows, columns = self.window.shape
        pixels = self.channels * rows * columns
        return in_order(self.view, slices, context, what, BYTES_PER_PIXEL * pixels)

    def view(self, z: int) -> View:
        """Return the view of a slice.

        Raises:
            FibError: it has values that are not finite.
        """
        (top, bottom), (left, right) = self.window.rectangle
        planes = np.empty((self.channels, *self.window.shape), np.float32)
        for channel, out in enumerate(planes):
            given = np.ascontiguousarray(self.data[channel, z, top:bottom, left:right])
            binned(given, self.window.factor, out)
        if not np.isfinite(planes.sum(dtype=np.float64)):
            raise FibError(
                f"slice {z} has grey values that are not finite, or too large; replace them first"
            )
        return View(z, planes, self.transformed(planes, self.weights))

    def transformed(self, planes: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the transforms of planes times weights, without stripes along either axis.

        The weighted mean of each column, then of each row, is subtracted: stripes of constant grey
        would leak from their frequencies, since the window has short flanks.
        """
        from scipy.fft import rfft2

        made = np.empty((len(planes), *self.half), np.complex64)
        for plane, out in zip(planes, made, strict=True):
            left = plane * weights
            for axis in (0, 1):
                total = np.maximum(weights.sum(axis=axis, keepdims=True), 1e-6)
                left -= weights * (left.sum(axis=axis, keepdims=True) / total)
            if np.abs(left).max() <= ROUNDING * np.abs(plane).max():
                left[:] = 0
            out[:] = rfft2(left, self.padded)
        return made

    def recut(self, first: View, second: View, by: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the transforms of what both of two slices show, the second moved back by `by`.

        Args:
            first: a slice.
            second: another one.
            by: whole binned pixels (y, x) by which its content is displaced.
        """
        y, x = (int(part) for part in by)
        weights = self.window.weights((y, x))
        back = np.zeros_like(second.planes)
        height, width = self.window.shape
        here = (
            slice(max(0, -y), min(height, height - y)),
            slice(max(0, -x), min(width, width - x)),
        )
        there = (slice(max(0, y), min(height, height + y)), slice(max(0, x), min(width, width + x)))
        back[:, *here] = second.planes[:, *there]
        return self.transformed(first.planes, weights), self.transformed(back, weights)
