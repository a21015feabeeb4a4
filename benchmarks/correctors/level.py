"""Measure `corrector/level`, `corrector/crop` and `corrector/tilt` on stacks of known truth.

Structures of 60 nm ligaments (64 x 224 x 224 voxels of 5 nm), imaged at 2 kV, are recorded by
`adapter/twin` and `adapter/acquisition`. What is left of drift, shading and streaks is measured
against the same stack recorded without them and without noise, in standard deviations of the
images. Rivals: mean and deviation of each slice set to those of the stack; `histogram_match` of
each slice to the stack; division by a plane that is smoothed from the mean of all slices.

    python -m benchmarks.correctors.level [part ...] [--seeds 2]
"""

from __future__ import annotations

import argparse
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np

from fib_plugins import Crop, HistogramMatch, Level, Tilt
from fibcore import Context, Images

from .level_stacks import (
    FOCUS_NM,
    INSTRUMENTS,
    SIZE,
    SLICES,
    STRUCTURES,
    Recorded,
    left_in,
    recorded,
)

Way = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Row:
    """One figure of one method; before: without the correction; the target may be empty."""

    method: str
    figure: str
    before: float
    value: float
    target: str = ""


def images_of(stack: np.ndarray) -> Images:
    return Images(stack, SIZE, kv=(2.0,))


def levelled(stack: np.ndarray) -> np.ndarray:
    return Level().correct(images_of(stack)).data[0]


def by_mean(stack: np.ndarray) -> np.ndarray:
    """Set mean and deviation of each slice to those of the stack."""
    grey = stack.astype(np.float64)
    means, deviations = (f(grey, axis=(1, 2), keepdims=True) for f in (np.mean, np.std))
    return (grey - means) / deviations * grey.std() + grey.mean()


def by_histogram(stack: np.ndarray) -> np.ndarray:
    match = HistogramMatch(scope="slice").fit(images_of(stack), images_of(stack))
    return match.transform(images_of(stack)).data[0]


