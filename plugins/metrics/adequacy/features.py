"""What a patch looks like, in numbers: grey values, noise, spectrum, direction, edges, shapes.

Most numbers are logarithms of ratios, so that they are spread evenly on both sides. Grey values and
noise are in those of the images; all else is relative to the contrast of the patch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

import numpy as np

from fib_plugins.image_statistics.noise_level import GAIN, MEDIAN

RINGS = 6
"""Number of rings of the spectrum, of equal ratio of frequencies."""
LAGS = (2, 4, 8)
"""Distances of the autocorrelation in the plane, pixels."""
TINY = 1e-6

Group = tuple[str, list[np.ndarray]]


def features_of(
    grey: np.ndarray, levels: Sequence[float], names: Sequence[str]
) -> tuple[np.ndarray, list[str]]:
    """Return the features of patches, axes (patch, feature), and the group of each feature.

    Args:
        grey: from `Patches`, axes (patch, channel, slice below, y, x).
        levels: a grey level of each channel between dark and bright; shapes are those above it.
        names: name of each channel; groups of several channels are named with them.
    """
    columns: list[np.ndarray] = []
    groups: list[str] = []

    def add(found: Iterator[Group], of: str) -> None:
        for group, values in found:
            columns.extend(values)
            groups.extend([f"{group}{of}"] * len(values))

    for number, (level, name) in enumerate(zip(levels, names, strict=True)):
        add(_of_channel(grey[:, number], level), f", {name}" if len(names) > 1 else "")
    for one, other in combinations(range(len(names)), 2):
        add(_of_pair(grey[:, one, 0], grey[:, other, 0]), f", {names[one]} and {names[other]}")
    return np.stack(columns, axis=1).astype(np.float64), groups


def _of_channel(grey: np.ndarray, level: float) -> Iterator[Group]:
    """Yield the groups of one channel; `grey` has axes (patch, slice below, y, x)."""
    plane, smooth = grey[:, 0], smoothed(grey[:, 0])
    mean, deviation = plane.mean(axis=(1, 2)), plane.std(axis=(1, 2)) + TINY
    z = (smooth - mean[:, None, None]) / deviation[:, None, None]
    low, middle, high = np.quantile(z, (0.1, 0.5, 0.9), axis=(1, 2))
    yield (
        "grey values",
        [mean, np.log(deviation), (z**3).mean(axis=(1, 2)), (z**4).mean(axis=(1, 2)),
         (low + high - 2 * middle) / (high - low + TINY)],
    )  # fmt: skip
    yield "noise", list(_noise(plane, smooth, deviation))
    yield "spectrum", list(_spectrum(plane, deviation))
    yield "stripes", list(_directions(plane, smooth))
    yield "sharpness", list(_sharpness(plane, smooth, deviation))
    yield "distances", list(_distances(z))
    yield "shapes", list(_shapes(smooth > level))
    if grey.shape[1] > 1:
        yield "slices", list(_slices(grey, deviation, level))


def smoothed(grey: np.ndarray) -> np.ndarray:
    """Return images blurred by 1.4 pixels (standard deviation): twice [1 2 1] / 4 along y and x."""
    for _ in range(4):
        for axis in (-2, -1):
            wide = np.pad(
                grey, [(0, 0)] * (grey.ndim - 2) + [(int(axis == a),) * 2 for a in (-2, -1)], "edge"
            )
            low, mid, high = (
                np.take(wide, range(i, wide.shape[axis] - 2 + i), axis) for i in range(3)
            )
            grey = (low + 2 * mid + high) / 4
    return grey


def _noise(plane: np.ndarray, smooth: np.ndarray, deviation: np.ndarray) -> Iterator[np.ndarray]:
    """Yield noise, its slope over brightness, and its correlation between neighbours."""
    second = np.diff(np.diff(plane, 2, axis=1), 2, axis=2)
    sizes = np.abs(second).reshape(len(plane), -1) / GAIN
    level = np.median(sizes, axis=1) / MEDIAN
    yield np.log(level + TINY)
    yield np.log(level / deviation + TINY)
    inner = smooth[:, 1:-1, 1:-1].reshape(len(plane), -1)
    dark = inner < np.median(inner, axis=1)[:, None]
    share = [
        np.where(part, sizes, 0).sum(axis=1) / (part.sum(axis=1) + 1) for part in (dark, ~dark)
    ]
    yield np.log((share[1] + TINY) / (share[0] + TINY))
    rough = plane - smooth
    power = (rough**2).mean(axis=(1, 2)) + TINY
    yield (rough[:, 1:] * rough[:, :-1]).mean(axis=(1, 2)) / power
    yield (rough[:, :, 1:] * rough[:, :, :-1]).mean(axis=(1, 2)) / power


def _spectrum(plane: np.ndarray, deviation: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the logarithms of the power in rings of frequency, over the variance."""
    edge = plane.shape[-1]
    window = np.sin(np.pi * (np.arange(edge) + 0.5) / edge) ** 2
    centred = plane - plane.mean(axis=(1, 2), keepdims=True)
    power = np.abs(np.fft.rfft2(centred * np.outer(window, window))) ** 2
    power = power.reshape(len(plane), -1) / (deviation[:, None] ** 2 * edge**2)
    frequency = np.hypot(np.fft.fftfreq(edge)[:, None], np.fft.rfftfreq(edge)).ravel()
    borders = np.geomspace(1.5 / edge, 0.5, RINGS + 1)
    for low, high in pairwise(borders):
        ring = (frequency >= low) & (frequency < high)
        if ring.any():  # small patches have few frequencies
            yield np.log(power[:, ring].mean(axis=1) + TINY)


