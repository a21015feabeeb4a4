"""Mean squared differences between slices, and within slices against distance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.streaming import in_order
from fib_plugins.correctors.thickness.features import (
    RAMPS,
    Tile,
    features_of,
    filtered_levels,
    levels_of,
    stripes_of,
    tiles_of,
)
from fib_plugins.correctors.thickness.kernels import squared_difference
from fib_plugins.threads import bytes_in_threads
from fibcore import Context, FibError, VolumeSpec

LAGS = (1, 2, 3, 4, 6, 8, 11, 15, 20, 27, 36, 48, 64, 85)
"""Distances within a slice, pixels."""
SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
"""Shifts (y, x) at which slices are compared, pixels."""
BLOCK = 16
LIBRARIES = 16 * 2**20
"""Memory of SciPy's parts that are loaded."""


@dataclass(frozen=True)
class Resemblance:
    """Half the mean squared differences (structure functions), by tile of each channel.

    Attributes:
        pairs: between slices k and k + m, float64 (slice k, m - 1, shift, feature, tile); NaN where
            there is no slice k + m.
        lateral: within slices, float64 (slice, axis y or x, lag, feature, tile).
        lags: distances within slices, pixels.
    """

    pairs: np.ndarray
    lateral: np.ndarray
    lags: tuple[int, ...]

    def of_tiles(self, tiles: np.ndarray) -> Resemblance:
        """Return the same for a choice of tiles, which may be repeated."""
        return Resemblance(self.pairs[..., tiles], self.lateral[..., tiles], self.lags)


def bytes_of(spec: VolumeSpec, neighbours: int) -> int:
    """Return the memory for a stack: features of a block in each thread, and the differences.

    These are held twice again while tiles are drawn for the uncertainty.
    """
    count, height, width = spec.shape
    tiles = tiles_of(height, width)
    blocks = bytes_in_threads(_bytes_of_a_block(tiles, neighbours), -(-count // BLOCK))
    numbers = 2 * (len(SHIFTS) * neighbours + 2 * len(LAGS)) * len(tiles) + width / 2
    return blocks + round(24 * len(spec.kv) * count * numbers) + LIBRARIES


def _bytes_of_a_block(tiles: list[Tile], neighbours: int) -> int:
    tile = tiles[0]
    area = (tile.rows.stop - tile.rows.start) * (tile.columns.stop - tile.columns.start)
    return (BLOCK + neighbours) * 2 * area + 8 * area


def measure(data: np.ndarray, kind: str, neighbours: int, context: Context) -> Resemblance:
    """Compare the slices of a stack (channel, z, y, x).

    Args:
        data: grey values.
        kind: which features: ``bright`` or ``grey``.
        neighbours: slices are compared with so many of those that follow.
        context: threads and progress.
    """
    channels, count, height, width = data.shape
    tiles = tiles_of(height, width)
    lags = tuple(lag for lag in LAGS if lag <= min(tile.edge for tile in tiles) // 2)
    memory = _bytes_of_a_block(tiles, neighbours)

    def look(z: int) -> tuple[np.ndarray, np.ndarray]:
        stripes = np.stack([stripes_of(np.asarray(data[c, z])) for c in range(channels)])
        levels = np.array(
            [
                levels_of(np.asarray(data[c, z, tile.rows, tile.columns]))
                for c in range(channels)
                for tile in tiles
            ]
        )
        for c in range(channels):
            of_channel = levels[c * len(tiles) : (c + 1) * len(tiles)]
            if not (of_channel[:, 1] > of_channel[:, 0]).any():
                raise FibError(
                    f"slice {z} of channel {c} is constant: there is nothing to compare; leave it "
                    f"out, or repair it (corrector/level)"
                )
        return stripes, levels

    stripes = np.empty((count, channels, width), np.float32)
    levels = np.empty((count, channels * len(tiles), 2))
    looked = in_order(look, range(count), context, "levels of slices", 2 * height * width)
    for z, (of_slice, found) in enumerate(looked):
        stripes[z], levels[z] = of_slice, found
    levels = filtered_levels(levels)
    ranges = RAMPS[kind]
    pairs = np.full((count, neighbours, len(SHIFTS), len(ranges), channels * len(tiles)), np.nan)
    lateral = np.empty((count, 2, len(lags), len(ranges), channels * len(tiles)))

    def compare(start: int) -> None:
        stop = min(start + BLOCK, count)
        for number in range(channels * len(tiles)):
            channel, tile = divmod(number, len(tiles))
            made = [
                features_of(
                    np.asarray(data[channel, z, tiles[tile].rows, tiles[tile].columns]),
                    stripes[z, channel, tiles[tile].columns],
                    levels[z, number],
                    ranges,
                )
                for z in range(start, min(stop + neighbours, count))
            ]
            for z in range(start, stop):
                for feature in range(len(ranges)):
                    a = made[z - start][feature]
                    lateral[z, :, :, feature, number] = _lateral(a, lags)
                    for m in range(1, min(neighbours, count - 1 - z) + 1):
                        b = made[z - start + m][feature]
                        pairs[z, m - 1, :, feature, number] = _shifted(a, b)

    for _ in in_order(compare, range(0, count, BLOCK), context, "comparing slices", memory):
        pass
    return Resemblance(pairs, lateral, lags)


def _lateral(image: np.ndarray, lags: tuple[int, ...]) -> np.ndarray:
    """Return the differences (axis y or x, lag) within an image."""
    along_y = [squared_difference(image[lag:], image[:-lag]) for lag in lags]
    along_x = [squared_difference(image[:, lag:], image[:, :-lag]) for lag in lags]
    return np.array([along_y, along_x])


def _shifted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the differences of two images at each of `SHIFTS`, of their common inner part."""
    height, width = a.shape
    inner = a[1:-1, 1:-1]
    return np.array(
        [
            squared_difference(inner, b[1 + y : height - 1 + y, 1 + x : width - 1 + x])
            for y, x in SHIFTS
        ]
    )
