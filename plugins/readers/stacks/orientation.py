"""Applies the orientation tag to rows and columns (TIFF 6.0, tag 274)."""

from __future__ import annotations

import numpy as np

NORMAL = 1
KNOWN = range(1, 9)

WORDS = {
    2: "mirrored left to right",
    3: "turned by 180 degrees",
    4: "mirrored top to bottom",
    5: "mirrored along the diagonal",
    6: "turned by 90 degrees clockwise",
    7: "mirrored along the other diagonal",
    8: "turned by 90 degrees counter-clockwise",
}
"""Operation on the stored pixels."""


def swaps(orientation: int) -> bool:
    """Return whether rows are stored as columns."""
    return orientation >= 5


def turned(planes: np.ndarray, orientation: int) -> np.ndarray:
    """Return upright planes, as a view.

    Args:
        planes: axes (..., y, x), as stored.
        orientation: 1 to 8: sides of the first stored row and column. 1: top and left; 2: top
            and right; 3: bottom and right; 4: bottom and left; 5: left and top; 6: right and top;
            7: right and bottom; 8: left and bottom.
    """
    if swaps(orientation):
        planes = planes.swapaxes(-1, -2)
    if orientation in (3, 4, 7, 8):
        planes = planes[..., ::-1, :]
    if orientation in (2, 3, 6, 7):
        planes = planes[..., ::-1]
    return planes
