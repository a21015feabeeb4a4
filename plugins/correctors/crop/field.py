"""The part of a stack that is kept, made of several cuts; each is described in one warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fib_plugins.correctors.crop.boxes import (
    Box,
    as_region,
    box_of_shifts,
    covers,
    intersection,
)
from fib_plugins.correctors.crop.still import StillField, filled_borders
from fibcore import Context, Images, Table

NAMES = {"data_bar": "a data bar", "constant": "nothing that changes from slice to slice"}
SIDES = ("top", "bottom", "left", "right")


class KeptField:
    """Boxes that are kept, and descriptions of what is cut off.

    Args:
        images: the given stack.
        by_hand: the region given by hand; edges are found within it.
        margin_px: pixels that are cut off in addition at each edge that was found or filled.
        context: surroundings of the step.
    """

    def __init__(self, images: Images, by_hand: Box, margin_px: int, context: Context) -> None:
        self.images = images
        self.by_hand = by_hand
        self.margin_px = margin_px
        self.context = context
        self._boxes = [by_hand]
        self._words: list[str] = []

    def cut_shifts(self, shifts: Table) -> None:
        """Cut off rows and columns that were filled when slices were shifted."""
        shape = self.images.shape
        (y0, y1), (x0, x1) = box_of_shifts(shifts, shape)[1:]
        counts = dict(zip(SIDES, (y0, shape[1] - y1, x0, shape[2] - x1), strict=True))
        whole: Box = ((0, shape[0]), (0, shape[1]), (0, shape[2]))
        self._cut(whole, counts, dict.fromkeys(SIDES, "filled after shifts"))

    def cut_found(self, wanted: Sequence[str]) -> None:
        """Cut off what is found in the images."""
        view = (slice(None), *(slice(*along) for along in self.by_hand))
        part = self.images.with_data(self.images.data[view])
        if min(part.shape[1:]) < 2:
            return
        counts = dict.fromkeys(SIDES, 0)
        reasons = {}
        for edge in StillField(part, self.context).edges(wanted):
            counts[edge.side], reasons[edge.side] = edge.count, NAMES[edge.what]
        if "constant" in wanted:
            for side, count in filled_borders(part, self.context).items():
                if count > counts[side]:
                    counts[side], reasons[side] = count, "a border of a single value"
        self._cut(self.by_hand, counts, reasons)

    def _cut(self, box: Box, counts: Mapping[str, int], reasons: Mapping[str, str]) -> None:
        cut = {side: count + self.margin_px * (count > 0) for side, count in counts.items()}
        (y0, y1), (x0, x1) = box[1:]
        rows = (y0 + cut["top"], y1 - cut["bottom"])
        columns = (x0 + cut["left"], x1 - cut["right"])
        self._boxes.append((box[0], rows, columns))
        for side, count in cut.items():
            if count:
                line = "row" if side in SIDES[:2] else "column"
                plural = "s" if count > 1 else ""
                self._words.append(f"{count} {line}{plural} at the {side} ({reasons[side]})")

    def box(self) -> Box:
        """Return what all cuts leave; warns of what they cut off.

        Raises:
            FibError: nothing is left.
        """
        box = intersection(self._boxes)
        if self._words:
            self.context.log.warning(
                "cut off: %s; %.0f %% of the field is left, region %s. If this is wrong, give the "
                "region by hand, and find []",
                "; ".join(self._words),
                100 * covers(box, self.images.shape),
                as_region(box, self.images.shape),
            )
        return box
