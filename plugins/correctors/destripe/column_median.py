"""Column medians: what a column differs by from its neighbourhood, in the median over lines."""

from __future__ import annotations

import numpy as np

from fib_plugins.correctors.destripe.columns import Columns

NEIGHBOURHOOD_PX = 6.0
"""Standard deviation along x of the Gaussian that is subtracted."""


def column_medians(levelled: np.ndarray, columns: Columns) -> np.ndarray:
    """Return median differences from the smoothed slice, axes (knot, column), float32.

    The median of a knot is that over the rows nearer to it than to others; columns that a slant
    moves out of the field have offsets 0.

    Args:
        levelled: a slice, axes (y, x).
        columns: where offsets lie.
    """
    from scipy.ndimage import gaussian_filter1d

    difference = levelled - gaussian_filter1d(levelled, NEIGHBOURHOOD_PX, axis=1)
    if columns.columns > columns.width:
        slanted = np.full((columns.rows, columns.columns), np.nan, np.float32)
        line = np.arange(columns.width)[None, :] + columns.starts[:, None]
        np.put_along_axis(slanted, line, difference, axis=1)
        difference = slanted
    nearest = columns.above + (columns.shares > 0.5)
    found = np.zeros((columns.knots, columns.columns), np.float32)
    for knot in range(columns.knots):
        lines = difference[nearest == knot]
        seen = ~np.isnan(lines).all(axis=0) if len(lines) else np.zeros(columns.columns, bool)
        median = np.nanmedian if columns.columns > columns.width else np.median
        if seen.any():
            found[knot, seen] = median(lines[:, seen], axis=0)
    return found
