"""Positions of slices that are given: numbers, or a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fibcore import FibError, Table

COLUMN = "position_nm"


def given_positions(
    table: Table | None, numbers: Sequence[float] | None, slices: int
) -> np.ndarray | None:
    """Return the positions of the slices, nm, from a table or from numbers; None without either.

    Args:
        table: with the column position_nm, one row per slice.
        numbers: one per slice.
        slices: number of slices.

    Raises:
        FibError: both are given, their number is not that of the slices, or they do not increase.
    """
    if table is not None and numbers is not None:
        raise FibError("positions are given as a table and as positions_nm; give one of them")
    if table is None and numbers is None:
        return None
    what = "positions_nm" if table is None else f"the column {COLUMN} of the positions"
    try:
        found = np.asarray(numbers if table is None else table[COLUMN], dtype=float)
    except (TypeError, ValueError):
        raise FibError(
            f"{what} has entries that are no numbers; give one in nm per slice"
        ) from None
    if len(found) != slices:
        raise FibError(
            f"{what} has {len(found)} positions, the stack {slices} slices; give one per slice, "
            f"also of slices that were left out at neither end"
        )
    wrong = np.flatnonzero(~(np.diff(found) > 0))
    if not np.all(np.isfinite(found)) or len(wrong):
        at = int(wrong[0]) if len(wrong) else int(np.flatnonzero(~np.isfinite(found))[0])
        raise FibError(
            f"{what} must increase from slice to slice: slice {at} is at {found[at]:g} nm"
            + (f", slice {at + 1} at {found[at + 1]:g} nm" if at + 1 < slices else "")
            + ". Check the order of the slices, or leave out repeated ones"
        )
    return found