def _directions(plane: np.ndarray, smooth: np.ndarray) -> Iterator[np.ndarray]:
    """Yield ratios of the slopes along x and y, and of whole rows and columns."""
    for image in (plane, smooth):
        along_y, along_x = np.diff(image, axis=1), np.diff(image, axis=2)
        yield np.log(
            ((along_x**2).mean(axis=(1, 2)) + TINY) / ((along_y**2).mean(axis=(1, 2)) + TINY)
        )
    for axis in (1, 2):
        profile = np.diff(plane.mean(axis=axis), 1, axis=1)
        slopes = np.diff(plane, axis=3 - axis)
        yield np.log(((profile**2).mean(axis=1) + TINY) / ((slopes**2).mean(axis=(1, 2)) + TINY))


def _sharpness(
    plane: np.ndarray, smooth: np.ndarray, deviation: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield how the correlation falls over some pixels, and how steep slopes are.

    White noise adds to the product of a pixel with itself only, and so to none of these products.
    """
    centred = plane - plane.mean(axis=(1, 2), keepdims=True)
    near = [
        ((centred[:, lag:] * centred[:, :-lag]).mean(axis=(1, 2)),
         (centred[:, :, lag:] * centred[:, :, :-lag]).mean(axis=(1, 2)))
        for lag in (1, 2, 3, 4)
    ]  # fmt: skip
    for axis in (0, 1):
        first = np.maximum(near[0][axis], 0.01 * deviation**2)
        for each in near[1:]:
            yield np.clip(each[axis] / first, -1, 2)
    slope = np.hypot(*np.gradient(smooth, axis=(1, 2))) / deviation[:, None, None]
    mean = slope.mean(axis=(1, 2)) + TINY
    yield np.log(mean)
    yield np.log(np.quantile(slope, 0.98, axis=(1, 2)) / mean + TINY)


def _distances(z: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the correlation at some distances along y and x."""
    for lag in LAGS:
        if 2 * lag < z.shape[-1]:
            yield (z[:, lag:] * z[:, :-lag]).mean(axis=(1, 2))
            yield (z[:, :, lag:] * z[:, :, :-lag]).mean(axis=(1, 2))


def _shapes(bright: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the bright share, mean chords along y and x, and bright parts minus holes."""
    yield bright.mean(axis=(1, 2))
    for axis in (1, 2):
        yield -np.log((np.diff(bright, axis=axis)).mean(axis=(1, 2)) + 1e-3)
    yield _euler(bright) / (np.diff(bright, axis=2).sum(axis=(1, 2)) + 1.0)


def _euler(bright: np.ndarray) -> np.ndarray:
    """Return the Euler number of the inside of each image (Gray, IEEE Trans. Computers 20, 1971).

    It counts squares of four pixels; pixels are connected by edges, holes also by corners.
    """
    ones = bright.astype(np.int8)
    squares = ones[:, 1:, 1:] + ones[:, :-1, 1:] + ones[:, 1:, :-1] + ones[:, :-1, :-1]
    diagonal = (squares == 2) & (bright[:, 1:, 1:] == bright[:, :-1, :-1])
    one, three, across = (
        np.count_nonzero(part, axis=(1, 2)) for part in (squares == 1, squares == 3, diagonal)
    )
    euler: np.ndarray = (one - three + 2.0 * across) / 4
    return euler


def _slices(grey: np.ndarray, deviation: np.ndarray, level: float) -> Iterator[np.ndarray]:
    """Yield correlation and difference of a slice and those below it."""
    first, rest = grey[:, 0], grey[:, 1:]
    for number in range(rest.shape[1]):
        one, other = smoothed(first), smoothed(rest[:, number])
        yield correlation(one, other)
        yield -np.log(((one > level) != (other > level)).mean(axis=(1, 2)) + 1e-3)
    yield correlation(first, rest[:, 0])
    shift = np.abs(rest[:, 0].mean(axis=(1, 2)) - first.mean(axis=(1, 2)))
    yield np.log(shift / deviation + 1e-2)


def _of_pair(one: np.ndarray, other: np.ndarray) -> Iterator[Group]:
    """Yield what relates two channels."""
    smooth = smoothed(one), smoothed(other)
    ratio = (smooth[0].std(axis=(1, 2)) + TINY) / (smooth[1].std(axis=(1, 2)) + TINY)
    yield "channels", [correlation(one, other), correlation(*smooth), np.log(ratio)]


def correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the correlation coefficients of images, axes (patch, y, x)."""
    one = one - one.mean(axis=(1, 2), keepdims=True)
    other = other - other.mean(axis=(1, 2), keepdims=True)
    norm = np.sqrt((one**2).mean(axis=(1, 2)) * (other**2).mean(axis=(1, 2))) + TINY
    return (one * other).mean(axis=(1, 2)) / norm