def by_flat_field(stack: np.ndarray) -> np.ndarray:
    """Divide by the mean over all slices, smoothed by a Gaussian of a quarter of the edge."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(stack.mean(axis=0), stack.shape[1] / 4)
    return stack * (field.mean() / field)


WAYS: dict[str, Way] = {
    "level": levelled,
    "mean and deviation": by_mean,
    "histogram": by_histogram,
    "flat field": by_flat_field,
}


def levelling(seeds: int) -> Iterator[Row]:
    """Yield what is left of drift, shading and streaks, and the harm to clean stacks."""
    for instrument in INSTRUMENTS:
        stacks = [recorded(instrument, seed=3 + seed) for seed in range(seeds)]
        for name, way in WAYS.items():
            yield from _left(f"{name}, {instrument}", way, stacks, clean=False)
        for name, way in WAYS.items():
            yield from _left(f"{name}, {instrument}, clean", way, stacks, clean=True)
    for structure in STRUCTURES[1:]:
        stacks = [recorded("twin typical", structure, 3 + seed) for seed in range(seeds)]
        for name, way in WAYS.items():
            yield from _left(f"{name}, {structure}, clean", way, stacks, clean=True)
        yield from _left(f"level, {structure}", levelled, stacks, clean=False)


def _left(method: str, way: Way, stacks: list[Recorded], clean: bool) -> Iterator[Row]:
    before, after = [], []
    for each in stacks:
        given = each.clean if clean else each.stack
        before.append(left_in(given, each.reference))
        after.append(left_in(way(given), each.reference))
    for figure in ("drift", "shading", "streaks"):
        values = [
            float(np.sqrt(np.mean([getattr(left, figure) ** 2 for left in part])))
            for part in (before, after)
        ]
        yield Row(method, f"{figure} left (sd)", values[0], values[1])


def bad_slices(seeds: int) -> Iterator[Row]:
    """Yield recall and false alarms of slices that are out of focus, dim, or repeated."""
    for instrument in INSTRUMENTS[:2]:
        found = {"out of focus": [0, 0], "dim": [0, 0], "repeated": [0, 0]}
        alarms = slices = 0
        for seed in range(4 * seeds):
            stack = recorded(instrument, seed=3 + seed)
            data = stack.stack.copy()
            repeated = np.arange(SLICES) == 20 + seed
            data[repeated] = data[19 + seed]
            context = Context()
            Level().correct(images_of(data), context=context)
            table = context.kept["corrections"]
            defocus = np.array(stack.slices["defocus_nm"])
            usual = np.array([np.median(defocus[max(0, z - 3) : z + 4]) for z in range(SLICES)])
            blurred = np.abs(defocus) - np.abs(usual) > FOCUS_NM / 2
            blurred &= np.abs(defocus) > FOCUS_NM
            dim = np.array(stack.slices["dimming"]) > 0
            truth = {"out of focus": blurred & ~repeated, "dim": dim, "repeated": repeated}
            outlier = np.array(table["outlier"]) > 0
            for kind, flags in truth.items():
                found[kind][0] += int(np.sum(flags & outlier))
                found[kind][1] += int(np.sum(flags))
            slight = np.abs(defocus) - np.abs(usual) > FOCUS_NM / 2
            harmless = ~(blurred | dim | repeated | slight)
            alarms += int(np.sum(outlier & harmless))
            slices += int(np.sum(harmless))
        for kind, (hits, number) in found.items():
            if number:
                yield Row(instrument, f"{kind}: found of {number} (%)", 0.0, 100 * hits / number)
        yield Row(instrument, f"false alarms of {slices} (%)", 0.0, 100 * alarms / slices)


def data_bars() -> Iterator[Row]:
    """Yield the share of synthetic data bars that are cut off to the row."""
    exact = number = 0
    rng = np.random.default_rng(0)
    for instrument in INSTRUMENTS:
        clean = recorded(instrument).stack
        for depth in (1, 4, SLICES):
            for height in (12, 20, 41):
                for ground, top, lossy in ((0, False, 0.0), (255, True, 0.0), (0, False, 3.0)):
                    writing = np.kron(rng.random((height // 3 - 1, EDGES)) < 0.3, np.ones((3, 3)))
                    bar = np.full((depth, height, clean.shape[2]), ground, np.float64)
                    ink = bar[:, 1 : 1 + len(writing), 4 : 4 + writing.shape[1]]
                    ink[:] = np.where(writing, 255 - ground, ground)
                    ink[..., -12:] = np.where(rng.random(ink[..., -12:].shape) < 0.4, 255, 0)
                    bar += rng.normal(0.0, 1.0, bar.shape) * lossy
                    rows = [clean[:depth], np.clip(bar, 0, 255).astype(np.uint8)]
                    whole = np.concatenate(rows[::-1] if top else rows, axis=1)
                    result = Crop().correct(images_of(whole)).data[0]
                    exact += int(np.array_equal(result, clean[:depth]))
                    number += 1
    yield Row("crop", f"data bars cut off to the row, of {number} (%)", 0.0, 100 * exact / number)
    wrong = sum(
        Crop().correct(images_of(part)).data[0].shape != part.shape
        for instrument in INSTRUMENTS
        for structure in STRUCTURES
        for part in (recorded(instrument, structure).stack,)
    )
    yield Row("crop", "stacks without a bar that were cut", 0.0, float(wrong))


EDGES = 40
"""Columns of letters in a data bar."""


def tilt() -> Iterator[Row]:
    """Yield the error of a wave on the face that is seen at 52 degrees, exactly known."""
    sine, cosine = math.sin(math.radians(52)), math.cos(math.radians(52))

    def wave(y_nm: np.ndarray) -> np.ndarray:
        return 100.0 + 50.0 * np.sin(2.0 * np.pi * y_nm / 120.0)

    places = (np.arange(400) + 0.5) * 5.0
    up = 5.0 * cosine * np.arange(32)
    seen = wave((places + up[:, None]) / sine)[:, :, None].repeat(8, axis=2).astype(np.float32)
    for mode in ("voxel", "resample"):
        result = Tilt(mode=mode, follow=False).correct(images_of(seen))
        true = wave((np.arange(result.shape[1]) + 0.5) * result.voxel_size_nm[1])
        inner = slice(50, -8)
        error = result.data[0, :, inner, 4] - true[inner]
        rms = float(np.sqrt(np.mean(error**2))) / (50.0 / math.sqrt(2.0))
        yield Row(f"tilt, {mode}", "error of a wave of 120 nm (sd)", 0.0, rms)


def speed(edge: int = 1024, slices: int = 24) -> Iterator[Row]:
    """Yield CPU time per voxel, with one thread."""
    stack = recorded("twin bad").stack[:slices]
    times = -(-edge // stack.shape[1])
    large = images_of(np.tile(stack, (1, times, times))[:, :edge, :edge].copy())
    for name, corrector in {
        "crop": Crop(),
        "tilt, resample": Tilt(mode="resample"),
        "level": Level(),
        "level without streaks": Level(streaks=False),
    }.items():
        corrector.correct(large, context=Context(threads=1))  # compiles
        start = process_time()
        corrector.correct(large, context=Context(threads=1))
        spent = (process_time() - start) / large.data.size
        yield Row(name, "CPU time per voxel (ns)", 0.0, 1e9 * spent)


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "levelling": levelling,
    "bad_slices": bad_slices,
    "data_bars": lambda seeds: data_bars(),
    "tilt": lambda seeds: tilt(),
    "speed": lambda seeds: speed(),
}


def rows(seeds: int = 2, parts: Sequence[str] = tuple(PARTS)) -> Iterator[Row]:
    """Yield the figures of some parts."""
    for part in parts:
        yield from PARTS[part](seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"some of {', '.join(PARTS)}; default: all")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("fib").setLevel(logging.ERROR)
    print(f"{'method':<58}{'figure':<44}{'before':>8}{'after':>8}")
    for row in rows(options.seeds, options.parts or tuple(PARTS)):
        print(f"{row.method:<58}{row.figure:<44}{row.before:>8.3f}{row.value:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
