"""How far a figure of a volume may be from that of its material, since the volume is limited.

The variance of a mean over a volume V falls as A / V, where A is the integral range (times the
variance of a point), once V is large against what is correlated (Lantuejoul, J. Microsc. 161, 387
(1991)); of what is correlated over long distances it falls more slowly, as a power of V (Kanit,
Forest, Galliet, Mounoury and Jeulin, Int. J. Solids Struct. 40, 3647 (2003), section 4.3). The
scatter of blocks of the volume, and of these joined two by two along each axis, give level and
power; a few large blocks leave the power uncertain, which is therefore drawn to 1.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.metrics.error_bars.blocks import Blocks
from fib_plugins.metrics.error_bars.quantities import Quantity

POWER_SPREAD = 0.15
"""Standard deviation of the power about 1 before the blocks are looked at."""
STACK_BLOCKS = 4
"""Blocks of the stack along each axis."""


def sampling_variance(blocks: Blocks, quantity: Quantity) -> float:
    """Return the variance of a figure of the volume over volumes of its material, on its scale.

    Args:
        blocks: sums over the blocks of the volume.
        quantity: the figure.

    Returns:
        nan if the volume is too small for several blocks, or has no such figure.
    """
    counts, variances = [], []
    while True:
        shifts = blocks.deviations(quantity)
        if shifts.size < 4:
            break
        counts.append(shifts.size)
        variances.append(float(np.sum(shifts**2)) / (shifts.size - 1))
        joined = blocks.halved()
        if joined.sums.shape == blocks.sums.shape:
            break
        blocks = joined
    if not counts or not np.isfinite(variances).all():
        return float("nan")
    if min(variances) <= 0:
        return variances[-1] / counts[-1]
    return _at_volume(np.array(counts, float), np.array(variances))


def _at_volume(counts: np.ndarray, variances: np.ndarray) -> float:
    """Return the variance of the volume itself.

    Weighted least squares of log(variance) = level + power * log(count): the error of a logarithm
    of a variance of n values is sqrt(2 / (n - 1)).

    Args:
        counts: number of blocks that the volume is divided into.
        variances: their variance.
    """
    rows = np.stack([np.ones(len(counts)), np.log(counts)], axis=1)
    weights = (counts - 1.0) / 2.0
    normal = (rows.T * weights) @ rows
    right = (rows.T * weights) @ np.log(variances)
    normal[1, 1] += 1.0 / POWER_SPREAD**2
    right[1] += 1.0 / POWER_SPREAD**2
    return float(np.exp(np.linalg.solve(normal, right)[0]))
