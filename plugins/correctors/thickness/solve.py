"""Distances of slices from their resemblance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.thickness.resemblance import Resemblance

REACH = 0.75
"""Pairs count if they differ by less than this part of the largest difference within slices."""
EXTRAPOLATION = 1.3
"""How far 1/distance is extrapolated from the two features, in units of their difference."""
HUBER, ITERATIONS = 2.0, 6
ENOUGH = 0.9
"""Least part of the pairs of slices so many apart that is within reach, if they count."""
LOCAL, LOCAL_LAG = 0.5, 2
"""Power of the content of a slice, and the lag that it is measured at."""
WEAK = 1e-4
"""Weight of the mean thickness for slices that no pair determines."""


@dataclass(frozen=True)
class Curves:
    """Difference against distance in plane, one curve for each feature.

    Attributes:
        distance_nm: increasing, from 0.
        differences: (feature, distance), increasing.
        lengths_nm: distance at which half the largest difference is reached, along y and x.
    """

    distance_nm: np.ndarray
    differences: np.ndarray
    lengths_nm: tuple[float, float]

    def invert(self, feature: int, differences: np.ndarray) -> np.ndarray:
        """Return the distances of differences; NaN beyond `REACH`."""
        curve = self.differences[feature]
        found = np.interp(differences, curve, self.distance_nm)
        limit = curve[0] + REACH * (curve[-1] - curve[0])
        return np.where(differences < limit, found, np.nan)


def curves_of(found: Resemblance, pixel_nm: tuple[float, float]) -> Curves:
    """Return the mean curves along y and x, on even distances up to their first maximum.

    White noise adds the same to differences within slices and between them, so that it needs no
    correction; the value at distance 0 is extrapolated.
    """
    lateral = found.lateral.mean(axis=(0, -1))  # axis, lag, feature
    lags = np.array(found.lags)
    reach = lags[-1] * min(pixel_nm)
    distance = np.linspace(0, reach, 8 * int(lags[-1]) + 1)
    axes = np.array(
        [
            [
                _smooth(lags * pixel_nm[axis], lateral[axis, :, f], distance)
                for f in range(lateral.shape[2])
            ]
            for axis in (0, 1)
        ]
    )
    lengths = tuple(_half(distance, axes[axis, 0]) for axis in (0, 1))
    mean = axes.mean(axis=0)
    last = int(np.argmax(mean[0])) + 1
    rising = np.maximum.accumulate(mean[:, :last], axis=1)
    rising += np.arange(last) * 1e-9 * (1 + rising[:, -1:])
    return Curves(distance[:last], rising, (lengths[0], lengths[1]))


def _smooth(places: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return a curve through the values, extrapolated to 0 by the parabola of the first three."""
    from scipy.interpolate import PchipInterpolator

    start = np.polynomial.Polynomial.fit(places[:3], values[:3], 2)(0.0)
    start = float(np.clip(start, 0.0, values[0]))
    return np.asarray(PchipInterpolator([0, *places], [start, *values])(wanted))


def _half(distance: np.ndarray, curve: np.ndarray) -> float:
    top = int(np.argmax(curve))
    level = (curve[0] + curve[top]) / 2
    return float(np.interp(level, np.maximum.accumulate(curve[: top + 1]), distance[: top + 1]))


def pair_differences(found: Resemblance) -> np.ndarray:
    """Return the difference of each pair at its best shift, (slice, neighbour, feature).

    A residual shift of less than a pixel is found as the vertex of parabolas along y and x.
    """
    centre, up, down, left, right = np.moveaxis(found.pairs.mean(axis=-1), 2, 0)
    best = centre.copy()
    for before, after in ((up, down), (left, right)):
        bend = before + after - 2 * centre
        slope = after - before
        with np.errstate(invalid="ignore", divide="ignore"):
            gain = np.where((bend > 0) & (np.abs(slope) < 2 * bend), slope**2 / (8 * bend), 0.0)
        best -= gain
    return best


