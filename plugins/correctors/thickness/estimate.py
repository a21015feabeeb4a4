"""Thickness of the slices of a stack, and its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.thickness.resemblance import Resemblance, measure
from fib_plugins.correctors.thickness.solve import (
    Curves,
    DepthBias,
    curves_of,
    distances,
    extrapolated,
    measured,
    of_last_feature,
    thickness_of,
)
from fibcore import Context, FibError, Images

BOOTSTRAPS = 40
EXTRAPOLATED_ERROR, MEASURED_ERROR = (0.2, 0.08), (0.1, 0.02)
"""Uncertainty of the depth correction, extrapolated or by a virtual stack: a part of it, and a
relative error. Monte Carlo images of few electrons came out 15 % too thin by extrapolation."""
ANISOTROPY, SIGNIFICANCE = 0.25, 3.0
"""Least difference of the lengths along y and x, relative and in standard errors, of a material
that is taken as anisotropic."""


@dataclass(frozen=True)
class Estimate:
    """Thickness by resemblance.

    Attributes:
        thickness_nm: distance of each slice to the next, (slice - 1,).
        uncertainty_nm: their standard errors.
        mean_error: relative standard error of the mean.
        factor: mean correction for solid seen below the face.
        lengths_nm: distances of half the largest difference within slices, along y and x.
        anisotropic: whether these differ clearly.
    """

    thickness_nm: np.ndarray
    uncertainty_nm: np.ndarray
    mean_error: float
    factor: float
    lengths_nm: tuple[float, float]
    anisotropic: bool


def estimate(
    images: Images, kind: str, neighbours: int, virtual: Images | None, context: Context
) -> Estimate:
    """Estimate the thickness of the slices of a stack.

    Args:
        images: the stack.
        kind: ``bright`` or ``grey``.
        neighbours: each slice is compared with so many of the next.
        virtual: a stack of even slices of known thickness, for the depth correction.
        context: threads, progress and random numbers.

    Raises:
        FibError: constant slices, or slices that do not resemble each other.
    """
    neighbours = min(neighbours, images.shape[0] - 1)
    pixel = (images.voxel_size_nm[1], images.voxel_size_nm[2])
    found = measure(images.data, kind, neighbours, context)
    curves, each = _distances(found, pixel, "images")
    bias = of_last_feature(each, _bias(each, kind, virtual, context))
    thickness = thickness_of(each[-1] * bias(each[-1]))
    nearest = each[-1, :, 0]
    factor = float(bias(nearest[np.isfinite(nearest)]).mean())
    mean = float(thickness.mean())
    rng, tiles = context.rng_for("bootstrap"), found.pairs.shape[-1]
    repeats, lengths = [], []
    for _ in range(BOOTSTRAPS if tiles > 1 else 0):
        again = found.of_tiles(np.asarray(rng.integers(0, tiles, tiles)))
        curves_again = curves_of(again, pixel)
        if min(curves_again.lengths_nm) > 0:
            lengths.append(curves_again.lengths_nm)
        distance = distances(again, curves_again)
        if _are_apart(distance):
            repeats.append(thickness_of(distance[-1] * bias(distance[-1])))
    part, least = EXTRAPOLATED_ERROR if virtual is None else MEASURED_ERROR
    known = kind == "grey" and virtual is None  # signals come from the face alone
    systematic = 0.0 if known else float(np.hypot(part * (factor - 1), least))
    spread = np.std(repeats, axis=0) if repeats else np.full(len(thickness), 0.1 * mean)
    mean_spread = float(np.std([r.mean() for r in repeats])) / mean if repeats else 0.1
    ratio = float(np.log(curves.lengths_nm[0] / curves.lengths_nm[1]))
    mean_error = float(np.hypot(max(mean_spread, abs(ratio) / 2), systematic))
    error = float(np.std([np.log(y / x) for y, x in lengths])) if lengths else np.inf
    return Estimate(
        thickness,
        np.hypot(spread, systematic * thickness),
        mean_error,
        factor,
        curves.lengths_nm,
        bool(abs(ratio) > max(ANISOTROPY, SIGNIFICANCE * error)),
    )


def _are_apart(each: np.ndarray) -> bool:
    """Whether most slices with a known distance are not at the same place."""
    known = each[-1][np.isfinite(each[-1])]
    return bool(known.size and np.median(known) > 0)


def _distances(
    found: Resemblance, pixel: tuple[float, float], what: str
) -> tuple[Curves, np.ndarray]:
    curves = curves_of(found, pixel)
    each = distances(found, curves)
    steps = max(1, each.shape[1] - 1)
    if np.isfinite(each[0, :, 0]).sum() < 0.5 * steps:
        raise FibError(
            f"neighbouring slices of the {what} do not resemble each other more than places "
            f"{curves.distance_nm[-1]:.3g} nm apart within a slice: they are too thick, or not "
            f"aligned. Align them first (corrector/align), or give positions_nm"
        )
    if not (min(curves.lengths_nm) > 0 and _are_apart(each)):
        raise FibError(
            f"neighbouring pixels of the {what} do not resemble each other: they show nothing but "
            f"noise, or structure finer than pixels; check the images, or give positions_nm"
        )
    return curves, each


def _bias(each: np.ndarray, kind: str, virtual: Images | None, context: Context) -> DepthBias:
    if virtual is None:
        return extrapolated(each)
    size = virtual.voxel_size_nm
    neighbours = min(8, virtual.shape[0] - 1)
    known = measure(virtual.data, kind, neighbours, context)
    _, distance = _distances(known, (size[1], size[2]), "virtual stack")
    return measured(distance, size[0])
