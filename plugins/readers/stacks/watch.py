"""Detects unusual slices of a stack while they are read, and reports each problem once.

Only a sample of rows of each slice is used, so that a mapped stack is not fully read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

SAMPLED_ROWS = 64
FEWEST_SLICES = 8
"""Stacks of fewer slices are not checked for outliers."""
NEIGHBOURS = 3
"""Number of neighbours on each side; a slice is compared with the medians of both sides."""
FAR = 10.0
"""Multiple of the usual difference from the neighbours (its robust standard deviation)."""
FAR_IN_CONTRAST = 0.5
"""Share of the standard deviation within a slice; smaller differences are not visible."""
BORDER_SHARE = 0.4
"""Smallest share of one value in an outermost row or column of a border."""
BORDER_SLICES = 0.05
"""Smallest share of slices with a border in a stack with one."""
BORDER_INSIDE = 0.04
"""Largest share of the value of a border in the inner part of a slice."""
LONE_SHARE, LONE_GAP = 0.001, 5.0
"""Share of a marker value in a slice, and its distance from the range of other values."""
FEWEST_VALUES = 16
"""Images with fewer grey values were not measured; they have large areas of one value."""


@dataclass(frozen=True)
class _Extreme:
    """The lowest or highest value of a slice.

    Attributes:
        value: the value.
        inside: its share of the inner part of the slice.
        widths: widths of its border at the top, bottom, left and right; None if there is none.
        lone: its share of the slice if all other values are far from it; else 0.
    """

    value: float
    inside: float
    widths: tuple[int, int, int, int] | None
    lone: float


@dataclass
class Watch:
    """Examines the slices of one channel one after another.

    Attributes:
        shape: shape of a slice, (y, x).
        start: index of the first voxel read along (z, y, x); added to reported positions.
    """

    shape: tuple[int, int]
    start: tuple[int, int, int]
    _means: list[float] = field(default_factory=list)
    _spreads: list[float] = field(default_factory=list)
    _repeats: list[bool] = field(default_factory=list)
    _flat: list[bool] = field(default_factory=list)
    _extremes: list[tuple[_Extreme, ...]] = field(default_factory=list)
    _last: tuple[np.ndarray, np.ndarray] | None = None

    def see(self, plane: np.ndarray) -> None:
        """Examine the next slice."""
        step = max(1, self.shape[0] // SAMPLED_ROWS)
        sample = np.array(plane[::step])
        values = sample.astype(np.float64, copy=False)
        self._means.append(float(values.mean()))
        self._spreads.append(float(values.std()))
        self._repeats.append(
            self._last is not None
            and np.array_equal(sample, self._last[0])
            and np.array_equal(plane, self._last[1])
        )
        self._flat.append(self._spreads[-1] == 0.0 and bool(np.all(plane == plane[0, 0])))
        if not self._flat[-1]:
            self._extremes.append(
                (_extreme(plane, sample, np.min), _extreme(plane, sample, np.max))
            )
        self._last = sample, plane

    def remarks(self) -> list[str]:
        """Return one sentence for each problem."""
        found = [*self._flat_slices(), *self._repeated_slices(), *self._borders()]
        for what, values in (("grey level", self._means), ("contrast", self._spreads)):
            found += self._outliers(what, np.array(values))
        return found

    def _flat_slices(self) -> Iterator[str]:
        places = [z for z, flat in enumerate(self._flat) if flat]
        if places:
            yield (
                f"{self._slices(places)} of one grey value only, like padding: leave them out with "
                f"region, or replace them"
            )

    def _repeated_slices(self) -> Iterator[str]:
        runs = [
            [z for z, _ in run]
            for repeat, run in groupby(enumerate(self._repeats), key=lambda pair: pair[1])
            if repeat
        ]
        runs = [run for run in runs if not self._flat[run[0]]]
        if runs:
            first, count, more = runs[0], sum(map(len, runs)), len(runs) - 1
            yield (
                f"slices {self._z(first[0] - 1)} to {self._z(first[-1])} are the same image"
                + (f", and {more} more group{'s are' if more > 1 else ' is'}" if more else "")
                + f": {count} slices repeat the one before. If they were copied to fill gaps, "
                f"remove them, or all measures along z are wrong"
            )

    def _borders(self) -> Iterator[str]:
        for pick, extremes in zip((min, max), zip(*self._extremes, strict=True), strict=False):
            value = pick(found.value for found in extremes)
            these = [found for found in extremes if found.value == value]
            framed = [found for found in these if found.widths is not None]
            inside = sum(found.inside for found in these) / len(extremes)
            lone = [found for found in these if found.lone]
            fewest = max(1, BORDER_SLICES * len(extremes))
            if len(framed) < fewest or inside > BORDER_INSIDE:
                if len(lone) >= fewest:
                    share = max(found.lone for found in lone)
                    yield (
                        f"{len(lone)} slices have the value {value:g} (up to {100 * share:.2g} % "
                        f"of them), far from all others: it may mark areas that were not imaged, "
                        f"but is treated as a grey value; replace it, or leave it out"
                    )
                continue
            widths = np.array([found.widths for found in framed])
            top, bottom, left, right = widths.max(axis=0).tolist()
            y, x = self.start[1:]
            box = {
                "y": [y + top, y + self.shape[0] - bottom],
                "x": [x + left, x + self.shape[1] - right],
            }
            yield (
                f"{len(widths)} slices have a border of the single value {value:g}, up to "
                f"{max(top, bottom, left, right)} pixels wide, which is treated as grey values of "
                f"the specimen: leave it out with region: {json.dumps(box)}"
            )
            return

    def _outliers(self, what: str, values: np.ndarray) -> Iterator[str]:
        usual = [i for i, flat in enumerate(self._flat) if not flat]
        if len(usual) < FEWEST_SLICES:
            return
        values, spread = values[usual], float(np.median(np.array(self._spreads)[usual]))
        before, after = _medians(values), _medians(values[::-1])[::-1]
        below, above = np.minimum(before, after), np.maximum(before, after)
        off = np.maximum(below - values, values - above).clip(min=0.0)
        usually = np.abs(values - before)
        limit = max(FAR * 1.4826 * float(np.median(usually)), FAR_IN_CONTRAST * spread)
        far = [i for i in range(len(values)) if off[i] > limit]
        if far:
            i = max(far, key=off.__getitem__)
            near = below[i] if values[i] < below[i] else above[i]
            yield (
                f"{self._slices([usual[i] for i in far])} far from the neighbours in {what} (slice "
                f"{self._z(usual[i])}: {values[i]:.4g}, its neighbours {near:.4g}): check "
                f"them; replace or leave out slices that were not imaged properly"
            )

    def _slices(self, places: Sequence[int]) -> str:
        shown = ", ".join(str(self._z(z)) for z in places[:5])
        more = f" and {len(places) - 5} more" if len(places) > 5 else ""
        return f"slices {shown}{more} are" if len(places) > 1 else f"slice {shown} is"

    def _z(self, z: int) -> int:
        return self.start[0] + z


def _medians(values: np.ndarray) -> np.ndarray:
    """Return the median of the neighbours before each value; after it, at the start."""
    medians = [
        float(np.median(values[max(0, i - NEIGHBOURS) : i] if i else values[1 : NEIGHBOURS + 1]))
        for i in range(len(values))
    ]
    return np.array(medians)


def _extreme(plane: np.ndarray, sample: np.ndarray, pick: Callable[..., Any]) -> _Extreme:
    """Return the lowest or highest value of a slice, and its border, if any."""
    rows, columns = sample.shape
    inner = sample[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4]
    edges = (plane[0], plane[-1], plane[:, 0], plane[:, -1])
    value = pick([pick(sample), *(pick(edge) for edge in edges)])
    inside = float(np.mean(inner == value))
    share = max(float(np.mean(edge == value)) for edge in edges)
    framed = share >= BORDER_SHARE and inside <= BORDER_INSIDE
    framed = framed and len(np.unique(sample)) >= FEWEST_VALUES
    widths = _widths(plane == value) if framed else None
    return _Extreme(float(value), inside, widths, _lone(sample, value, pick))


def _lone(sample: np.ndarray, value: Any, pick: Callable[..., Any]) -> float:
    """Return the share of an extreme value that is far from all others; else 0."""
    others = sample[sample != value]
    share = 1.0 - others.size / sample.size
    if share < LONE_SHARE or others.size == 0:
        return 0.0
    gap = abs(float(pick(others)) - float(value))
    if gap < abs(float(others.max()) - float(others.min())):
        return 0.0
    low, high = np.quantile(others, (0.01, 0.99)).astype(np.float64)
    return share if gap > LONE_GAP * (high - low) > 0 else 0.0


def _widths(border: np.ndarray) -> tuple[int, int, int, int]:
    """Return how many lines at the top, bottom, left and right are mostly border."""
    of_rows, of_columns = (border.mean(axis=axis) >= BORDER_SHARE for axis in (1, 0))
    return (
        _leading(of_rows), _leading(of_rows[::-1]), _leading(of_columns), _leading(of_columns[::-1])
    )  # fmt: skip


def _leading(flags: np.ndarray) -> int:
    return len(flags) if flags.all() else int(np.argmin(flags))
