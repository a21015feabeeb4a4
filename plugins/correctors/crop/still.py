"""Finds rows and columns at the edges of the field that do not change from slice to slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.crop.boxes import leading
from fibcore import Context, Images

SAMPLED = 24
"""Slices that are compared, spread over the stack."""
BAND_BYTES = 32 * 2**20
"""Rows are compared in bands, so that the sampled slices are not all held."""
STILL = 0.3
"""A pixel is still in a slice if it differs from its median over the slices by less than this
multiple of the mean difference in the middle of the field."""
SHARE, CLOSER = 0.7, 0.35
"""Least share of still pixels in a row at an edge; and most of its moving share, in units of that
of rows in the middle."""
TOO_STILL = 0.9, 0.7
"""Where rows in the middle are as still as this, edges cannot be distinguished: of several slices,
of a single one."""
FEWEST, FEWEST_SHARE = 3, 0.005
"""Least number of rows at an edge, and their share of all rows."""
INK, INK_SHARE = 0.5, 0.003
"""A data bar has at least this share of pixels that differ from its usual grey value by more than
this multiple of the range of grey values in the field."""
BORDER_INSIDE = 0.04
"""Largest share of the value of a filled border in the inner part of a slice."""
BORDER_SLICES = 0.02
"""Smallest share of slices with a filled border."""


@dataclass(frozen=True)
class Edge:
    """Rows or columns at one edge of the field that show nothing of the specimen.

    Attributes:
        side: ``top``, ``bottom``, ``left`` or ``right``.
        count: number of rows or columns.
        what: ``data_bar`` or ``constant``.
    """

    side: str
    count: int
    what: str


class StillField:
    """What does not move in a stack: a map of still pixels, and the median of sampled slices."""

    def __init__(self, images: Images, context: Context) -> None:
        depth, height, width = images.shape
        sampled = np.unique(np.linspace(0, depth - 1, min(depth, SAMPLED)).round().astype(int))
        self.single = len(sampled) == 1
        self.median = np.empty((height, width), np.float32)
        counts = [np.zeros((height, width), np.uint16) for _ in range(1 + self.single)]
        bytes_each = 8 * len(sampled) * width
        band = max(1, BAND_BYTES // bytes_each)
        middle = slice(height // 4, max(height - height // 4, height // 4 + 1))
        for channel in images.data:
            step = max(1, (middle.stop - middle.start) // max(1, min(band, 64)))
            part = channel[sampled, middle][:, ::step].astype(np.float32)
            changes = self._changes(part, np.median(part, axis=0))
            inner = slice(width // 4, max(width - width // 4, width // 4 + 1))
            usual = [float(change[..., inner].mean()) for change in changes]
            for first in context.track(range(0, height, band), "bands of rows"):
                rows = slice(first, min(first + band, height))
                part = channel[sampled, rows].astype(np.float32)
                self.median[rows] = np.median(part, axis=0)
                found = self._changes(part, self.median[rows])
                for count, change, level in zip(counts, found, usual, strict=True):
                    count[rows] += (change <= STILL * level).sum(axis=0, dtype=np.uint16)
        total = len(sampled) * len(images.data)
        shares = [count / np.float32(total) for count in counts]
        self.rows, self.columns = shares[0], shares[-1]

    def _changes(self, part: np.ndarray, median: np.ndarray) -> list[np.ndarray]:
        """Return how pixels differ from their median over the slices.

        Of a single slice: from the darkest or the brightest pixel of their row, and of their
        column, since a data bar has two grey values.
        """
        if not self.single:
            return [np.abs(part - median)]
        ends = [(part.min(axis, keepdims=True), part.max(axis, keepdims=True)) for axis in (2, 1)]
        return [np.minimum(part - low, high - part) for low, high in ends]

    def edges(self, wanted: Sequence[str]) -> list[Edge]:
        """Return the edges of the field to cut off: rows first, then columns, then rows again."""
        height, width = self.median.shape
        box = [0, height, 0, width]
        found: dict[str, Edge] = {}
        for axis in (0, 1, 0):
            share = self.rows if axis == 0 else self.columns
            lines = share[box[0] : box[1], box[2] : box[3]].mean(axis=1 - axis)
            flags = self._flags(lines)
            for end, side in enumerate((("top", "bottom"), ("left", "right"))[axis]):
                count = leading(flags if end == 0 else flags[::-1])
                if count < max(FEWEST, FEWEST_SHARE * len(lines)) or 2 * count > len(lines):
                    continue
                what = self._what(box, side, count) if axis == 0 else "constant"
                if what not in wanted:
                    continue
                before = found[side] if side in found else Edge(side, 0, what)
                kinds = {before.what, what}
                found[side] = Edge(
                    side, before.count + count, "data_bar" if "data_bar" in kinds else what
                )
                box[2 * axis + end] += count if end == 0 else -count
        return list(found.values())

    def _flags(self, share: np.ndarray) -> np.ndarray:
        """Return which rows are still, given the share of still pixels in each."""
        quarter = len(share) // 4
        usual = float(np.median(share[quarter : max(len(share) - quarter, quarter + 1)]))
        if usual > TOO_STILL[self.single]:
            return np.zeros(len(share), bool)
        return share >= max(SHARE, 1.0 - CLOSER * (1.0 - usual))

    def _what(self, box: Sequence[int], side: str, count: int) -> str:
        """Return what rows at the top or bottom are: a data bar if there is writing in them."""
        field = self.median[box[0] : box[1], box[2] : box[3]]
        part, rest = field[:count], field[count:]
        if side == "bottom":
            part, rest = field[-count:], field[:-count]
        low, high = np.quantile(rest, (0.05, 0.95))
        ink = np.abs(part - np.median(part)) > INK * max(float(high - low), 1e-30)
        return "data_bar" if float(ink.mean()) >= INK_SHARE else "constant"


def filled_borders(images: Images, context: Context) -> dict[str, int]:
    """Return the widest border of a single value in any slice, by side; 0 where there is none.

    Such borders are filled in when slices are shifted. The value must be rare within the slice.
    """
    depth = images.shape[0]
    found = np.zeros((depth, 4), np.int64)
    for z in context.track(range(depth), "slices"):
        widths = np.min([_border(channel[z]) for channel in images.data], axis=0)
        found[z] = widths
    often = (found > 0).sum(axis=0) >= max(1.0, BORDER_SLICES * depth)
    most = np.where(often, found.max(axis=0), 0)
    return dict(zip(("top", "bottom", "left", "right"), most.tolist(), strict=True))


def _border(plane: np.ndarray) -> tuple[int, int, int, int]:
    lines = (plane[0], plane[-1], plane[:, 0], plane[:, -1])
    if not any(np.all(line == line[0]) for line in lines):
        return 0, 0, 0, 0
    height, width = plane.shape
    inner = plane[height // 4 : height - height // 4, width // 4 : width - width // 4]
    widths = []
    for side, line in enumerate(lines):
        value = line[0]
        if np.all(line == value) and inner.size and np.mean(inner == value) <= BORDER_INSIDE:
            same = np.all(plane == value, axis=1 if side < 2 else 0)
            same = same if side % 2 == 0 else same[::-1]
            widths.append(len(same) if same.all() else int(np.argmin(same)))
        else:
            widths.append(0)
    return widths[0], widths[1], widths[2], widths[3]
