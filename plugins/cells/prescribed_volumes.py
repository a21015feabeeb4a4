"""Weights for which Laguerre cells have prescribed volumes, and seeds in the middle of cells."""

from __future__ import annotations

import numpy as np

from fib_plugins.cells.power_diagram import PowerDiagram
from fibcore.context import Context

MOST_STEPS = 40
SMALLEST_STEP = 1 / 64
CLOSE = 0.01
"""The search ends when the largest error is below this share of the mean volume."""


def with_volumes(
    seeds: np.ndarray,
    period: np.ndarray,
    volumes: np.ndarray,
    radii: np.ndarray,
    context: Context,
) -> PowerDiagram:
    """Return Laguerre cells of these seeds with these volumes.

    Damped Newton steps for the weights (Kitagawa, Merigot, Thibert, J. Eur. Math. Soc. 21 (2019)
    2603; Bourne, Kok, Roper, Spanjer, Philos. Mag. 100 (2020) 2677, for grains): by
    dV_i / dw_j = -A_ij / (2 |s_i - s_j|), with the area A_ij of a common face.

    Args:
        seeds: (cells, 3).
        period: edges (3,) of the periodic box.
        volumes: (cells,), which sum to the volume of the box.
        radii: (cells,), whose squares are the first weights.
        context: progress and log.
    """
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import spsolve

    weights = radii**2
    found = PowerDiagram.of(seeds, period, weights)
    if (found.volumes <= 0).any():
        weights = np.zeros(len(seeds))
        found = PowerDiagram.of(seeds, period, weights)
    mean = float(volumes.mean())
    for number in range(MOST_STEPS):
        errors = found.volumes - volumes
        worst = float(np.abs(errors).max() / mean)
        context.progress(number, None, "adjusting volumes of cells")
        if worst < CLOSE:
            return found
        floor = 0.5 * min(float(found.volumes.min()), float(volumes.min()))
        cells = found.owners
        away = found.seeds[found.neighbours] + found.shifts * found.period - found.seeds[cells]
        slopes = found.areas / (2 * np.linalg.norm(away, axis=1))
        size = len(seeds)
        matrix = diags_array(np.bincount(cells, slopes, size)) - coo_array(
            (slopes, (cells, found.neighbours)), shape=(size, size)
        )
        change = np.zeros(size)
        change[1:] = spsolve(matrix.tocsc()[1:, 1:], -errors[1:])
        step = 1.0
        while step >= SMALLEST_STEP:
            trial = PowerDiagram.of(seeds, period, weights + step * change)
            rest = float(np.abs(trial.volumes - volumes).max() / mean)
            if trial.volumes.min() > floor and rest < (1 - step / 4) * worst:
                break
            step /= 2
        else:
            break
        weights, found = weights + step * change, trial
    context.log.warning(
        "the volumes of cells differ from those drawn by up to %.2g times their mean; give a "
        "smaller spread of diameters, or another seed",
        worst,
    )
    return found


def relaxed(seeds: np.ndarray, period: np.ndarray, steps: int, context: Context) -> PowerDiagram:
    """Return Voronoi cells after moving every seed to the centroid of its cell, some times.

    Lloyd, IEEE Trans. Inf. Theory 28 (1982) 129; Du, Faber, Gunzburger, SIAM Rev. 41 (1999) 637.
    """
    found = PowerDiagram.of(seeds, period)
    for _ in context.track(range(steps), "relaxing cells"):
        found = PowerDiagram.of(found.centroids, period)
    return found
