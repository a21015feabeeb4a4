"""Measure `corrector/align` and rivals on stacks with known drift.

Porous: leveled waves (60 nm ligaments, 5 nm voxels, 64 slices of 224 x 224 pixels; one case with
30 nm) are generated with pixels of a third, imaged at 2 kV by `simulator/weighted_projection`,
blurred as by a beam of 6 nm, and sampled after they were moved: the drift is exact at any fraction
of a pixel, and no pattern of the voxels moves with it. Noise is 0.1 of the image's standard
deviation. Drift: up to 6 px, slow, with 1 px (rms) of jitter and a jump of 12 px. Stripes are
0.5 standard deviations; curtains have the same strength, but change along y, are inclined and
persist (0.9 from slice to slice).

FIB-25: the same drift is added to 64 slices of the real stack; errors are those of the difference
of what is found with and without it.

Printed are, as means over the seeds, in pixels along one axis: the rms error of steps; that of
positions, after the mean (cumulative); and the range of errors of positions, the larger of y and
x. On the stack without drift the latter two measure the wander. All displacement is removed.

    python -m benchmarks.correctors.align [--seeds 3] [--data ../shared/data]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.fft import fftfreq, irfft2, rfft2, rfftfreq

from fib_plugins import Align, LeveledWave, WeightedProjection
from fibcore import Context, Images

SLICES, FIELD, MARGIN, FINER, PIXEL_NM, BEAM_NM = 64, 224, 32, 3, 5.0, 6.0
STRIPES = 0.5
TARGETS = {
    "porous": (0.04, 0.20, None),
    "porous, stripes": (0.05, 0.20, None),
    "porous, no drift": (None, 0.25, 0.25),
    "FIB-25": (None, 0.15, None),
    "FIB-25, stripes": (None, 0.15, None),
}
"""Case -> at most: steps, cumulative (without drift: wander), range."""
Method = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Row:
    """Errors of one method in one case, pixels."""

    case: str
    method: str
    step: float
    cumulative: float
    widest: float


def structure(seed: int, ligament_nm: float = 60.0) -> np.ndarray:
    """Return transforms of the imaged slices, limited to the frequencies of the pixels."""
    edge = (FIELD + 2 * MARGIN) * FINER
    wave = LeveledWave(
        shape=(SLICES + 20, edge, edge),
        voxel_size_nm=(PIXEL_NM, PIXEL_NM / FINER, PIXEL_NM / FINER),
        ligament_diameter_nm=ligament_nm,
        solid_fraction=0.35,
    ).generate(seed=seed)
    images = WeightedProjection(energies_kev=[2.0], slices=20).simulate(wave).data[0, :SLICES]
    coarse = edge // FINER
    ky, kx = FINER * fftfreq(edge)[:, np.newaxis], FINER * rfftfreq(edge)  # cycles per pixel
    sigma = BEAM_NM / 2.355 / PIXEL_NM
    seen = np.exp(-2.0 * np.pi**2 * sigma**2 * (ky**2 + kx**2)) * np.sinc(ky) * np.sinc(kx)
    rows = np.r_[0 : coarse // 2, edge - coarse // 2 : edge]
    made = np.empty((SLICES, coarse, coarse // 2 + 1), np.complex64)
    for plane, out in zip(images, made, strict=True):
        out[:] = (rfft2(plane) * seen)[rows, : coarse // 2 + 1] / FINER**2
    made[:, coarse // 2] = made[:, :, -1] = 0
    return made


def moved(transforms: np.ndarray, drift: np.ndarray, margin: int) -> np.ndarray:
    """Return images whose content is displaced, the margin cut off; float32 (z, y, x)."""
    edge = transforms.shape[1]
    width = 2 * (transforms.shape[2] - 1)
    ky, kx = fftfreq(edge)[:, np.newaxis], rfftfreq(width)
    turned = (
        irfft2(each * np.exp(-2j * np.pi * (ky * y + kx * x)), (edge, width))
        for each, (y, x) in zip(transforms, drift, strict=True)
    )
    return np.array([plane[margin:-margin, margin:-margin] for plane in turned], np.float32)


def drift(seed: int) -> np.ndarray:
    """Return displacements (slice, (y, x)): slow up to 6 px, 1 px of jitter, a jump of 12 px."""
    rng = np.random.default_rng(100 + seed)
    at = np.arange(SLICES)[:, np.newaxis] / (1.5 * SLICES)
    slow = np.zeros((SLICES, 2))
    for k in (1, 2, 3):
        slow += rng.normal(size=2) / k * np.cos(2.0 * np.pi * (k * at + rng.random(2)))
    slow -= slow[0].copy()
    slow *= 6.0 / np.abs(slow).max(axis=0)
    shifts = slow + rng.normal(size=slow.shape)
    direction = rng.normal(size=2)
    shifts[int(SLICES * rng.uniform(0.3, 0.7)) :] += 12.0 * direction / np.hypot(*direction)
    return np.asarray(shifts)


def stripes(shape: tuple[int, ...], seed: int, knots: int, kept: float, slope: float) -> np.ndarray:
    """Return stripes along y of standard deviation 1.

    Args:
        shape: (z, y, x).
        seed: of the stripes.
        knots: their strength changes along y between so many places; 1: it does not.
        kept: correlation of neighbouring slices.
        slope: their inclination to y.
    """
    from scipy.ndimage import gaussian_filter1d, map_coordinates, zoom

    rng = np.random.default_rng(200 + seed)
    depth, height, width = shape
    y, x = np.mgrid[:height, :width]
    made = np.empty(shape, np.float32)
    profile = np.zeros((knots, width))
    for z in range(depth):
        drawn = gaussian_filter1d(rng.normal(size=(knots, width)), 1.3, axis=1, mode="wrap")
        drawn = np.cumsum(drawn, axis=0)
        drawn /= drawn.std()
        profile = kept * profile + np.sqrt(1.0 - kept**2) * drawn if z else drawn
        plane = zoom(profile, (height / knots, 1), order=1, mode="nearest", grid_mode=True)
        plane = map_coordinates(plane, [y, x + slope * y], order=1, mode="grid-wrap")
        made[z] = plane / plane.std()
    return made


def recorded(clean: np.ndarray, seed: int, noise: float, kind: str = "") -> np.ndarray:
    """Return a stack with noise, and stripes or curtains."""
    deviation = float(clean.std())
    rng = np.random.default_rng(300 + seed)
    stack = clean + noise * deviation * rng.normal(size=clean.shape)
    if kind == "stripes":
        stack = stack + STRIPES * deviation * stripes(clean.shape, seed, 1, 0.7, 0.0)
    if kind == "curtains":
        stack = stack + STRIPES * deviation * stripes(clean.shape, seed, 8, 0.9, 0.01)
    return stack.astype(np.float32)


def by_plugin(stack: np.ndarray, **parameters: Any) -> np.ndarray:
    """Return the displacements that the plugin finds."""
    context = Context()
    Align(remove="all", **parameters).correct(Images(stack, (5, 5, 5), kv=(2.0,)), context=context)
    table = context.kept["corrections"]
    return -np.stack([table["shift_y_px"], table["shift_x_px"]], axis=1)


def whitened(stack: np.ndarray) -> np.ndarray:
    """Return the sum of pairwise displacements: whitened, 1 px low-pass, Hann window."""
    _, height, width = stack.shape
    window = np.hanning(height)[:, np.newaxis] * np.hanning(width)
    ky, kx = fftfreq(height)[:, np.newaxis], rfftfreq(width)
    low_pass = np.exp(-2.0 * np.pi**2 * (ky**2 + kx**2)) * (np.abs(ky) * height > 1.5)
    transforms = [rfft2((plane - plane.mean()) * window) for plane in stack]
    positions = [np.zeros(2)]
    for first, second in pairwise(transforms):
        crossed = np.conj(first) * second
        crossed *= low_pass / np.maximum(np.abs(crossed), 1e-12)
        surface = irfft2(crossed, (height, width))
        at = np.unravel_index(int(np.argmax(surface)), surface.shape)
        step = np.zeros(2)
        for axis, size in enumerate(surface.shape):
            near = np.roll(surface, (1 - at[0], 1 - at[1]), (0, 1))[:3, :3]
            low, mid, high = np.log(np.maximum(near[:, 1] if axis == 0 else near[1], 1e-12))
            step[axis] = at[axis] - size * (at[axis] > size // 2)
            step[axis] += 0.5 * (low - high) / (low - 2.0 * mid + high)
        positions.append(positions[-1] + step)
    return np.array(positions)


def by_skimage(stack: np.ndarray, normalization: str | None) -> np.ndarray:
    """Return the sum of pairwise displacements of scikit-image."""
    from skimage.registration import phase_cross_correlation

    steps = [
        -phase_cross_correlation(a, b, upsample_factor=20, normalization=normalization)[0]
        for a, b in pairwise(stack)
    ]
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])


METHODS: dict[str, Method] = {
    "corrector/align": by_plugin,
    "  neighbours only": partial(by_plugin, baselines=(1,)),
    "whitened, pairwise": whitened,
    "scikit-image, phase": partial(by_skimage, normalization="phase"),
    "scikit-image, plain": partial(by_skimage, normalization=None),
}


def cases(seed: int, data: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray | None]]:
    """Yield name, stack, true displacements, and the stack without them if it has its own."""
    wave, fine = structure(seed), structure(seed, 30.0)
    still, true = np.zeros((SLICES, 2)), drift(seed)
    yield "porous, no drift", recorded(moved(wave, still, MARGIN), seed, 0.1), still, None
    clean = moved(wave, true, MARGIN)
    yield "porous", recorded(clean, seed, 0.1), true, None
    yield "porous, stripes", recorded(clean, seed, 0.1, "stripes"), true, None
    yield "porous, curtains", recorded(clean, seed, 0.1, "curtains"), true, None
    yield "porous, noise 0.3", recorded(clean, seed, 0.3), true, None
    yield "porous, 30 nm", recorded(moved(fine, true, MARGIN), seed, 0.1), true, None
    path = data / "fib25_medulla" / "grayscale.tif"
    if path.exists():
        import tifffile

        real = tifffile.imread(path)[:SLICES].astype(np.float64)
        wide = np.pad(real, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), mode="reflect")
        margin = MARGIN + 20  # what is moved in from outside is not seen
        transforms = np.array([rfft2(plane) for plane in wide])
        base, clean = moved(transforms, still, margin), moved(transforms, true, margin)
        yield "FIB-25", clean, true, base
        yield "FIB-25, stripes", recorded(clean, seed, 0.0, "stripes"), true, base
        yield "FIB-25, curtains", recorded(clean, seed, 0.0, "curtains"), true, base


def errors(error: np.ndarray) -> tuple[float, float, float]:
    """Return rms of steps and of positions, and the range, pixels."""
    steps, centred = np.diff(error, axis=0), error - error.mean(axis=0)
    step, position = (float(np.sqrt(np.mean(each**2))) for each in (steps, centred))
    return step, position, float(np.ptp(error, axis=0).max())


def rows(seeds: int = 3, data: Path = Path("../shared/data")) -> list[Row]:
    """Return the mean errors of all methods in all cases."""
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for seed in range(1, seeds + 1):
        for case, stack, true, base in cases(seed, data):
            for name, method in METHODS.items():
                error = method(stack) - true
                if base is not None:
                    error = error - method(base)
                found.setdefault((case, name), []).append(errors(error))
    return [
        Row(case, name, *(float(value) for value in np.mean(each, axis=0)))
        for (case, name), each in found.items()
    ]


def nanoseconds() -> dict[str, float]:
    """Return CPU times on slices of 2048 x 3072 pixels, ns per voxel."""
    transforms = structure(1)
    tile = np.tile(moved(transforms, drift(1), MARGIN)[:8], (1, 10, 14))[:, :2048, :3072]
    grey = np.clip(128 + 100 * tile, 0, 255).astype(np.uint8)
    images = Images(grey, (5, 5, 5), kv=(2.0,))
    small = Images(grey[:3, :256, :256], (5, 5, 5), kv=(2.0,))
    Align().correct(small)  # compiles
    start = process_time()
    fitted = Align().fit(images)
    between = process_time()
    fitted.correct(images)
    end = process_time()
    return {
        "estimate": 1e9 * (between - start) / grey.size,
        "move": 1e9 * (end - between) / grey.size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    print(f"{'case':20s}{'method':22s}{'step':>8s}{'cumulative':>12s}{'range':>8s}   at most")
    for row in rows(args.seeds, args.data):
        limits = [f"{x:g}" if x else "-" for x in TARGETS.get(row.case, ())]
        wanted = "  ".join(limits) if row.method == "corrector/align" else ""
        print(
            f"{row.case:20s}{row.method:22s}{row.step:8.3f}{row.cumulative:12.3f}"
            f"{row.widest:8.3f}   {wanted}"
        )
    for name, value in nanoseconds().items():
        print(f"{name}: {value:.0f} ns of CPU per voxel, slices of 2048 x 3072 pixels")


if __name__ == "__main__":
    main()