def distances(found: Resemblance, curves: Curves) -> np.ndarray:
    """Return the distance of each pair by each feature, nm (feature, slice, neighbour).

    Differences are divided by what both slices differ by within themselves, relative to the mean of
    all slices, to the power `LOCAL`: slices with more edges, or more contrast, differ more.
    Neighbours of which many pairs are out of reach are left out, since the others are near ones.
    """
    differences = pair_differences(found)
    within = found.lateral[:, :, min(LOCAL_LAG, len(found.lags) - 1)].mean(axis=(1, 3))
    count, neighbours, _ = differences.shape
    nearby = np.minimum(np.arange(count)[:, np.newaxis] + np.arange(1, neighbours + 1), count - 1)
    content = (within[:, np.newaxis] + within[nearby]) / 2 / within.mean(axis=0)
    differences = differences / np.maximum(content, 1e-3) ** LOCAL
    each = np.array([curves.invert(f, differences[..., f]) for f in range(differences.shape[-1])])
    pairs = count - 1 - np.arange(neighbours)
    known = np.isfinite(each).sum(axis=1)
    each[..., 1:] = np.where((known < ENOUGH * pairs)[:, np.newaxis, 1:], np.nan, each[..., 1:])
    return each


@dataclass(frozen=True)
class DepthBias:
    """Factor on distances: images show solid below the face, so that slices resemble too much.

    Attributes:
        distance_nm: measured distances.
        factor: true distance over measured one.
    """

    distance_nm: np.ndarray
    factor: np.ndarray

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        """Return the factors of measured distances."""
        return np.interp(distance, self.distance_nm, self.factor)


def mean_distances(each: np.ndarray) -> np.ndarray:
    """Return the mean distance by feature and neighbour, of neighbours that most pairs determine.

    Args:
        each: (feature, slice, neighbour).
    """
    count = each.shape[1]
    pairs = count - 1 - np.arange(each.shape[2])
    known = np.isfinite(each).all(axis=0)
    enough = known.sum(axis=0) > ENOUGH * np.maximum(pairs, 1)
    return np.array(
        [[np.mean(one[known[:, m], m]) for m in np.flatnonzero(enough)] for one in each]
    )


def extrapolated(each: np.ndarray) -> DepthBias:
    """Return the bias of the first feature, which shows less of the depth than the second."""
    means = mean_distances(each)
    if len(means) == 1 or means.size == 0:
        return DepthBias(np.zeros(1), np.ones(1))
    factor = 1 / (1 - EXTRAPOLATION * (means[0] / means[1] - 1))
    return DepthBias(means[0], np.clip(factor, 0.5, 2.0))


def measured(each: np.ndarray, thickness_nm: float) -> DepthBias:
    """Return the bias of the first feature by a stack whose slices are even and this thick."""
    means = mean_distances(each)[0]
    return DepthBias(means, np.arange(1, len(means) + 1) * thickness_nm / means)


def of_last_feature(each: np.ndarray, bias: DepthBias) -> DepthBias:
    """Return the bias of the last feature, whose distances scatter least, from that of the first.

    Their mean distances become the same.
    """
    means = mean_distances(each)
    if len(means) == 1 or means.size == 0:
        return bias
    return DepthBias(means[-1], bias(means[0]) * means[0] / means[-1])


def thickness_of(each: np.ndarray) -> np.ndarray:
    """Return the distances of neighbouring slices (slice - 1,), by robust least squares.

    Minimises the sum of w ((z_j - z_i - r_ij) / r_ij)^2 over all pairs, with Huber's weights w.

    Args:
        each: measured distances r_ij, nm (slice, neighbour); NaN: unknown.
    """
    from scipy.sparse import coo_array, diags_array
    from scipy.sparse.linalg import spsolve

    steps, neighbours = each.shape[0] - 1, each.shape[1]
    typical = float(np.nanmedian(each / np.arange(1, neighbours + 1)))
    first, width = np.nonzero(np.isfinite(each))
    distance = np.maximum(each[first, width], 0.02 * typical)
    reaches = [width >= m for m in range(neighbours)]
    row = np.concatenate([np.flatnonzero(reach) for reach in reaches])
    column = np.concatenate([first[reach] + m for m, reach in enumerate(reaches)])
    matrix = coo_array((np.ones(len(row)), (row, column)), (len(first), steps)).tocsr()
    prior, expected = diags_array(np.full(steps, WEAK)), np.full(steps, WEAK * typical)
    weight, found = np.ones(len(distance)), expected
    for _ in range(ITERATIONS):
        weighted = matrix.T * (weight * (typical / distance) ** 2)
        found = spsolve((weighted @ matrix + prior).tocsc(), weighted @ distance + expected)
        residual = np.abs(matrix @ found - distance) / distance
        scale = max(1.5 * float(np.median(residual)), 1e-6)
        weight = np.minimum(1.0, HUBER * scale / np.maximum(residual, 1e-12))
    return np.maximum(np.atleast_1d(found), 0.02 * typical)
