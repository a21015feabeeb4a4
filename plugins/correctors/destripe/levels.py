"""Slices on a common scale, on which curtains are offsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.destripe.slopes import UNKNOWN

NONE = np.empty(0, np.float32)
LINEAR_BELOW = 0.2
"""Fraction of the mean signal below which the scale is linear: noise would be magnified."""
MOST = 1e10
"""Greater levelled values are those of saturated pixels."""
SAMPLED_FROM = 512
"""Of slices larger than this, every other row and column is used for mean and deviation."""


@dataclass(frozen=True)
class Scale:
    """A scale of grey values on which curtains are equally strong in dark and bright areas.

    Attributes:
        black: grey value of no signal, if curtains are a fraction of the signal: the scale is
            logarithmic above it. None: curtains are equally strong already.
        mean: mean grey value; values about it keep their distances.
    """

    black: float | None
    mean: float

    @property
    def unit(self) -> float:
        """The mean signal."""
        return self.mean - (self.black or 0.0)

    def values(self, grey: np.ndarray) -> np.ndarray:
        """Return grey values on the scale, float32."""
        if self.black is None:
            return grey.astype(np.float32)
        signal = (grey.astype(np.float32) - np.float32(self.black)) / np.float32(self.unit)
        low = np.float32(LINEAR_BELOW)
        logs = np.log(np.maximum(signal, low))
        return self.unit * (logs + np.minimum(signal - low, 0.0) / low)

    def grey(self, values: np.ndarray) -> np.ndarray:
        """Return the grey values of values on the scale, float32."""
        if self.black is None:
            return values
        scaled = values / np.float32(self.unit)
        low = np.float32(LINEAR_BELOW)
        least = np.log(low)
        signal = np.exp(np.maximum(scaled, least)) + low * np.minimum(scaled - least, 0.0)
        return np.float32(self.black) + self.unit * signal


@dataclass(frozen=True)
class Levelled:
    """A slice and what brings it to mean 0 and standard deviation 1 on a scale.

    Attributes:
        plane: integers as recorded or levelled float32 values, axes (y, x).
        table: levelled value of each integer, `UNKNOWN` for those that are saturated.
        mean: mean on the scale.
        deviation: standard deviation on it; 0 in a constant slice.
        spread: standard deviation of the grey values.
        scale: the scale.
    """

    plane: np.ndarray
    table: np.ndarray
    mean: float
    deviation: float
    spread: float
    scale: Scale

    @classmethod
    def of(cls, plane: np.ndarray, scale: Scale) -> Levelled:
        """Return a slice with its mean and standard deviation.

        The least and the greatest value of integers are saturated.
        """
        if plane.dtype.kind != "u":
            values = scale.values(plane)
            mean, deviation = _moments(_sampled(values))
            spread = _moments(_sampled(plane))[1]
            levelled = (values - mean) / (deviation or 1.0)
            return cls(levelled.astype(np.float32), NONE, mean, deviation, spread, scale)
        values = scale.values(np.arange(np.iinfo(plane.dtype).max + 1))
        sampled = _sampled(plane)
        mean, deviation = _moments(values[sampled])
        table = (values - mean) / (deviation or 1.0)
        table[[0, -1]] = UNKNOWN
        spread = _moments(sampled)[1]
        return cls(plane, table.astype(np.float32), mean, deviation, spread, scale)

    def levelled(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return the levelled slice, or some rows, float32; saturated pixels at `UNKNOWN`."""
        plane = self.plane if rows is None else self.plane[rows]
        return self.table[plane] if self.table.size else plane

    def filled(self) -> np.ndarray:
        """Return the levelled slice, float32, saturated pixels at the least or greatest value."""
        if not self.table.size:
            return self.plane
        table = self.table.copy()
        table[[0, -1]] = table[[1, -2]]
        return table[self.plane]

    def without(self, plane: np.ndarray, stripes: np.ndarray) -> np.ndarray:
        """Return grey values, float32, after stripes are subtracted on the levelled scale.

        Args:
            plane: the slice as recorded; its saturated pixels do not change.
            stripes: axes (y, x).
        """
        stripes = stripes * np.float32(self.deviation)
        if self.scale.black is None:
            corrected = plane.astype(np.float32) - stripes
        else:
            values = self.filled() * np.float32(self.deviation) + np.float32(self.mean)
            corrected = self.scale.grey(values - stripes)
        if plane.dtype.kind == "u":
            saturated = (plane == 0) | (plane == np.iinfo(plane.dtype).max)
            corrected[saturated] = plane[saturated]
        return corrected


def _sampled(plane: np.ndarray) -> np.ndarray:
    return plane[::2, ::2] if min(plane.shape) > SAMPLED_FROM else plane


def _moments(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation; the deviation is 0 if it is rounding."""
    mean = float(values.mean(dtype=np.float64))
    deviation = float(values.std(dtype=np.float64))
    return mean, deviation if deviation > 1e-6 * abs(mean) else 0.0
