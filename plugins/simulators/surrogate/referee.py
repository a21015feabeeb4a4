"""The referee: true Monte Carlo of some pixels of the very structure that was imaged.

Pixels are drawn at random over the imaged box, so that all phases and depths are among them in
proportion. Their counts are compared with the yields of the surrogate, in groups: by phase, and by
the depth at which the first voxel of another phase lies below the face.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fib_plugins.simulators.surrogate.counting import Counts, variances_of
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fib_plugins.simulators.surrogate.signals import are_secondary
from fibcore import Labels, Table
from fibcore.roles import Key, Role

DEPTHS_NM = (0.0, 10.0, 30.0, 100.0, math.inf)
"""Edges of the classes of depth."""
ANYWHERE = "anywhere"
FEWEST_PIXELS = 200
"""At least so many pixels are drawn, if there are: fewer allow no verdict."""
CLASS_FACTOR = 2.0
"""The bias in a class of depth may be so many times that of a phase, which averages over more."""
DEVIATIONS = 4.0
"""Standard errors by which a figure must exceed what is accepted. With fewer, one of the many
figures of a perfect surrogate would exceed it by chance now and then."""


def draw_pixels(
    box: Sequence[tuple[int, int]], share: float, rng: np.random.Generator
) -> np.ndarray:
    """Return random pixels of a box, int64 (pixel, 3) in axes (z, y, x), sorted by slice."""
    edges = [stop - start for start, stop in box]
    total = math.prod(edges)
    number = min(total, max(FEWEST_PIXELS, round(share * total)))
    # With replacement: of half a per cent, few are drawn twice.
    flat = np.sort(rng.integers(0, total, number))
    pixels = np.stack(np.unravel_index(flat, edges), axis=1)
    return np.asarray(pixels + [start for start, _ in box], np.int64)


def first_other_nm(labels: Labels, pixels: np.ndarray, deepest: float) -> np.ndarray:
    """Return the depth in nm of the first voxel of another phase below each pixel.

    It is infinite where there is none down to `deepest` nm, or above the end of the structure.
    """
    phase = phases_at(labels, pixels)
    found = np.full(len(pixels), math.inf)
    thickness = labels.voxel_size_nm[0]
    slices = min(labels.shape[0], math.ceil(deepest / thickness) + 1)
    open_ = np.arange(len(pixels))
    for down in range(1, slices):
        z = pixels[open_, 0] + down
        inside = z < labels.shape[0]
        open_ = open_[inside]
        below = phases_at(labels, pixels[open_] + [down, 0, 0])
        hit = below != phase[open_]
        found[open_[hit]] = down * thickness
        open_ = open_[~hit]
        if not len(open_):
            break
    return found


def phases_at(labels: Labels, pixels: np.ndarray) -> np.ndarray:
    """Return the phases of some voxels, read slice by slice."""
    found = np.empty(len(pixels), np.uint8)
    for z in np.unique(pixels[:, 0]).tolist():
        here = pixels[:, 0] == z
        found[here] = np.asarray(labels.data[z])[pixels[here, 1], pixels[here, 2]]
    return found


Row = dict[str, float | int | str | bool | None]
_KEYS: dict[str, Role] = dict.fromkeys(("channel", "phase", "other_phase_below"), Key())


@dataclass(frozen=True)
class Comparison:
    """What the referee found.

    Attributes:
        rows: the table `referee`, row by row.
        faults: what exceeds the accepted errors, in words; empty if the images pass.
        wrong: how wrong each pixel is: the error of its group in the worst channel, (pixel,).
    """

    rows: list[Row]
    faults: list[str]
    wrong: np.ndarray

    @property
    def table(self) -> Table:
        """The rows as a table."""
        return Table.from_rows(self.rows, _KEYS)


def compare(
    params: SurrogateParameters,
    labels: Labels,
    pixels: np.ndarray,
    predicted: np.ndarray,
    counts: Counts,
) -> Comparison:
    """Compare the yields of pixels, (channel, pixel), with Monte Carlo counts.

    Counts of N electrons at the yield p have the variance N p (1 - p): chi-square is the mean of
    their squared deviation over it, 1 for a perfect surrogate. For secondary electrons the variance
    is in proportion to the yield, by the ratio between two halves of the counts of all pixels.
    """
    electrons = params.referee_electrons
    secondary = are_secondary(params.channels)
    variances = variances_of(counts, secondary, electrons)
    phase = phases_at(labels, pixels)
    depth = first_other_nm(labels, pixels, DEPTHS_NM[-2])
    rows: list[Row] = []
    faults: list[str] = []
    wrong = np.zeros(len(pixels))
    for channel, name in enumerate(params.channel_names):
        found, counted = predicted[channel].astype(np.float64), counts.yields[channel]
        bias, rms = params.referee_bias, params.referee_rms
        if secondary[channel]:
            bias, rms = params.referee_secondary_bias, params.referee_secondary_rms
            total = max(float(counted.sum(dtype=np.float64)), 1e-9)
            ratio = float(variances[channel].sum(dtype=np.float64)) / total
        for chosen, label, below in _groups(labels, phase, depth):
            here = np.flatnonzero(chosen)
            pair = found[here], counted[here].astype(np.float64)
            row = _secondary_row(*pair, ratio) if secondary[channel] else _row(*pair, electrons)
            rows.append({"channel": name, "phase": label, "other_phase_below": below, **row})
            place, accepted = f"{label} at {name}", bias
            if below != ANYWHERE:
                wrong[here] = np.maximum(wrong[here], row["rms_error"])
                place += f", another phase {below} below"
                accepted *= CLASS_FACTOR
            faults += [f"{place}: {fault}" for fault in _faults(row, accepted, rms)]
    return Comparison(rows, faults, wrong)


def unchecked() -> Table:
    """Return the table of images that no referee has seen: one row without figures."""
    row: Row = {"channel": "all", "phase": "all", "other_phase_below": ANYWHERE, "pixels": 0}
    return Table.from_rows([row], _KEYS)


def _groups(
    labels: Labels, phase: np.ndarray, depth: np.ndarray
) -> Iterator[tuple[np.ndarray, str, str]]:
    """Yield (pixels, phase, class of depth) of each group that has pixels."""
    yield np.ones(len(phase), bool), "all", ANYWHERE
    names = {number: labels.phases[number].name for number in np.unique(phase).tolist()}
    for name in dict.fromkeys(names.values()):
        own = np.isin(phase, [number for number in names if names[number] == name])
        yield own, name, ANYWHERE
        for low, high in pairwise(DEPTHS_NM):
            last = math.isinf(high)
            chosen = own & (depth >= low) & ((depth < high) | last)
            if chosen.any():
                yield chosen, name, f"{low:g} nm and more" if last else f"{low:g} to {high:g} nm"


def _row(found: np.ndarray, counted: np.ndarray, electrons: int) -> dict[str, float]:
    """Return the figures of a group."""
    deviation = found - counted
    expected = (found * (1.0 - found) / electrons).clip(1e-12)
    variance = counted * (1.0 - counted) / (electrons - 1)
    # Of a few pixels the scatter is unknown: at least that of a perfect surrogate is assumed.
    noise = (expected / electrons * (1.0 / electrons + (2 * electrons - 6) * expected)).clip(0.0)
    return _figures(found, counted, expected, deviation**2 - variance, noise)


def _secondary_row(found: np.ndarray, counted: np.ndarray, ratio: float) -> dict[str, float]:
    """Return the figures of a group of pixels with secondary electrons.

    Squared deviations are taken to scatter by twice as much as those of normal counts.
    """
    expected = (ratio * found).clip(1e-12)
    squared = (found - counted) ** 2 - ratio * counted
    return _figures(found, counted, expected, squared, 4.0 * expected**2)


def _figures(
    found: np.ndarray,
    counted: np.ndarray,
    expected: np.ndarray,
    squared: np.ndarray,
    noise: np.ndarray,
) -> dict[str, float]:
    """Return the figures of a group.

    Args:
        found: yields of the surrogate.
        counted: those of the Monte Carlo.
        expected: variances of these.
        squared: estimates of the squared errors.
        noise: variances of these for a perfect surrogate.
    """
    deviation, mean_square, number = found - counted, float(squared.mean()), len(found)
    return {
        "pixels": number,
        "yield_surrogate": float(found.mean()),
        "yield_monte_carlo": float(counted.mean()),
        "bias": float(deviation.mean()),
        "bias_error": float(np.sqrt(expected.sum()) / number),
        "chi_square": float((deviation**2 / expected).mean()),
        "rms_error": math.sqrt(max(mean_square, 0.0)),
        "mean_square_error": mean_square,
        "mean_square_standard_error": math.sqrt(max(squared.var(), noise.mean()) / number),
    }


def _faults(row: dict[str, float], bias: float, rms: float) -> Iterator[str]:
    """Yield what exceeds the accepted errors by more than chance explains."""
    if not abs(row["bias"]) - DEVIATIONS * row["bias_error"] <= bias:
        yield (
            f"yields deviate by {row['bias']:+.4f} +- {row['bias_error']:.4f} on the mean "
            f"(accepted: {bias:g})"
        )
    least = row["mean_square_error"] - DEVIATIONS * row["mean_square_standard_error"]
    if not least <= rms**2:
        yield (
            f"yields have an error of {row['rms_error']:.3f} (root mean square; accepted: {rms:g})"
        )
